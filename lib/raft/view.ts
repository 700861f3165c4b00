/**
 * A read-only view of a node's state, for status reports, invariants and the simulator's checkers.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { Cluster } from "./cluster.ts";
import type { Durability } from "./durability.ts";
import type { Log } from "./log.ts";
import type { Members } from "./members.ts";
import type { FollowerRounds, Progress, Rounds } from "./progress.ts";
import type { Candidate, Follower, Leader, PreCandidate, ReceivedGrant, Transfer } from "./role.ts";
import type { Suspects } from "./signing_coordinator.ts";
import type { CoreState } from "./state.ts";
import type { VoterPromise } from "./voter.ts";

/** The log in memory. */
export type LogView = Pick<
  Log,
  "base" | "last" | "length" | "bytes" | "entryAt" | "termAt" | "slice" | "isUpToDate"
>;

/** One follower as its leader sees it. */
export type ProgressView =
  & Pick<Progress, "matchIndex" | "nextIndex" | "snapshot" | "isReady" | "isCertified">
  & {
    /** See {@linkcode Progress.rounds}. */
    readonly rounds: Pick<FollowerRounds, "answered" | "answeredSentTick" | "promiseTicks">;
  };

/** A node that asks for pre-votes. */
export type PreCandidateView =
  & Pick<PreCandidate, "name" | "askedTerm" | "transfer" | "following">
  & { readonly grants: ReadonlyMap<NodeId, ReceivedGrant> };

/** Collects votes and signature shares for a certificate. */
export type CandidateView =
  & Pick<Candidate, "name" | "transfer">
  & { readonly answers: ReadonlyMap<NodeId, "granted" | "refused"> };

/** Has a certificate, and knows how far each follower is. */
export type LeaderView =
  & Readonly<
    Pick<Leader, "name" | "certificate" | "leaseBrokenTick" | "isLeaseWaived" | "uncommittedBytes">
  >
  & {
    /** See {@linkcode Leader.followers}. */
    readonly followers: ReadonlyMap<NodeId, ProgressView>;
    /** See {@linkcode Leader.rounds}. */
    readonly rounds: Pick<Rounds, "current" | "newestHeartbeat">;
    /** See {@linkcode Leader.transfer}. */
    readonly transfer: Readonly<Transfer> | null;
  };

/** What a node is. */
export type RoleView = Follower | PreCandidateView | CandidateView | LeaderView;

/** The visible state of a node; see {@linkcode CoreState} for each field. */
export type RaftView =
  & Readonly<
    Pick<
      CoreState,
      | "config"
      | "self"
      | "peers"
      | "currentTerm"
      | "proof"
      | "votedFor"
      | "commitIndex"
      | "lacksState"
      | "leaderCommit"
      | "lostEntries"
      | "certificate"
      | "leader"
      | "report"
      | "nowTick"
      | "electionElapsedTicks"
      | "randomizedTimeoutTicks"
    >
  >
  & {
    /** What this node is. */
    readonly role: RoleView;
    /** Who counts. */
    readonly members: Pick<
      Members,
      "inForce" | "newest" | "isPending" | "all" | "has" | "quorumValue" | "mayBeLedBy"
    >;
    /** What is known of the chain of memberships. */
    readonly cluster: Pick<
      Cluster,
      | "certificates"
      | "certificatesAfter"
      | "membershipsKnown"
      | "change"
      | "changes"
      | "isRemoved"
      | "standing"
      | "isFormer"
    >;
    /** The log in memory. */
    readonly log: LogView;
    /** How far the disk has followed. */
    readonly durability: Pick<Durability, "durableIndex">;
    /** Voters that have cost this node's candidacies a signing session. */
    readonly suspects: Pick<Suspects, "has">;
    /** What this node promised the leader that it heard last. */
    readonly voterPromise: Readonly<VoterPromise>;
  };
