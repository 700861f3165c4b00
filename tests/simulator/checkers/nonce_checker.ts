/**
 * A voter's certifier, watched: no nonce serves two requests, whatever lives lie in between, nobody
 * signs two statements in a term, and no share is made before its vote is durable.
 *
 * @module
 */

import { encodeHex } from "../../../lib/bytes.ts";
import type {
  Certifier,
  ElectionFields,
  NonceTicket,
  SigningRequest,
} from "../../../lib/certificate/certifier.ts";
import { signingSessionsMax } from "../../../lib/certificate/nonce_pool.ts";
import type { LogPosition, RaftView } from "../../../lib/raft/mod.ts";
import { plus } from "../../../lib/types.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

/** What was signed, over all lives of all nodes. */
export class NonceChecker {
  /** By voter and commitment: the one request that its nonce served. */
  readonly #served = new Map<string, string>();
  /** By voter and term: the one statement that was signed. */
  readonly #statements = new Map<string, ElectionFields>();

  /** A share was made. */
  signed(node: NodeView, request: SigningRequest): void {
    const own = request.commitments.find(({ voter }) => voter === node.id);
    const nonce = `${node.id} ${own === undefined ? "none" : encodeHex(own.commitment)}`;
    const digest = digestOf(request);
    const served = this.#served.get(nonce) ?? digest;
    require(served === digest, "No nonce is used twice", () => {
      return `${node.id} signs ${digest} with the nonce of ${served}`;
    });
    this.#served.set(nonce, digest);
    this.#checkStatement(node, request.election);
    this.#checkDurable(node, request.election);
    checkEpoch(node, request.election);
    if (node.state !== null) checkUpToDate(node, node.state, request.election);
  }

  /** The certifier for a node's new life. */
  watch(node: NodeView, certifier: Certifier): Certifier {
    const requests = new WeakMap<NonceTicket, SigningRequest>();
    const given = new Map<string, Set<string>>();
    return {
      epoch: certifier.epoch,
      threshold: certifier.threshold,
      voters: certifier.voters,
      get canSign() {
        return certifier.canSign;
      },
      get spareNonces() {
        return certifier.spareNonces;
      },
      prepare: () => certifier.prepare(),
      commit: (election) => certifier.commit(election),
      checkCommitment: (voter, commitment) => certifier.checkCommitment(voter, commitment),
      takeNonce: (request) => {
        const ticket = certifier.takeNonce(request);
        requests.set(ticket, request);
        return ticket;
      },
      sign: (ticket) => {
        const share = certifier.sign(ticket);
        const request = requests.get(ticket);
        if (request === undefined) return share;
        this.signed(node, request);
        checkCount(node, certifier, { request, given });
        return share;
      },
      combine: (request, shares) => certifier.combine(request, shares),
      verify: (note, expected) => certifier.verify(note, expected),
      forgetBelow: (term) => certifier.forgetBelow(term),
      erase: () => certifier.erase(),
    };
  }

  #checkStatement(node: NodeView, election: ElectionFields): void {
    const { term, leader } = election;
    const earlier = this.#statements.get(`${node.id} ${term}`) ?? election;
    require(earlier.leader === leader, "A voter signs for one candidate a term", () => {
      return `${node.id} signs for ${leader} in term ${term} after ${earlier.leader}`;
    });
    const isSame = statementOf(earlier) === statementOf(election);
    require(isSame, "A voter signs one statement a term", () => {
      return `${node.id} signs ${statementOf(election)} after ${statementOf(earlier)}`;
    });
    this.#statements.set(`${node.id} ${term}`, election);
  }

  #checkDurable(node: NodeView, { term, leader }: ElectionFields): void {
    const { currentTerm, votedFor } = node.disk.hardState;
    require(
      currentTerm === term && votedFor === leader,
      "A share is made when its vote is durable",
      () => `${node.id} signs for ${leader} in term ${term}; on disk: ${currentTerm} ${votedFor}`,
    );
  }
}

/** Nobody signs under an epoch that is over. */
function checkEpoch(node: NodeView, { epoch, term }: ElectionFields): void {
  const inForce = node.state?.members.inForce.configuration.epoch ?? epoch;
  require(epoch >= inForce, "Nobody signs under an epoch that is over", () => {
    return `${node.id} signs under epoch ${epoch} in term ${term}, and ${inForce} is in force`;
  });
}

/** No candidate gets more shares of one life than all the sessions that an honest one needs. */
function checkCount(
  node: NodeView,
  { voters, threshold }: Certifier,
  { request, given }: {
    readonly request: SigningRequest;
    /** What was signed, by term and candidate. */
    readonly given: Map<string, Set<string>>;
  },
): void {
  const { term, leader } = request.election;
  const signed = given.get(`${term} ${leader}`) ?? new Set();
  given.set(`${term} ${leader}`, signed.add(digestOf(request)));
  const most = signingSessionsMax({ voters: voters.length, threshold });
  require(signed.size <= most, "A voter signs in no more sessions than can help", () => {
    return `${node.id} signs for ${leader} in term ${term} in ${signed.size} sessions, not ${most}`;
  });
}

/** Raft §5.4.1: nobody signs for a log behind its own, as that was before the term. */
function checkUpToDate(
  node: NodeView,
  { log }: RaftView,
  { term, leader, lastLogIndex, lastLogTerm }: ElectionFields,
): void {
  let own: LogPosition = log.last;
  while (own.term >= term && own.index > log.base.index) {
    const index = plus(own.index, -1);
    own = { index, term: log.termAt(index) ?? own.term };
  }
  // Compacted meanwhile: what stood there before the term is not known any more.
  if (own.term >= term) return;
  const isUpToDate = lastLogTerm > own.term ||
    (lastLogTerm === own.term && lastLogIndex >= own.index);
  require(isUpToDate, "Nobody signs for a log behind its own", () => {
    return `${node.id}, at ${own.index}@${own.term}, signs for ${leader} ` +
      `at ${lastLogIndex}@${lastLogTerm}`;
  });
}

function statementOf({ epoch, term, leader, lastLogIndex, lastLogTerm }: ElectionFields): string {
  return [epoch, term, leader, lastLogIndex, lastLogTerm].join(" ");
}

function digestOf({ election, commitments }: SigningRequest): string {
  const signers = commitments.map(({ voter, commitment }) => `${voter}=${encodeHex(commitment)}`);
  return [statementOf(election), ...signers].join(" ");
}
