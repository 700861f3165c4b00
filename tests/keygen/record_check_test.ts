import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { InputError } from "../../lib/errors.ts";
import { checkRecord } from "../../lib/keygen/agreement.ts";
import { toPlan } from "../../lib/keygen/configuration.ts";
import {
  type DurableKeyGeneration,
  hashConfiguration,
  newDurableKeyGeneration,
} from "../../lib/keygen/mod.ts";
import { toClusterName } from "../../lib/types.ts";
import { nodeId } from "../certificate/cluster.ts";
import { createFounders } from "../certificate/founders.ts";
import { TestKeygen } from "./harness.ts";

Deno.test("a key generation is not resumed under another configuration, or by a stranger", () => {
  const { roster } = createFounders(2, 3);
  const durable = newDurableKeyGeneration(roster);
  for (
    const other of [
      { ...roster, threshold: 3 },
      { ...roster, cluster: toClusterName("floe-other") },
      { ...roster, voters: roster.voters.toReversed() },
      { ...roster, voters: roster.voters.slice(1) },
    ]
  ) {
    assert.notEqual(hashConfiguration(other), durable.configuration);
    assert.throws(() => check(durable, { roster: other }), InputError);
  }
  assert.throws(() => check(durable, { self: nodeId(9) }), InputError);
});

Deno.test("a key generation is not resumed from a share that is not the statement's", () => {
  const cluster = new TestKeygen(2, 3);
  cluster.start();
  cluster.deliver();
  const { disk } = cluster.node(1);
  const share = assertDefined(disk.share, "no share");
  check(disk);
  for (
    const damaged of [
      { ...share, secret: share.secret.with(0, (share.secret[0] ?? 0) ^ 1) },
      { ...share, secret: new Uint8Array(32) },
      { ...share, secret: share.secret.slice(1) },
      { ...share, statement: share.statement.replace("threshold 2", "threshold 02") },
      { ...share, statement: "" },
      { ...share, statement: share.statement.replace("voter server_2 ", "voter server_4 ") },
    ]
  ) {
    assert.throws(() => check({ ...disk, share: damaged }), InputError);
  }
  assert.throws(() => check({ ...disk, attempt: share.attempt - 1 }), InputError);
});

Deno.test("a key generation is not resumed from a genesis that is not its share's", () => {
  const [cluster, other] = [new TestKeygen(2, 3), new TestKeygen(2, 3, 2)];
  for (const each of [cluster, other]) {
    each.start();
    each.deliver();
  }
  const { disk } = cluster.node(1);
  const share = assertDefined(disk.share, "no share");
  for (
    const damaged of [
      { genesis: "x" },
      { genesis: other.node(1).disk.genesis },
      { share: null },
      { share: { ...share, signed: false } },
    ]
  ) {
    assert.throws(() => check({ ...disk, ...damaged }), InputError);
  }
});

/** As server_1 of three. */
function check(
  durable: DurableKeyGeneration,
  change: Partial<ReturnType<TestKeygen["configOf"]>> = {},
): void {
  const config = new TestKeygen(2, 3).configOf(nodeId(1), 1);
  checkRecord(toPlan({ ...config, ...change }), durable);
}
