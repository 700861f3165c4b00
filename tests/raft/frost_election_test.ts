/**
 * Elections with real FROST instead of the double: the certificates verify with the group key alone,
 * and a signer that dies or cheats between the rounds costs at most one more signing session.
 *
 * @module
 */

import assert from "node:assert/strict";
import { verifyCertificate } from "../../lib/certificate/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { createTestCluster } from "../certificate/cluster.ts";
import { propose, startElection, TestCluster } from "./harness.ts";
import { SIGNING_TIMEOUT_TICKS } from "./test_node.ts";

function frostCluster(options: { readonly voters: number; readonly threshold: number }): {
  readonly cluster: TestCluster;
  readonly publicKey: Uint8Array;
} {
  const { certifiers, group } = createTestCluster(options);
  const cluster = new TestCluster({ size: options.voters, certifiers });
  return { cluster, publicKey: group.publicKey };
}

Deno.test("a leader's FROST certificate verifies with the group key, and its followers commit", () => {
  const { cluster, publicKey } = frostCluster({ voters: 5, threshold: 3 });
  const leader = cluster.elect("server_2");
  propose(leader, "x");
  cluster.deliver();
  for (const node of cluster.nodes.values()) assert.deepEqual(node.appliedCommands, ["x"]);
  const { certificate, currentTerm: term } = leader.raft.state;
  const verified = verifyCertificate(
    certificate?.note ?? "",
    { publicKey, cluster: null },
    { term, leader: leader.id },
  );
  assert.equal(verified.leader, "server_2");
});

Deno.test("with FROST, a voter that answers the pre-vote and then dies costs one session", () => {
  const { cluster } = frostCluster({ voters: 5, threshold: 3 });
  const candidate = cluster.node("server_1");
  let dead: NodeId | null = null;
  cluster.intercept = (message) => {
    if (message.kind === "voteRequest" && message.commitments.length > 0) dead ??= message.to;
    return message.to === dead || message.from === dead ? null : message;
  };
  startElection(candidate);
  cluster.deliver();
  cluster.tick(SIGNING_TIMEOUT_TICKS);
  assert.equal(candidate.raft.state.role.name, "leader");
  assert.equal(candidate.raft.state.currentTerm, 1);
  assert.deepEqual(
    candidate.eventsOf("signingSessionOpened").map(({ session, missing }) => [session, missing]),
    [[2, [dead]]],
  );
});

Deno.test("with FROST, a voter that sends a wrong share costs one session and is named", () => {
  const { cluster } = frostCluster({ voters: 5, threshold: 3 });
  const candidate = cluster.node("server_1");
  let cheater: NodeId | null = null;
  cluster.intercept = (message) => {
    if (message.kind !== "voteResponse" || message.share === null) return message;
    cheater ??= message.from;
    if (message.from !== cheater) return message;
    const share = message.share.map((byte, at) => at === 0 ? byte ^ 1 : byte);
    return { ...message, share };
  };
  startElection(candidate);
  cluster.deliver();
  assert.equal(candidate.raft.state.role.name, "leader");
  assert.equal(candidate.raft.state.currentTerm, 1);
  assert.deepEqual(candidate.eventsOf("cheaterFound").map(({ voter }) => voter), [cheater]);
  assert.equal(candidate.eventsOf("signingSessionOpened").length, 1);
});
