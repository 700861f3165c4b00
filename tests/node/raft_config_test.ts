import assert from "node:assert/strict";
import { generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { TICK_MS } from "../../lib/node/inbox.ts";
import { toRaftConfig } from "../../lib/node/node_parts.ts";
import { toNodeId } from "../../lib/types.ts";
import { createTestCluster } from "../certificate/cluster.ts";
import { createGrantDouble } from "../support/grant_double.ts";

Deno.test("toRaftConfig() turns times into ticks, and gives each process an incarnation", () => {
  const config = generateLocalCluster({ nodes: 3 });
  const { timing, log } = config;
  const [certifier] = createTestCluster({ threshold: 2, voters: 3 }).certifiers;
  assert.ok(certifier !== undefined);
  const self = toNodeId("server_1");
  const grants = createGrantDouble(self, certifier.epoch);
  const options = { self, certifier, grants, config };
  const [first, second] = [toRaftConfig(options), toRaftConfig(options)];
  assert.equal(first.electionTimeoutTicks * TICK_MS, timing.electionTimeoutMs);
  assert.equal(first.heartbeatTicks * TICK_MS, timing.heartbeatMs);
  assert.equal(first.signingTimeoutTicks * TICK_MS, timing.signingTimeoutMs);
  assert.equal(first.grants, grants);
  assert.deepEqual(first.logLimits, log);
  assert.ok(Number.isSafeInteger(first.incarnation) && first.incarnation >= 0);
  assert.notEqual(first.incarnation, second.incarnation);
});
