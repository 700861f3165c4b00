/**
 * Elections: one vote a term across crashes, one certified leader a term, and every leader's
 * certificate genuine and backed by t durable votes.
 *
 * @module
 */

import type { Certificate } from "../../../lib/certificate/certifier.ts";
import type { GrantsProof, HardState, Output, RaftView } from "../../../lib/raft/mod.ts";
import type { Epoch, NodeId, Term } from "../../../lib/types.ts";
import { createGrantDouble } from "../../support/grant_double.ts";
import { require, Violation } from "../violation.ts";
import type { NodeView } from "../watcher.ts";
import type { EpochVoters } from "./members_checker.ts";

/** What the checker knows of the cluster. */
export interface ElectionCheckerOptions {
  /** Who must vote under an epoch, and how many of them. */
  readonly votersOf: (epoch: Epoch) => EpochVoters;
  /** How many of them may be liars, whose votes nobody sees. */
  readonly liars: number;
  /** Verifies a note as an outsider would. @throws when it is not genuine. */
  readonly verify: (note: string, expected: { term: Term; leader: NodeId }) => unknown;
}

/** Watches votes and leaders. */
export class ElectionChecker {
  readonly #options: ElectionCheckerOptions;
  /** Durable votes by voter and term. */
  readonly #votes = new Map<string, NodeId>();
  /** Voters by term and candidate. */
  readonly #voters = new Map<string, Set<NodeId>>();
  /** By term, whatever the epoch. */
  readonly #leaders = new Map<Term, NodeId>();
  readonly #verified = new Set<string>();
  readonly #cheaters = new Set<string>();
  readonly #sessions = new WeakSet<readonly unknown[]>();

  /** A checker that has seen nothing yet. */
  constructor(options: ElectionCheckerOptions) {
    this.#options = options;
  }

  /** How many terms had a leader. */
  get leaderCount(): number {
    return this.#leaders.size;
  }

  /** A term and vote are about to be written over what the disk holds. */
  persisting(node: NodeView, hardState: HardState): void {
    const before = node.disk.hardState;
    require(hardState.currentTerm >= before.currentTerm, "The term never falls", () => {
      return `${node.id} goes from term ${before.currentTerm} to ${hardState.currentTerm}`;
    });
  }

  /** A term and vote are durable. */
  persisted(node: NodeView, { currentTerm, votedFor }: HardState): void {
    if (votedFor === null) return;
    const ballot = `${node.id} ${currentTerm}`;
    const earlier = this.#votes.get(ballot) ?? votedFor;
    require(earlier === votedFor, "One vote a term", () => {
      return `${node.id} votes for ${votedFor} in term ${currentTerm} after ${earlier}`;
    });
    this.#votes.set(ballot, votedFor);
    const candidacy = `${currentTerm} ${votedFor}`;
    const voters = this.#voters.get(candidacy);
    if (voters === undefined) this.#voters.set(candidacy, new Set([node.id]));
    else voters.add(node.id);
  }

  /** A step was taken: looks at all certificates in it. */
  stepped(node: NodeView, output: Output): void {
    const { role } = output;
    if (role !== null && role.leader !== null) {
      require(role.certificate !== null, "A leader is known by its certificate", () => {
        return `${node.id} follows ${role.leader} in term ${role.term} without one`;
      });
      if (role.certificate !== null) {
        this.#checkCertificate(node, role.certificate, { term: role.term, leader: role.leader });
      }
    }
    for (const certificate of output.persist?.certificates ?? []) {
      this.#checkCertificate(node, certificate, certificate);
    }
    this.#checkSessions(node, output);
  }

  /**
   * A voter whose share was wrong is in none of a candidacy's later sessions. Those that were open by
   * then go on being asked for.
   */
  #checkSessions(node: NodeView, output: Output): void {
    // A step may open a session when time passes, and find a cheater by what arrives after that.
    const knownAtOpening = new Map<number, ReadonlySet<string>>();
    for (const event of output.events) {
      if (event.kind === "signingSessionOpened") {
        knownAtOpening.set(event.session, new Set(this.#cheaters));
      } else if (event.kind === "cheaterFound") {
        this.#cheaters.add(`${node.id} ${event.term} ${event.voter}`);
      }
    }
    for (const message of output.sendAfterPersist) {
      if (message.kind !== "voteRequest" || this.#sessions.has(message.commitments)) continue;
      this.#sessions.add(message.commitments);
      const cheaters = knownAtOpening.get(message.session) ?? this.#cheaters;
      const cheater = message.commitments.find(({ voter }) =>
        cheaters.has(`${node.id} ${message.term} ${voter}`)
      );
      require(cheater === undefined, "A cheater is not asked again", () => {
        return `${node.id} asks ${cheater?.voter} for another share in term ${message.term}`;
      });
    }
  }

  /** A process started on what the disk holds. */
  started(node: NodeView, state: RaftView): void {
    const { currentTerm, votedFor } = node.disk.hardState;
    const isSame = state.currentTerm === currentTerm && state.votedFor === votedFor;
    require(isSame, "A node resumes its term and vote", () => {
      return `${node.id} resumes in term ${state.currentTerm}, vote ${state.votedFor}`;
    });
  }

  #checkCertificate(
    node: NodeView,
    certificate: Certificate,
    expected: { readonly term: Term; readonly leader: NodeId },
  ): void {
    const { term, leader } = expected;
    const seen = `${term} ${leader} ${certificate.note}`;
    if (this.#verified.has(seen)) return;
    this.#verified.add(seen);
    try {
      this.#options.verify(certificate.note, { term, leader });
    } catch (cause) {
      throw new Violation(
        "Every leader's certificate is genuine",
        `${node.id} follows ${leader} in term ${term}: ${cause}`,
        { cause },
      );
    }
    this.#checkOnlyLeader(certificate);
    this.#checkBacking(certificate);
  }

  #checkOnlyLeader({ term, leader }: Certificate): void {
    const known = this.#leaders.get(term) ?? leader;
    require(known === leader, "Election safety", () => {
      return `${leader} and ${known} both have a certificate of term ${term}`;
    });
    this.#leaders.set(term, leader);
  }

  #checkBacking({ epoch, term, leader }: Certificate): void {
    const { votersOf, liars } = this.#options;
    const { voters: all, threshold } = votersOf(epoch);
    const given = this.#voters.get(`${term} ${leader}`) ?? new Set();
    const voters = all.filter((voter) => given.has(voter)).length;
    require(voters + liars >= threshold, "A certificate is backed by t durable votes", () => {
      return `${leader} of term ${term} has ${voters} durable votes, ${liars} liars, t ${threshold}`;
    });
  }
}

/** A term is entered by the grants of t voters, or by its certificate, which is checked with its leader. */
export function checkOpening(
  node: NodeView,
  { epoch, term, candidate, grants }: GrantsProof,
  { voters: all, threshold }: EpochVoters,
): void {
  const voters = new Set(grants.map(({ voter }) => voter));
  const grantKeys = createGrantDouble(node.id, epoch);
  const isGranted = voters.size === threshold &&
    grants.every(({ voter, signature }) =>
      all.includes(voter) && grantKeys.verify(voter, { term, candidate }, signature)
    );
  require(isGranted, "Every term is granted by t voters", () => {
    return `${node.id} enters term ${term} that ${[...voters].join(", ")} granted ${candidate}`;
  });
}
