import assert from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { REQUESTS_ACTIVE_MAX } from "../../lib/http/connections.ts";
import { COMMAND_BYTES_MAX, encodeCommand } from "../../lib/kv/command_codec.ts";
import { Store } from "../../lib/kv/store.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { Requests } from "../../lib/node/requests.ts";
import {
  APPEND_LIMITS,
  INFLIGHT_BYTES_MAX,
  INFLIGHT_MESSAGES_MAX,
  UNCOMMITTED_BYTES_MAX,
} from "../../lib/raft/config.ts";
import type { Input, Message } from "../../lib/raft/mod.ts";
import { TRANSPORT_DEFAULTS } from "../../lib/transport/settings.ts";
import { toNodeId } from "../../lib/types.ts";
import { FakeNode } from "../http/fake_node.ts";
import { putCommand } from "../kv/support.ts";
import { TestCluster } from "../raft/harness.ts";
import type { TestNode } from "../raft/test_node.ts";

/** Overload from one end to the other: what fills up refuses, and a client is told when to return. */

const DEADLINE_MS = 1_000;

/** A leader of three, its real core behind the real API, whose followers answer when told to. */
class LoadedLeader extends FakeNode {
  readonly requests: Requests;
  readonly #core: TestNode;
  readonly #machine = new Store();
  readonly #toFollower: Message[] = [];

  constructor() {
    super();
    this.#core = new TestCluster({ size: 3 }).elect("n1");
    this.#machine.apply(this.#core.applied);
    this.requests = new Requests((input) => this.#step(input));
  }

  override write: FakeNode["write"] = (command) =>
    this.requests.write(encodeCommand(command), DEADLINE_MS);

  /** One of the followers answers everything that it is sent. */
  followerAnswers(): void {
    // What an answer makes room for is sent at once, and answered here too.
    for (const message of this.#toFollower) {
      if (message.kind !== "appendRequest") continue;
      const { from, to, term, round, previousLogIndex, entries } = message;
      const matchIndex = previousLogIndex + entries.length as typeof previousLogIndex;
      const outcome = { kind: "accepted" as const, matchIndex };
      const promiseTicks = 10;
      const addressed = { from: to, to: from, term, round, promiseTicks, outcome };
      const answer = { kind: "appendResponse" as const, ...addressed };
      this.#step({ kind: "message", message: answer });
    }
    this.#toFollower.length = 0;
  }

  #step(input: Input): void {
    const output = this.#core.raft.step([input]);
    this.#toFollower.push(...output.send.filter(({ to }) => to === toNodeId("n2")));
    this.requests.handle(output, this.#machine.appliedIndex);
    const outcomes = this.#machine.apply(output.apply);
    this.requests.applied(output.apply, outcomes, this.#machine.appliedIndex);
    if (output.persist !== null) {
      this.#step({ kind: "persisted", sequence: output.persist.sequence });
    }
  }
}

/** A response's status, its problem and how it says when to come again. */
async function refusalOf(response: Response) {
  const { code, maybeApplied, retryAfterMs } = await response.json();
  const retryAfter = response.headers.get("retry-after");
  return { status: response.status, code, maybeApplied, retryAfterMs, retryAfter };
}

const OVERLOADED = {
  status: 503,
  code: "overloaded",
  maybeApplied: false,
  retryAfterMs: 100,
  retryAfter: "1",
};

Deno.test("a leader without followers answers 503 beyond its cap, and takes writes again after", async () => {
  const node = new LoadedLeader();
  const app = createApp(node);
  const value = new Uint8Array(VALUE_BYTES_MAX);
  const command = putCommand("a", value);
  const put = () => app.request("/v1/kv/a", { method: "PUT", body: value });
  const fitting = Math.floor(UNCOMMITTED_BYTES_MAX / encodeCommand(command).length);
  const taken = Array.from({ length: fitting }, put);
  assert.deepEqual(await refusalOf(await put()), OVERLOADED);
  assert.equal(node.requests.size, fitting);
  node.followerAnswers();
  const statuses = (await Promise.all(taken)).map(({ status }) => status);
  assert.deepEqual(new Set(statuses), new Set([200]));
  const again = node.write(command, { timeoutMs: DEADLINE_MS });
  node.followerAnswers();
  assert.equal((await again).result.kind, "transaction");
});

Deno.test("a node with as many requests as it takes answers 503", async () => {
  const node = new LoadedLeader();
  const app = createApp(node);
  const ask = () => app.request("/v1/kv/a", { method: "DELETE" });
  const waiting = Array.from({ length: REQUESTS_ACTIVE_MAX }, ask);
  assert.deepEqual(await refusalOf(await ask()), OVERLOADED);
  node.requests.stop();
  await Promise.all(waiting);
});

Deno.test("what the core may have in flight fits into the queue of one connection", () => {
  const { queueMessagesMax, queueBytesMax } = TRANSPORT_DEFAULTS;
  // News of commits come on top, at most one for each message with entries.
  assert.ok(queueMessagesMax >= 2 * INFLIGHT_MESSAGES_MAX);
  assert.ok(queueBytesMax >= INFLIGHT_BYTES_MAX + APPEND_LIMITS.bytesMax + COMMAND_BYTES_MAX);
});
