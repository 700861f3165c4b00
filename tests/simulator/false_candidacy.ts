/**
 * A liar's own candidacy: it claims a longer log than anybody's, wins a genuine certificate with it if
 * honest voters believe that, and then tells each follower something else. No certificate keeps a
 * leader from that; what must hold all the same is that nobody else is certified in its term.
 *
 * @module
 */

import {
  CertificateError,
  type Certifier,
  type ElectionFields,
  type SigningRequest,
} from "../../lib/certificate/certifier.ts";
import type { GrantKeys } from "../../lib/certificate/grant.ts";
import type { GrantsProof, Message, PreVoteResponse, VoteResponse } from "../../lib/raft/mod.ts";
import { toGrantsProof } from "../../lib/raft/term_proof.ts";
import { type NodeId, plus, type Term, toLogIndex, toTerm } from "../../lib/types.ts";
import type { Counters } from "./counters.ts";
import type { LieKind } from "./fault_kinds.ts";
import type { Random } from "./random.ts";

/** How far beyond everybody's the claimed log goes. */
export const CLAIMED_INDEX = toLogIndex(1_000_000);

/** What a candidacy needs of its liar. */
export interface FalseCandidacyOptions {
  /** The liar. */
  readonly self: NodeId;
  /** Everybody else. */
  readonly peers: readonly NodeId[];
  /** Signs with its genuine identity. */
  readonly grants: GrantKeys;
  /** Signs with its genuine share. */
  readonly certifier: Certifier;
  /** Chance. */
  readonly random: Random;
  /** How it lies now. */
  readonly lies: () => readonly LieKind[];
  /** Counts lies. */
  readonly counters: Counters;
  /** Puts a message on its way. */
  readonly send: (message: Message) => void;
}

/** What a voter gave with its grant. */
interface Given {
  readonly commitment: Uint8Array;
  readonly signature: Uint8Array;
}

/** At most one candidacy at a time. */
export class FalseCandidacy {
  readonly #options: FalseCandidacyOptions;
  #election: ElectionFields | null = null;
  #transfer = false;
  #grants = new Map<NodeId, Given>();
  #request: { readonly voter: NodeId; readonly commitment: Uint8Array }[] | null = null;
  #shares = new Map<NodeId, Uint8Array>();

  /** No candidacy yet. */
  constructor(options: FalseCandidacyOptions) {
    this.#options = options;
  }

  /** Asks for the term after `term`; voters may be told that their leader wishes for it. */
  start(term: Term, { transfer }: { readonly transfer: boolean }): void {
    const { self, peers, certifier, grants, send } = this.#options;
    this.#transfer = transfer;
    const asked = plus(term, 1);
    const election = { term: asked, candidate: self };
    this.#election = {
      epoch: certifier.epoch,
      term: asked,
      leader: self,
      lastLogIndex: CLAIMED_INDEX,
      lastLogTerm: asked,
    };
    const own = { commitment: certifier.commit(election), signature: grants.sign(election) };
    this.#grants = new Map([[self, own]]);
    this.#request = null;
    this.#shares = new Map();
    const { lastLogIndex, lastLogTerm } = this.#election;
    for (const to of peers) {
      send({
        kind: "preVoteRequest",
        from: self,
        to,
        term: asked,
        lastLogIndex,
        lastLogTerm,
        transfer,
        epoch: certifier.epoch,
        sequence: 0,
        membership: null,
        proof: null,
      });
    }
  }

  /** Takes an answer; false when it is not to this candidacy. */
  take(message: PreVoteResponse | VoteResponse): boolean {
    const election = this.#election;
    if (election === null || message.term !== election.term || !message.granted) return false;
    if (message.kind === "preVoteResponse") {
      const { from, commitment, grant: signature } = message;
      if (commitment !== null && signature !== null) {
        this.#grants.set(from, { commitment, signature });
      }
      this.#askVotes(election);
    } else if (message.share !== null) {
      this.#shares.set(message.from, message.share);
      if (this.#options.lies().includes("endlessSessions")) this.#askAgain(election, message);
      else this.#combine(election);
    }
    return true;
  }

  #askVotes(election: ElectionFields): void {
    const { self, peers, certifier, lies, random, counters, send } = this.#options;
    if (this.#request !== null || this.#grants.size < certifier.threshold) return;
    const isShort = lies().includes("tooFewSigners") && random.chance(0.5);
    if (isShort) counters.count("lie.tooFewSigners");
    const count = certifier.threshold - (isShort ? 1 : 0);
    const chosen = new Set([...this.#grants.keys()].slice(0, count));
    const commitments = certifier.voters.flatMap((voter) => {
      const commitment = this.#grants.get(voter)?.commitment;
      return commitment === undefined || !chosen.has(voter) ? [] : [{ voter, commitment }];
    });
    this.#request = commitments;
    const own = this.#sign({ election, commitments });
    if (own !== null) this.#shares.set(self, own);
    const { epoch, term, lastLogIndex, lastLogTerm } = election;
    const proof = this.#proof(election);
    for (const to of peers.filter((peer) => chosen.has(peer))) {
      const place = {
        epoch,
        term,
        proof,
        lastLogIndex,
        lastLogTerm,
        transfer: this.#transfer,
        session: 1,
      };
      send({ kind: "voteRequest", from: self, to, ...place, commitments });
    }
  }

  /** Wants another share for every one that it gets, from a new nonce, and uses none. */
  #askAgain(election: ElectionFields, { from, commitment, session }: VoteResponse): void {
    const { self, counters, send, random } = this.#options;
    if (commitment === null || this.#request === null) return;
    counters.count("lie.endlessSessions");
    const commitments = this.#request.map((own) =>
      own.voter === from ? { ...own, commitment } : own
    );
    const { epoch, term, lastLogTerm } = election;
    const proof = this.#proof(election);
    // Sometimes for another statement, under which nobody may find a voter's share.
    const lastLogIndex = plus(election.lastLogIndex, random.chance(0.3) ? 1 : 0);
    const place = { epoch, term, proof, lastLogIndex, lastLogTerm, transfer: this.#transfer };
    const next = { session: session + 1, commitments };
    send({ kind: "voteRequest", from: self, to: from, ...place, ...next });
  }

  #proof({ term, leader: candidate }: ElectionFields): GrantsProof {
    const { certifier } = this.#options;
    return toGrantsProof({ term, candidate, certifier, membership: null }, this.#grants);
  }

  #sign(request: SigningRequest): Uint8Array | null {
    const { certifier } = this.#options;
    try {
      return certifier.sign(certifier.takeNonce(request));
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      return null;
    }
  }

  #combine(election: ElectionFields): void {
    const { certifier, counters } = this.#options;
    const commitments = this.#request;
    // What it is after is that the term ends without a leader.
    if (commitments === null || this.#options.lies().includes("standFirst")) return;
    if (commitments.some(({ voter }) => !this.#shares.has(voter))) return;
    this.#election = null;
    try {
      const result = certifier.combine({ election, commitments }, this.#shares);
      if (result.kind !== "certificate") return;
      counters.count("liar.certified");
      if (this.#options.lies().includes("equivocation")) {
        this.#lead(election, result.certificate.note);
      }
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
    }
  }

  /** Leads by a genuine certificate, and tells everybody something else. */
  #lead({ term }: ElectionFields, certificate: string): void {
    const { self, peers, counters, send } = this.#options;
    counters.count("lie.equivocation");
    peers.forEach((to, at) => {
      const data = new TextEncoder().encode(`lie ${at}`);
      send({
        kind: "appendRequest",
        from: self,
        to,
        term,
        previousLogIndex: toLogIndex(0),
        previousLogTerm: toTerm(0),
        entries: [{ index: toLogIndex(1), term, kind: "command", data }],
        leaderCommit: toLogIndex(1),
        matchIndex: toLogIndex(0),
        round: 1,
        certificate,
        transferTarget: null,
      });
    });
  }
}
