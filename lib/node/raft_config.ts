/**
 * What the core is told of a node's configuration.
 *
 * @module
 */

import type { Certifier } from "../certificate/certifier.ts";
import { isCommand } from "../kv/mod.ts";
import type { RaftConfig } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";
import type { ClusterConfig, TimingConfig } from "./cluster_config.ts";
import { toTicks } from "./ticker.ts";

/** What the core of one process of a node is told: its times in ticks, and an incarnation of its own. */
export function toRaftConfig(
  { self, certifier, config }: {
    readonly self: NodeId;
    readonly certifier: Certifier;
    readonly config: ClusterConfig;
  },
): RaftConfig {
  return {
    self,
    certifier,
    ...toTickCounts(config.timing),
    logLimits: config.log,
    isCommand,
    random: Math.random,
    incarnation: randomSafeInteger(),
  };
}

/** As many random bits as a message's count can carry. */
function randomSafeInteger(): number {
  const [random = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return Number(BigInt.asUintN(53, random));
}

function toTickCounts(
  timing: TimingConfig,
): Pick<RaftConfig, "electionTimeoutTicks" | "heartbeatTicks" | "signingTimeoutTicks"> {
  return {
    electionTimeoutTicks: toTicks(timing.electionTimeoutMs),
    heartbeatTicks: toTicks(timing.heartbeatMs),
    signingTimeoutTicks: toTicks(timing.signingTimeoutMs),
  };
}
