/**
 * The rules of a `cluster.json`: its fields, their limits, and the rules between fields.
 *
 * @module
 */

import { z } from "zod";
import { InputError } from "../errors.ts";
import { majorityOf } from "../margins.ts";
import { HISTORY_LIMITS } from "../kv/mod.ts";
import { LOG_LIMITS } from "../raft/mod.ts";
import { type NodeId, toClusterName, toNodeId } from "../types.ts";
import { formatAddress, parseAddress } from "../address.ts";
import type {
  ClusterConfig,
  ConfigFault,
  HistoryConfig,
  PeerConfig,
  TimingConfig,
} from "./cluster_config.ts";
import { checked, formatPath, readChannelKey, readSigningKey } from "./fields.ts";

/** The timeouts of a `cluster.json` without any: for a local network, with time for slow disks. */
export const TIMING_DEFAULTS: TimingConfig = {
  heartbeatMs: 50,
  electionTimeoutMs: 500,
  signingTimeoutMs: 100,
};

/**
 * The timeouts of a new `cluster.json`, by how far apart the nodes are. On a wide area network an answer takes
 * up to 300 ms, so a heartbeat more often says nothing new, a signing session takes two round trips, and an
 * election timeout must leave room for several of both.
 */
export const TIMING_PROFILES: Readonly<Record<"lan" | "wan", TimingConfig>> = {
  lan: TIMING_DEFAULTS,
  wan: { heartbeatMs: 300, electionTimeoutMs: 3_000, signingTimeoutMs: 1_000 },
};

/** The limits of history of a `cluster.json` without any. */
export const HISTORY_DEFAULTS: HistoryConfig = {
  changesMax: HISTORY_LIMITS.changesMax,
  bytesMax: HISTORY_LIMITS.bytesMax,
  ageSecondsMax: null,
};

/** Most nodes in a cluster. FROST was measured with up to 100; one more makes it odd. */
export const PEERS_MAX = 101;

/** A follower must be able to miss this many heartbeats before it asks for votes. */
const HEARTBEATS_PER_ELECTION_TIMEOUT_MIN = 3;
/** This many signing sessions must fit into an election timeout, or a retry comes too late. */
const SIGNING_SESSIONS_PER_ELECTION_TIMEOUT_MIN = 2;

/** Below this a node would compact all the time. */
const LOG_ENTRIES_MIN = 1_000;
const LOG_BYTES_MIN = 8 * 1024 * 1024;
/** The log is in memory, and may reach several times its limits. */
const LOG_ENTRIES_MAX = 10_000_000;
const LOG_BYTES_MAX = 4 * 1024 ** 3;

/** With less, a watch that resumes after a moment finds that its changes are forgotten. */
const HISTORY_CHANGES_MIN = 1_000;
const HISTORY_BYTES_MIN = 1024 * 1024;
const HISTORY_AGE_SECONDS_MIN = 60;
/** History is in memory, twice while a snapshot takes the place of the store. */
const HISTORY_CHANGES_MAX = 10_000_000;
const HISTORY_BYTES_MAX = 4 * 1024 ** 3;
/** Ten years. */
const HISTORY_AGE_SECONDS_MAX = 10 * 365 * 24 * 60 * 60;

const HEARTBEAT_MS_MIN = 5;
const ELECTION_TIMEOUT_MS_MAX = 60_000;

/** The result of a check: a configuration, or all its faults. */
type CheckedClusterConfig =
  /** Usable as it stands. */
  | { readonly config: ClusterConfig; readonly faults: readonly [] }
  /** Not usable, for these reasons. */
  | { readonly config: null; readonly faults: readonly ConfigFault[] };

/** Checks a parsed `cluster.json`: each field alone, and the rules between the valid fields. */
export function checkClusterConfig(raw: unknown): CheckedClusterConfig {
  const parsed = clusterConfigSchema.safeParse(raw, { reportInput: true });
  const faults = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap(toFaults)),
    ...findCrossFaults(readableSchema.parse(raw)),
  ];
  if (parsed.success && faults.length === 0) return { config: parsed.data, faults: [] };
  return { config: null, faults };
}

function readNodeId(text: string): NodeId {
  // The id is also the name of the node's data folder.
  if (text === "." || text === "..") throw new InputError(`"${text}" cannot name a folder`);
  return toNodeId(text);
}

function milliseconds(fallback: number) {
  return z.int().min(HEARTBEAT_MS_MIN).max(ELECTION_TIMEOUT_MS_MAX).default(fallback);
}

const addressSchema = checked(parseAddress);
const peerSchema = z.strictObject({
  id: checked(readNodeId),
  peer: addressSchema,
  api: addressSchema,
  etcd: addressSchema.optional(),
  learner: z.literal(true).optional(),
  signingKey: checked(readSigningKey).optional(),
  channelKey: checked(readChannelKey).optional(),
}).transform(({ id, peer, api, etcd, learner, signingKey, channelKey }): PeerConfig => {
  const address = {
    ...{ id, peer, api },
    ...(etcd === undefined ? {} : { etcd }),
    ...(learner === undefined ? {} : { isLearner: learner }),
  };
  // One key without the other is a fault of its own below.
  if (signingKey === undefined || channelKey === undefined) return address;
  return { ...address, keys: { signingKey, channelKey } };
});
const timingSchema = z.strictObject({
  heartbeatMs: milliseconds(TIMING_DEFAULTS.heartbeatMs),
  electionTimeoutMs: milliseconds(TIMING_DEFAULTS.electionTimeoutMs),
  signingTimeoutMs: milliseconds(TIMING_DEFAULTS.signingTimeoutMs),
});
const logSchema = z.strictObject({
  entriesMax: z.int().min(LOG_ENTRIES_MIN).max(LOG_ENTRIES_MAX).default(LOG_LIMITS.entriesMax),
  bytesMax: z.int().min(LOG_BYTES_MIN).max(LOG_BYTES_MAX).default(LOG_LIMITS.bytesMax),
});
const historySchema = z.strictObject({
  changesMax: z.int().min(HISTORY_CHANGES_MIN).max(HISTORY_CHANGES_MAX)
    .default(HISTORY_DEFAULTS.changesMax),
  bytesMax: z.int().min(HISTORY_BYTES_MIN).max(HISTORY_BYTES_MAX)
    .default(HISTORY_DEFAULTS.bytesMax),
  ageSecondsMax: z.int().min(HISTORY_AGE_SECONDS_MIN).max(HISTORY_AGE_SECONDS_MAX).nullable()
    .default(HISTORY_DEFAULTS.ageSecondsMax),
});
const clusterConfigSchema = z.strictObject({
  cluster: checked(toClusterName),
  threshold: z.int(),
  peers: z.array(peerSchema).min(1).max(PEERS_MAX),
  timing: timingSchema.default(TIMING_DEFAULTS),
  log: logSchema.default(LOG_LIMITS),
  history: historySchema.default(HISTORY_DEFAULTS),
});

/** Reads the fields that are valid, so that faults between fields are reported with those in fields. */
const readableSchema = z.object({
  threshold: z.int().optional().catch(undefined),
  peers: z.array(
    z.object({
      id: z.string().optional().catch(undefined),
      peer: addressSchema.optional().catch(undefined),
      api: addressSchema.optional().catch(undefined),
      etcd: addressSchema.optional().catch(undefined),
      learner: z.literal(true).optional().catch(undefined),
      signingKey: z.string().optional().catch(""),
      channelKey: z.string().optional().catch(""),
    }).catch({}),
  ).catch([]),
  timing: z.object({
    heartbeatMs: z.int().default(TIMING_DEFAULTS.heartbeatMs).catch(0),
    electionTimeoutMs: z.int().default(TIMING_DEFAULTS.electionTimeoutMs).catch(0),
    signingTimeoutMs: z.int().default(TIMING_DEFAULTS.signingTimeoutMs).catch(0),
  }).catch(TIMING_DEFAULTS),
}).catch({ threshold: undefined, peers: [], timing: TIMING_DEFAULTS });

function findCrossFaults(readable: z.infer<typeof readableSchema>): ConfigFault[] {
  const { threshold, peers, timing } = readable;
  const ids = peers.map(({ id }, index) => ({ path: `peers[${index}].id`, value: id }));
  const addresses = peers.flatMap(({ peer, api, etcd }, index) => [
    { path: `peers[${index}].peer`, value: peer && formatAddress(peer).toLowerCase() },
    { path: `peers[${index}].api`, value: api && formatAddress(api).toLowerCase() },
    { path: `peers[${index}].etcd`, value: etcd && formatAddress(etcd).toLowerCase() },
  ]);
  const voters = peers.filter(({ learner }) => learner === undefined).length;
  return [
    ...(threshold === undefined || voters === 0
      ? []
      : findThresholdFaults(threshold, voters, "threshold")),
    ...findDuplicates(ids),
    ...findDuplicates(addresses),
    ...findKeyFaults(peers),
    ...findTimingFaults(timing),
  ];
}

/** No fault, or one: `threshold` does not fit `voters`. */
export function findThresholdFaults(
  threshold: number,
  voters: number,
  path: string,
): ConfigFault[] {
  const least = majorityOf(voters);
  if (Number.isInteger(threshold) && threshold >= least && threshold <= voters) return [];
  // Two sets of signers must share a voter, or one term could have two leaders.
  const right = least === voters ? `${least}` : `from ${least} to ${voters}`;
  return [{
    path,
    message: `${threshold} of ${voters} voters is not more than half and at most all; use ${right}`,
  }];
}

/** Either every node has pinned keys or no node has, and no two nodes have the same. */
function findKeyFaults(
  peers: readonly Partial<Record<"signingKey" | "channelKey", string | undefined>>[],
): ConfigFault[] {
  const keys = peers.flatMap(({ signingKey, channelKey }, index) => [
    { path: `peers[${index}].signingKey`, value: signingKey },
    { path: `peers[${index}].channelKey`, value: channelKey },
  ]);
  const missing = keys.filter(({ value }) => value === undefined);
  const faults = missing.length === keys.length ? [] : missing.map(({ path }) => ({
    path,
    message: "missing; either every peer has a signingKey and a channelKey, or none has",
  }));
  return [...faults, ...findDuplicates(keys.filter(({ value }) => value !== ""))];
}

function findDuplicates(
  entries: readonly { readonly path: string; readonly value: string | undefined }[],
): ConfigFault[] {
  const first = new Map<string, string>();
  const faults: ConfigFault[] = [];
  for (const { path, value } of entries) {
    if (value === undefined) continue;
    const earlier = first.get(value);
    if (earlier === undefined) first.set(value, path);
    else faults.push({ path, message: `${JSON.stringify(value)} is already at ${earlier}` });
  }
  return faults;
}

/** Checks how the times relate. 0 stands for a time that is not a number. */
function findTimingFaults(timing: TimingConfig): ConfigFault[] {
  const { heartbeatMs, electionTimeoutMs, signingTimeoutMs } = timing;
  const faults: ConfigFault[] = [];
  const heartbeatMsMax = Math.floor(electionTimeoutMs / HEARTBEATS_PER_ELECTION_TIMEOUT_MIN);
  if (electionTimeoutMs > 0 && heartbeatMs > heartbeatMsMax) {
    faults.push({
      path: "timing.heartbeatMs",
      message:
        `${heartbeatMs} is too long: ${HEARTBEATS_PER_ELECTION_TIMEOUT_MIN} heartbeats must fit ` +
        `into electionTimeoutMs ${electionTimeoutMs}, so at most ${heartbeatMsMax}`,
    });
  }
  const signingMsMax = Math.floor(electionTimeoutMs / SIGNING_SESSIONS_PER_ELECTION_TIMEOUT_MIN);
  if (electionTimeoutMs > 0 && signingTimeoutMs > signingMsMax) {
    faults.push({
      path: "timing.signingTimeoutMs",
      message: `${signingTimeoutMs} is too long: ${SIGNING_SESSIONS_PER_ELECTION_TIMEOUT_MIN} ` +
        `signing sessions must fit into electionTimeoutMs ${electionTimeoutMs}, ` +
        `so at most ${signingMsMax}`,
    });
  }
  return faults;
}

function toFaults(issue: z.core.$ZodIssue): ConfigFault[] {
  const path = formatPath(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: formatPath([...issue.path, key]),
      message: "unknown field; remove it or correct its name",
    }));
  }
  if (issue.code === "invalid_type" && issue.input === undefined) {
    return [{ path, message: `missing; expected ${issue.expected}` }];
  }
  return [{ path, message: issue.message }];
}
