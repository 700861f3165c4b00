import assert from "node:assert/strict";
import { hashConfiguration, type Message } from "../../../lib/keygen/mod.ts";
import {
  ANSWER_PAUSE_MS,
  GenesisResponder,
} from "../../../lib/node/key_generation/key_generation_run.ts";
import type { NodeId } from "../../../lib/types.ts";
import { recordLogs } from "../../support/record_logs.ts";
import { MemoryCluster } from "./memory_cluster.ts";

const cluster = new MemoryCluster(3);
const { config, founders, three: [self, second, third] } = cluster;
const NOTE = "the certificate";

Deno.test("GenesisResponder answers whoever asks with the certificate", () => {
  const { responder, sent } = setUp();
  responder.answer(question(second));
  responder.answer({ ...question(third), configuration: "f".repeat(64) });
  const configuration = hashConfiguration(founders.roster);
  const answer = { kind: "genesis", from: self, configuration, attempt: 1, note: NOTE };
  assert.deepEqual(sent, [{ ...answer, to: second }, { ...answer, to: third }]);
});

Deno.test("GenesisResponder answers one peer so often, and others all the same", () => {
  const { responder, sent, clock } = setUp();
  const ask = (peer: NodeId) => {
    responder.answer(question(peer));
    return sent.length;
  };
  assert.deepEqual([ask(second), ask(second), ask(third)], [1, 1, 2]);
  clock.nowMs += ANSWER_PAUSE_MS - 1;
  assert.equal(ask(second), 2);
  clock.nowMs += 1;
  assert.deepEqual([ask(second), ask(second)], [3, 3]);
});

Deno.test("GenesisResponder answers again at once when its answer could not leave", () => {
  const { responder, sent, connection } = setUp();
  connection.isUp = false;
  responder.answer(question(second));
  connection.isUp = true;
  responder.answer(question(second));
  responder.answer(question(second));
  assert.equal(sent.length, 2);
});

Deno.test("GenesisResponder takes an answer for none, so that nobody answers answers", () => {
  const { responder, sent } = setUp();
  responder.answer({ ...question(second), kind: "genesis", note: NOTE });
  assert.deepEqual(sent, []);
});

Deno.test("GenesisResponder without a certificate says in the log what to do", async () => {
  const { responder, sent } = setUp(null);
  const records = await recordLogs(() => {
    for (let count = 0; count < 100; count++) responder.answer(question(second));
  });
  assert.deepEqual(sent, []);
  assert.equal(records.length, 10);
  const [{ level, event, properties } = assert.fail("no record")] = records;
  assert.deepEqual([level, event, properties.peer], ["warning", "keygen.asked", second]);
  assert.match(String(properties.advice), /from a dealer.*server_2's share\.json/);
});

function setUp(genesis: string | null = NOTE) {
  const sent: Message[] = [];
  const [clock, connection] = [{ nowMs: 1_000 }, { isUp: true }];
  const responder = new GenesisResponder({
    config,
    self,
    genesis,
    send: (message) => {
      sent.push(message);
      return connection.isUp;
    },
    nowMs: () => clock.nowMs,
  });
  return { responder, sent, clock, connection };
}

function question(from: NodeId): Message {
  const { configuration } = cluster;
  const signature = new Uint8Array(64);
  return { kind: "signed", from, to: self, configuration, attempt: 3, signature };
}
