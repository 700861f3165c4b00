import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { assertDefined } from "../../../lib/assert.ts";
import { EnvironmentError, InputError } from "../../../lib/errors.ts";
import { ATTEMPT_MAX, type Message } from "../../../lib/keygen/mod.ts";
import { MESSAGES_PER_TICK_MAX } from "../../../lib/node/key_generation/key_generation_run.ts";
import { certifyGenesis, createStatement } from "../../certificate/founders.ts";
import { TestKeygen } from "../../keygen/harness.ts";
import { readIndexRequest } from "../../transport/harness.ts";
import { MemoryCluster, NEVER_MS } from "./memory_cluster.ts";

Deno.test("nodes that have met and agree end in one key, durable before anybody knows", async () => {
  const cluster = new MemoryCluster(3);
  const runs = cluster.ids.map((id) => cluster.start(id));
  await Promise.all(runs.map(({ finished }) => finished));
  const keys = cluster.ids.map((id) => assertDefined(cluster.kept.get(id), `no key of ${id}`));
  assert.equal(new Set(keys.map(({ genesis }) => genesis.note)).size, 1);
  for (const [at, run] of runs.entries()) {
    assert.equal(run.report.phase, "finished");
    assert.equal(run.report.genesis, keys[at]?.genesis.note);
  }
});

Deno.test("a node waits until all are connected and known to agree, and says for whom", async () => {
  const cluster = new MemoryCluster(3);
  const [first, second, third] = cluster.three;
  cluster.disconnected.add(third);
  cluster.unequal.set(second, null);
  const run = cluster.start(first);
  await turns();
  const waiting = [{ id: second, step: "connection" }, { id: third, step: "connection" }];
  assert.deepEqual([run.report.phase, run.report.waitingFor], ["connecting", waiting]);

  cluster.unequal.set(second, false);
  cluster.disconnected.clear();
  run.onConnected(third);
  await turns();
  assert.deepEqual(run.report.waitingFor, [{ id: second, step: "configuration" }]);
  assert.deepEqual(run.report.peers.map(({ configuration }) => configuration), [
    "different",
    "equal",
  ]);
  assert.equal(cluster.records.get(first), undefined);
  assert.deepEqual(cluster.sent, []);

  cluster.unequal.clear();
  run.onConnected(second);
  await turns();
  assert.deepEqual([run.report.phase, run.report.attempt], ["roundOne", 1]);
  assert.deepEqual(run.report.waitingFor.map(({ step }) => step), ["roundOne", "roundOne"]);
  run.stop();
});

Deno.test("a node joins at once where another has begun, but not under another configuration", async () => {
  const cluster = new MemoryCluster(3);
  const [first, second, third] = cluster.three;
  cluster.disconnected.add(third);
  const run = cluster.start(first);
  const begun: Message = {
    ...{ kind: "abort", from: second, to: first, voter: null, rule: "bad-proof", attempt: 4 },
    configuration: "0".repeat(64),
  };
  run.onKeyGenerationMessage(begun);
  await turns();
  assert.equal(run.report.phase, "connecting");
  run.onKeyGenerationMessage({ ...begun, configuration: cluster.configuration });
  await turns();
  assert.notEqual(run.report.phase, "connecting");
  run.stop();
});

Deno.test("a node that has a record goes on with it without waiting for anybody", async () => {
  const cluster = new MemoryCluster(3);
  const [first] = cluster.three;
  cluster.ids.forEach((id) => cluster.disconnected.add(id));
  cluster.records.set(first, { ...cluster.newRecord(), attempt: 7 });
  const run = cluster.start(first);
  await turns();
  assert.equal(cluster.records.get(first)?.attempt, 8);
  assert.deepEqual(run.report.waitingFor.map(({ step }) => step), ["connection", "connection"]);
  run.stop();
});

Deno.test("a peer that speaks Raft has a key, and is asked for its genesis", async () => {
  const cluster = new MemoryCluster(3);
  const [first, second, third] = cluster.three;
  cluster.disconnected.add(third);
  const run = cluster.start(first);
  run.onMessage(readIndexRequest(second, first, 1));
  await turns();
  assert.deepEqual(run.report.waitingFor, [
    { id: second, step: "genesis" },
    { id: third, step: "connection" },
  ]);
  run.onDisconnected(second);
  assert.equal(run.report.waitingFor[0]?.step, "roundOne");
  run.stop();
});

Deno.test("a node whose share is gone learns it from the genesis, and ends with what to do", async () => {
  const cluster = new MemoryCluster(3);
  const [first, second] = cluster.three;
  const founders = cluster.founders;
  const note = certifyGenesis(founders, createStatement(founders));
  const run = cluster.start(first, { isAlone: true });
  run.onKeyGenerationMessage({
    ...{ kind: "genesis", from: second, to: first, attempt: 1, note },
    configuration: cluster.configuration,
  });
  await assert.rejects(run.finished, (error) => {
    assert.ok(error instanceof EnvironmentError);
    assert.match(
      error.message,
      new RegExp(`${first}'s share .* is not on this disk.*Put the data`),
    );
    return true;
  });
  assert.equal(run.report.phase, "shareLost");
  assert.equal(cluster.kept.size, 0);
});

Deno.test("a node without an attempt left ends with what to do", async () => {
  const cluster = new MemoryCluster(3);
  const [first] = cluster.three;
  cluster.records.set(first, { ...cluster.newRecord(), attempt: ATTEMPT_MAX });
  const run = cluster.start(first, { isAlone: true });
  await assert.rejects(run.finished, /all 1000000 attempts are used up.*keygen\.fault.*start over/);
  assert.equal(run.report.phase, "exhausted");
});

Deno.test("a disk that fails ends the run before anything is sent", async () => {
  const cluster = new MemoryCluster(3);
  const [first] = cluster.three;
  const failure = new EnvironmentError("the disk is full");
  const run = cluster.start(first, {
    isAlone: true,
    persist: () => {
      throw failure;
    },
  });
  await assert.rejects(run.finished, failure);
  assert.deepEqual(cluster.sent, []);
});

Deno.test("a damaged record is refused before anything is done", () => {
  const cluster = new MemoryCluster(3);
  const [first] = cluster.three;
  const configuration = "0".repeat(64);
  cluster.records.set(first, { ...cluster.newRecord(), attempt: 1, configuration });
  assert.throws(() => cluster.start(first), InputError);
});

Deno.test("of one peer's messages only so many are heard in a tick, however many another sends", async () => {
  const cluster = new MemoryCluster(3);
  const [first, second, third] = cluster.three;
  const { configuration, founders } = cluster;
  const run = cluster.start(first, { isAlone: true, tickMs: NEVER_MS });
  const envelope = { to: first, configuration, attempt: 1 };
  for (let count = 0; count < MESSAGES_PER_TICK_MAX; count++) {
    run.onKeyGenerationMessage({
      ...{ ...envelope, kind: "ready", from: second, transcriptHash: new Uint8Array(32) },
    });
  }
  const note = certifyGenesis(founders, createStatement(founders));
  run.onKeyGenerationMessage({ ...envelope, kind: "genesis", from: second, note });
  await turns();
  assert.notEqual(run.report.phase, "shareLost");
  run.onKeyGenerationMessage({ ...envelope, kind: "genesis", from: third, note });
  await assert.rejects(run.finished, EnvironmentError);
});

Deno.test("shares are erased wherever the run has held them", async () => {
  const cluster = new MemoryCluster(2);
  const seen: Uint8Array[] = [];
  cluster.onSend = (message) => {
    if (message.kind === "share") seen.push(message.share);
  };
  const runs = cluster.ids.map((id) => cluster.start(id));
  await Promise.all(runs.map(({ finished }) => finished));
  await turns();
  assert.ok(seen.length >= 4, "both what was sent and what was received");
  for (const share of [...seen, ...cluster.persisted]) assert.deepEqual(share, new Uint8Array(32));
});

Deno.test("the share of a record is erased once the run has taken it up, or refused it", () => {
  const keygen = new TestKeygen(2, 3);
  keygen.start();
  keygen.deliver();
  const cluster = new MemoryCluster(3);
  const [first] = cluster.three;
  const signed = keygen.node(1).disk;
  const good = { ...structuredClone(signed), genesis: null };
  const damaged = { ...structuredClone(good), configuration: "0".repeat(64) };
  cluster.records.set(first, good);
  cluster.start(first, { isAlone: true, tickMs: NEVER_MS }).stop();
  cluster.records.set(first, damaged);
  assert.throws(() => cluster.start(first), InputError);
  assert.notDeepEqual(signed.share?.secret, new Uint8Array(32));
  for (const record of [good, damaged]) assert.deepEqual(record.share?.secret, new Uint8Array(32));
});

Deno.test("a run that was stopped does nothing more", async () => {
  const cluster = new MemoryCluster(2);
  const [first] = cluster.ids;
  assert.ok(first !== undefined);
  const run = cluster.start(first, { isAlone: true });
  run.stop();
  run.onKeyGenerationMessage({
    ...{ kind: "abort", from: first, to: first, voter: null, rule: "bad-proof", attempt: 4 },
    configuration: cluster.configuration,
  });
  run.onMessage(readIndexRequest(first, first, 1));
  run.onConnected(first);
  await turns();
  assert.deepEqual([cluster.sent, cluster.records.size], [[], 0]);
});

/** Two rounds of the event loop: whatever was due has happened. */
async function turns(): Promise<void> {
  for (let round = 0; round < 2; round++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}
