/**
 * What can go wrong, by name. Everything here is counted when it happens, and `deno task simulate`
 * and the gate both look whether each did: a fault that never fires finds nothing.
 *
 * @module
 */

import { BOUNDARIES } from "./crash_plan.ts";
import { KEY_VALUE_DAMAGES } from "./disk/key_value_disk.ts";
import { CHANGE_KINDS, PLAN_KINDS } from "./members/change_kinds.ts";
import { LEADER_LIES } from "./members/leader_lies.ts";
import { MEMBER_LIES, SIGNING_LIES } from "./members/member_lies.ts";
import { CHANGE_STEPS } from "./members/step_killer.ts";
import { RAFT_DAMAGES } from "./disk/raft_disk.ts";

/** Faults of the network, and what else befalls more than one machine. */
export const NETWORK_FAULT_KINDS = [
  "partition",
  "oneWay",
  "bridge",
  "isolateLeader",
  "forsakeLeader",
  "leaveBehind",
  "clog",
] as const;
/** One of {@linkcode NETWORK_FAULT_KINDS}. */
export type NetworkFaultKind = typeof NETWORK_FAULT_KINDS[number];

/** Faults of one machine. */
export const MACHINE_FAULT_KINDS = [
  "kill",
  "crashAtBoundary",
  "quickRestarts",
  "powerLoss",
  "pause",
  "clockJump",
  "slowDisk",
  "hungDisk",
  "ioError",
  "fullDisk",
  "corruption",
  "staleStore",
  "lostStore",
  "wipe",
] as const;
/** One of {@linkcode MACHINE_FAULT_KINDS}. */
export type MachineFaultKind = typeof MACHINE_FAULT_KINDS[number];

/** No faults, but what comes at the wrong moment: operators' wishes, crowds, and a run of elections. */
export const TROUBLE_KINDS = ["transfer", "burst", "coup", "leftInThePast"] as const;
/** One of {@linkcode TROUBLE_KINDS}. */
export type TroubleKind = typeof TROUBLE_KINDS[number];

/** Everything that the nemesis brings about, one after the other. */
export const FAULT_KINDS = [...NETWORK_FAULT_KINDS, ...MACHINE_FAULT_KINDS, ...TROUBLE_KINDS];
/** One of {@linkcode FAULT_KINDS}. */
export type FaultKind = typeof FAULT_KINDS[number];

/** Lies that need no more than a vote; only they are told within the line, see `Scenario.liars`. */
export const LIES_OF_A_VOTER = [
  "voteForAll",
  "wrongShare",
  "withheldShare",
  "replayedCommitment",
  "forgedCertificate",
  "staleCertificate",
  "foreignCertificate",
  "claimWithoutCertificate",
  "inflatedTerm",
  "falseAcknowledgement",
  "refuseAll",
  "standFirst",
  "transferUnasked",
  "wantSnapshots",
] as const;

/** Lies that are told only where replication is past saving. */
export const LIES_BEYOND = [
  "inflatedLog",
  "equivocation",
  "tooFewSigners",
  "endlessSessions",
] as const;

/** How a liar lies. */
export const LIE_KINDS = [...LIES_OF_A_VOTER, ...LIES_BEYOND];
/** One of {@linkcode LIE_KINDS}. */
export type LieKind = typeof LIE_KINDS[number];

/** What the network does to single messages. */
const MESSAGE_FAULTS = ["drop", "duplicate", "reorder", "longTail", "echo"];

/** What a disk does, or is seen to have done. */
const DISK_FAULTS = [
  "inFlight.lost",
  "inFlight.written",
  "tablesInFlight.lost",
  "tablesInFlight.written",
  "ioError.lost",
  "ioError.written",
  "fullDisk.lost",
  "damageFound",
  "staleStore.caughtUp",
  "staleStore.lost",
];

/** Limits that are reached. */
const LIMITS = ["uncommitted", "readers", "append", "inflight", "inbox"];

/** A node that is many terms ahead at healing; reads on a lease that liars have promised as well. */
const WORLDS = ["farAhead", "leaseBesideLiars"];

/** What clients do that few clients do. */
const HABITS = [
  "lateRetry",
  "reusedKey",
  "forgottenKey",
  "putIfAbsent",
  "strictDelete",
  "createToken",
  "revokeToken",
];

/** What befalls those who use more of the store than single keys. */
const STORE_EVENTS = [
  "store.slice",
  "store.readOfThePast",
  "store.compactedRead",
  "store.transactionRefused",
  "watch.resumed",
  "watch.progress",
  "watch.compacted",
  "watch.closed",
  "lease.leaseNotFound",
  "holder.sleep",
  "lock.won",
  "fence.stale",
];

/** What befalls those whose members change. */
const CHANGE_EVENTS = [
  ...[...CHANGE_KINDS, ...PLAN_KINDS].map((kind) => `asked.${kind}`),
  ...CHANGE_STEPS.map((step) => `step.${step}`),
  ...CHANGE_STEPS.filter((step) => step !== "abort").map((step) => `killed.${step}`),
  "cancel",
  "rival",
  "unsafe",
  "away",
  "lostForGood",
  "fullDisk.log",
  "fullDisk.shares",
  "hopeless",
];

/** The name of every counter of a fault. */
export const FAULT_COUNTERS: readonly string[] = [
  ...FAULT_KINDS.map((kind) => `fault.${kind}`),
  ...LIE_KINDS.map((kind) => `lie.${kind}`),
  ...BOUNDARIES.map((boundary) => `crash.${boundary}`),
  ...RAFT_DAMAGES.map((kind) => `damage.raft.${kind}`),
  ...KEY_VALUE_DAMAGES.map((kind) => `damage.kv.${kind}`),
  ...MESSAGE_FAULTS.map((kind) => `network.${kind}`),
  ...DISK_FAULTS.map((kind) => `disk.${kind}`),
  ...LIMITS.map((kind) => `limit.${kind}`),
  ...WORLDS.map((kind) => `world.${kind}`),
  ...HABITS.map((kind) => `habit.${kind}`),
  ...STORE_EVENTS,
  ...CHANGE_EVENTS.map((kind) => `change.${kind}`),
  ...MEMBER_LIES.map((kind) => `lie.members.${kind}`),
];

/** Those that some hundred seeds need not have; `deno task simulate` tells of them as well. */
export const RARE_FAULTS: readonly string[] = [
  "crash.beforeShares",
  "crash.afterShares",
  "change.killed.proof",
  "crash.beforeReset",
  "crash.afterInstall",
  "damage.raft.electionsLost",
  "damage.raft.electionsFlipped",
  "lie.members.forgedConfiguration",
  "change.hopeless",
  "change.fullDisk.shares",
  ...[...SIGNING_LIES, ...LEADER_LIES].map((kind) => `lie.members.${kind}`),
];
