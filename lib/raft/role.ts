/**
 * The roles of Raft §5.1, each with the state that exists only in it: a leader has a certificate,
 * a candidate has signing sessions, a follower has a leader or none.
 *
 * @module
 */

import type { Certificate, Certifier } from "../certificate/mod.ts";
import type { NodeId, Term } from "../types.ts";
import type { RoleReport } from "./input_output.ts";
import type { Configuration } from "./members.ts";
import type { Progress, Rounds } from "./progress.ts";
import type { LeaderReads } from "./reads.ts";
import type { SignatureCollection } from "./signature_collection.ts";
import type { Offer, SigningCoordinator } from "./signing_coordinator.ts";

/** Answers others, and follows a leader whose certificate it has verified, if any. */
export interface Follower {
  /** The tag. */
  readonly name: "follower";
  /** The leader that it follows; null when it knows of none in the current term. */
  readonly following: Following | null;
}

/** A leader as its follower knows it. */
export interface Following {
  /** Its proof, verified. */
  readonly certificate: Certificate;
  /**
   * Whether it was heard in this run. A leader that is known only from before a restart may be gone, and gets
   * no requests.
   */
  readonly isHeard: boolean;
}

/** Asks whether the others would vote for it, without raising its term. */
export interface PreCandidate {
  /** The tag. */
  readonly name: "preCandidate";
  /** The term that it asks for: one above its own. */
  readonly askedTerm: Term;
  /** The configuration under which it stands. */
  readonly configuration: Configuration;
  /** The certifier of its epoch, whose voters it asks. */
  readonly certifier: Certifier;
  /** Whether the leader asked for this election. */
  readonly transfer: boolean;
  /** When it began to ask. */
  readonly startedTick: number;
  /**
   * The leader that it still hears: one that hands over to it, or that stalls. Null where no leader is heard.
   */
  readonly following: Following | null;
  /** The leader's round with the request to stand. Earlier messages do not end this pre-candidacy. */
  readonly toldRound: number;
  /** The voters that granted, this node first. */
  readonly grants: Map<NodeId, ReceivedGrant>;
}

/** The content of a grant. */
export interface ReceivedGrant extends Offer {
  /** Its signature over the grant: a part of the term's proof. */
  readonly signature: Uint8Array;
  /** When it came. */
  readonly tick: number;
}

/** Collects votes and signature shares. */
export interface Candidate {
  /** The tag. */
  readonly name: "candidate";
  /** Whether the leader asked for this election. */
  readonly transfer: boolean;
  /** The sessions in which the certificate is signed. */
  readonly signing: SigningCoordinator;
  /**
   * The voters that answered, and how. A candidate wins with its certificate, which holds t votes; this map
   * counts only the refusals.
   */
  readonly answers: Map<NodeId, "granted" | "refused">;
}

/** A leadership transfer (Raft dissertation §3.10). */
export interface Transfer {
  /** The request. */
  readonly transferId: number;
  /** The node that takes over. */
  readonly target: NodeId;
  /** When it began. */
  readonly startedTick: number;
  /** Whether the target was asked to stand for election. */
  isTold: boolean;
}

/** Leads its term, with proof. */
export interface Leader {
  /** The tag. */
  readonly name: "leader";
  /** The proof. */
  readonly certificate: Certificate;
  /** The progress of every other member, and for a while of those that were removed. */
  readonly followers: Map<NodeId, Progress>;
  /** The numbering of heartbeats, and when each was sent. */
  readonly rounds: Rounds;
  /** Reads that wait for a quorum. */
  readonly reads: LeaderReads;
  /** Ticks until the next heartbeat is due. */
  heartbeatDueTicks: number;
  /** Acknowledgements of rounds sent up to this tick count for no lease: time jumped. */
  leaseBrokenTick: number;
  /**
   * Whether it ever began a transfer in this term. Its messages to the target and the voters may arrive at any
   * later time, even after an abort, and the voters may then elect the target.
   */
  isLeaseWaived: boolean;
  /** The current transfer, if any. */
  transfer: Transfer | null;
  /** The signature of a membership that it collects; null while none is due. */
  collection: SignatureCollection | null;
  /** By change, author and kind: the last word that it put into its log, and how many. */
  readonly words: Map<string, { readonly index: number; readonly count: number }>;
  /** Whether it has begun a transfer because it is no longer a voter. */
  isLeaving: boolean;
  /** Bytes of commands appended and not yet committed. */
  uncommittedBytes: number;
}

/** What a node is. */
export type Role = Follower | PreCandidate | Candidate | Leader;

/** Tells a change of role, term or leader, once. */
export class RoleReporter {
  #reported: RoleReport | null = null;

  /** The report if it differs from the one before; else null. */
  changed(now: RoleReport): RoleReport | null {
    const before = this.#reported;
    const isSame = before?.role === now.role && before.term === now.term &&
      before.leader === now.leader;
    if (isSame) return null;
    this.#reported = now;
    return now;
  }
}
