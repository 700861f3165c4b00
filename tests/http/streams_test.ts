import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { ApiCounters, Connections } from "../../lib/http/connections.ts";
import { Problem } from "../../lib/http/problem.ts";
import type { AnswerRequest } from "../../lib/http/deno_http.ts";
import {
  AnswerStream,
  type PartSource,
  StreamGate,
  streamResponse,
} from "../../lib/http/streams.ts";
import { settle } from "../support/settle.ts";

/** Parts that a test hands over, one by one. */
class Parts implements PartSource {
  readonly stalledMsMax = 60_000;
  readonly calls: string[] = [];
  readonly #parts: (string | null | Error)[];

  constructor(...parts: readonly (string | null | Error)[]) {
    this.#parts = [...parts];
  }

  next(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.calls.push("next");
    const part = this.#parts.shift();
    if (part instanceof Error) return Promise.reject(part);
    if (part === undefined) return new Promise(() => {});
    return Promise.resolve(part === null ? null : encodeUtf8(part));
  }

  stop(): void {
    this.calls.push("stop");
  }

  end(): void {
    this.calls.push("end");
  }
}

Deno.test("a stream asks for a part when its reader does, and not before", async () => {
  const parts = new Parts("one", "two", null);
  const stream = new AnswerStream(parts);
  deepEqual(parts.calls, []);
  const reader = stream.body.getReader();
  equal(new TextDecoder().decode((await reader.read()).value), "one");
  deepEqual(parts.calls, ["next"]);
  await reader.read();
  equal((await reader.read()).done, true);
  await stream.finished;
  deepEqual(parts.calls, ["next", "next", "next", "end"]);
});

Deno.test("a stream whose source fails breaks off", async () => {
  const parts = new Parts("one", new Error("gone"));
  const stream = new AnswerStream(parts);
  await rejects(new Response(stream.body).text());
  await stream.finished;
  equal(parts.calls.at(-1), "end");
});

Deno.test("a stream that its reader leaves ends its source once", async () => {
  const parts = new Parts("one");
  const stream = new AnswerStream(parts);
  const reader = stream.body.getReader();
  await reader.read();
  await reader.cancel();
  await stream.finished;
  deepEqual(parts.calls.filter((call) => call === "end"), ["end"]);
});

Deno.test("a stream is stalled while its client does not read what was sent", async () => {
  const stream = new AnswerStream(new Parts("one"));
  const late = performance.now() + 61_000;
  equal(stream.isStalled(late), false);
  const reader = stream.body.getReader();
  await reader.read();
  equal(stream.isStalled(late), true);
  // It waits for what there is not yet: that is no fault of the client's.
  void reader.read();
  await settle();
  equal(stream.isStalled(late), false);
});

Deno.test("a gate of streams refuses one too many, and takes the next when one leaves", () => {
  const gate = new StreamGate(1, (max) => new Problem("overloaded", `${max}`));
  const leave = gate.enter();
  throws(() => gate.enter(), { code: "overloaded" });
  leave();
  gate.enter()();
  equal(gate.open, 0);
});

/** Connections of which a test is the other end. */
function setUp(source: PartSource) {
  const ended: string[] = [];
  let ask: AnswerRequest = () => Promise.reject(new Error("no connection"));
  const connections = new Connections({
    counters: new ApiCounters(),
    serve: (_connection, answer) => {
      ask = answer;
      return {
        finished: new Promise(() => {}),
        shutdown: () => ended.push("shutdown"),
        cancel: () => ended.push("cancel"),
      };
    },
    answer: (request) => streamResponse(request, source, {}),
  });
  connections.add({} as Deno.Conn);
  return { connections, ended, ask: () => ask(new Request("http://localhost/")) };
}

Deno.test("a connection whose answer goes on is not idle, however long that takes", async () => {
  const { connections, ended, ask } = setUp(new Parts());
  const response = await ask();
  void response.body?.getReader().read();
  await Promise.resolve();
  connections.expire(performance.now() + 24 * 60 * 60_000);
  deepEqual([ended, connections.size], [[], 1]);
});

Deno.test("a connection whose client reads nothing of a stream any more is ended", async () => {
  const { connections, ended, ask } = setUp(new Parts("one"));
  const response = await ask();
  await response.body?.getReader().read();
  connections.expire(performance.now() + 59_000);
  deepEqual(ended, []);
  connections.expire(performance.now() + 61_000);
  deepEqual([ended, connections.size], [["cancel"], 0]);
});

Deno.test("while this process stands still, no client stops reading a stream", async () => {
  const { connections, ended, ask } = setUp(new Parts("one"));
  await (await ask()).body?.getReader().read();
  const startMs = performance.now();
  connections.expire(startMs);
  connections.expire(startMs + 10 * 60_000);
  connections.expire(startMs + 10 * 60_000 + 2_000);
  deepEqual(ended, []);
});

Deno.test("a connection whose stream has ended is idle again", async () => {
  const { connections, ended, ask } = setUp(new Parts("one", null));
  equal(await (await ask()).text(), "one");
  await Promise.resolve();
  connections.expire(performance.now() + 61_000);
  deepEqual(ended, ["cancel"]);
});

Deno.test("a server that closes asks its streams to end", async () => {
  const parts = new Parts();
  const { connections, ask } = setUp(parts);
  void (await ask()).body?.getReader().read();
  await Promise.resolve();
  await connections.close({ cutOff: Promise.resolve(), giveUp: Promise.resolve() });
  equal(parts.calls.includes("stop"), true);
});
