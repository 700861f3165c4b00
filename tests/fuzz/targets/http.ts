/**
 * The API: requests as Deno hands them over, and bytes as they come over a socket.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import { createApp } from "../../../lib/http/app.ts";
import { startApiServer } from "../../../lib/http/server.ts";
import { FakeNode } from "../../http/fake_node.ts";
import { createTestCard } from "../../config/cards.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { mutateJson } from "../mutate_json.ts";
import { ACCEPTED, type OpenTarget, type Outcome, type Target } from "../target.ts";
import { drawNumber, drawText } from "../values.ts";

const PATHS = [
  "/",
  "/v1/kv/",
  "/v1/kv/a",
  "/v1/kv/a/b",
  "/v1/kv/%F0%9F%98%80",
  "/v1/kv",
  "/v1/kv/%FF%00",
  "/v1/txn",
  "/v1/compact",
  "/v1/watch",
  "/v1/watch/0123/progress",
  "/v1/leases",
  "/v1/leases/7",
  "/v1/leases/7/keepalive",
  "/v1/snapshot",
  "/v1/status",
  "/v1/leader",
  "/v1/leader/transfer",
  "/v1/elections",
  "/v1/elections/7",
  "/v1/group",
  "/v1/tokens",
  "/v1/tokens/0123456789abcdef",
  "/v1/members",
  "/v1/members/plan",
  "/v1/members/change",
  "/v1/members/chain",
  "/v1/health/live",
  "/v1/health/ready",
];
const PARAMETERS = [
  "consistency",
  "timeoutMs",
  "limit",
  "before",
  "target",
  "prefix",
  "start",
  "end",
  "key",
  "after",
  "order",
  "delimiter",
  "keysOnly",
  "countOnly",
  "revision",
  "fromRevision",
  "prev",
  "only",
  "lease",
  "reason",
  "__proto__",
  "x",
];
const HEADERS = [
  "if-match",
  "if-none-match",
  "idempotency-key",
  "accept",
  "content-type",
  "content-length",
  "authorization",
  "host",
  "origin",
  "expect",
  "last-event-id",
  "x-unknown",
];
const METHODS = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "PROPFIND"];
/** Every kind of change of the members, with a card that its node signed. */
const MEMBERS_CHANGE = JSON.stringify({
  add: [{ card: createTestCard(8), learner: true }],
  remove: ["server_1"],
  promote: ["server_6"],
  demote: ["server_2"],
  update: [{ id: "server_3", peer: "10.0.0.3:7101" }],
  threshold: 3,
  refresh: true,
});

/** Requests with which nothing is wrong until something is changed. */
const USUAL: readonly (Pick<Exchange, "method" | "target" | "headers"> & { body?: string })[] = [
  { method: "GET", target: "/v1/kv?prefix=a&limit=2&delimiter=/", headers: [] },
  { method: "GET", target: "/v1/kv?start=a&end=b&revision=101&order=desc", headers: [] },
  { method: "DELETE", target: "/v1/kv?prefix=%FF", headers: [] },
  {
    method: "POST",
    target: "/v1/txn",
    headers: [["idempotency-key", "t1"]],
    body: '{"if":[{"key":"a","version":{">":0}},{"fence":{"lock":"l","revision":5}}],"then":[' +
      '{"put":{"key":"a","value":"b","lease":7,"previous":true}},{"range":{"prefix":"","limit":1}}],' +
      '"else":[{"txn":{"then":[{"delete":{"start":"a","end":"b"}},{"get":{"key":"c"}}]}}]}',
  },
  { method: "POST", target: "/v1/compact", headers: [], body: '{"revision":101}' },
  { method: "GET", target: "/v1/watch?prefix=a&fromRevision=101&prev=true", headers: [] },
  { method: "GET", target: "/v1/watch?key=a&only=put", headers: [["last-event-id", "100"]] },
  { method: "POST", target: "/v1/leases", headers: [], body: '{"ttlSeconds":15,"id":7}' },
  { method: "POST", target: "/v1/leases/7/keepalive", headers: [] },
  { method: "GET", target: "/v1/leases/7", headers: [] },
  { method: "DELETE", target: "/v1/leases/7", headers: [] },
  { method: "PUT", target: "/v1/kv/a", headers: [] },
  { method: "PUT", target: "/v1/kv/a?timeoutMs=100", headers: [["idempotency-key", "k1"]] },
  { method: "PUT", target: "/v1/kv/a%2Fb", headers: [["if-none-match", "*"]] },
  { method: "GET", target: "/v1/kv/a?consistency=stale", headers: [["accept", "text/plain"]] },
  { method: "GET", target: "/v1/kv/a", headers: [["accept", "application/octet-stream"]] },
  { method: "DELETE", target: "/v1/kv/a", headers: [["if-match", '"101"']] },
  { method: "GET", target: "/v1/elections?limit=2&before=7", headers: [] },
  { method: "POST", target: "/v1/leader/transfer?target=server_2", headers: [] },
  { method: "HEAD", target: "/v1/status", headers: [] },
  { method: "POST", target: "/v1/members?timeoutMs=100", headers: [], body: MEMBERS_CHANGE },
  { method: "POST", target: "/v1/members/plan", headers: [], body: MEMBERS_CHANGE },
  { method: "DELETE", target: "/v1/members/change?reason=late", headers: [] },
];

interface Exchange {
  readonly method: string;
  /** Path and query, as they stand in the request. */
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Requests of any kind. None of them is answered as if the node had failed. */
export const requests: Target = {
  name: "http-requests",
  share: 80,
  open: () => {
    const app = new App();
    return {
      draw: (random) => {
        const exchange = drawExchange(random);
        return {
          show: () => show(exchange),
          bytes: exchange.target.length + exchange.body.length,
          run: () => app.give(exchange),
        };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
};

/** The same over a socket, as bytes that may be no HTTP at all. */
export const sockets: Target = {
  name: "http-sockets",
  share: 25,
  open: () => new RawClient(),
};

class App {
  #node = new FakeNode();
  #app = this.#create();
  #given = 0;

  async give(exchange: Exchange): Promise<Outcome> {
    // The fake node keeps everything that it was asked; a new one now and then keeps it small.
    if (++this.#given % 500 === 0) {
      this.#node = new FakeNode();
      this.#app = this.#create();
    }
    const request = toRequest(exchange);
    if (request === null) return "not a request";
    const response = await this.#app.fetch(request);
    const body = await bodyOf(response);
    assert.notEqual(response.status, 500, body);
    if (response.status < 400) return ACCEPTED;
    // HEAD has none.
    const code = body === "" ? "" : ` ${JSON.parse(body).code}`;
    return `${response.status}${code}`;
  }

  #create() {
    const onError = (error: unknown) => {
      throw error;
    };
    return createApp(this.#node, { onError });
  }
}

/** The body; of a watch, which has no end, what comes first. */
async function bodyOf(response: Response): Promise<string> {
  if (response.body === null || !isWatch(response)) return await response.text();
  const reader = response.body.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value);
}

function isWatch({ headers }: Response): boolean {
  return headers.get("content-type") === "text/event-stream";
}

/** A server on a socket of its own. */
class RawClient implements OpenTarget {
  readonly #errors: unknown[] = [];
  readonly #stop = new AbortController();
  readonly #node = new FakeNode();
  readonly #server = startApiServer({
    node: this.#node,
    hostname: "127.0.0.1",
    port: 0,
    signal: this.#stop.signal,
    onError: (error) => this.#errors.push(error),
  });

  draw(random: Random) {
    const bytes = drawBytes(random);
    return { show: () => bytes.toHex(), bytes: bytes.length, run: () => this.#give(bytes) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }

  async #give(bytes: Uint8Array): Promise<Outcome> {
    const { port } = this.#server;
    const answer = await exchangeBytes(port, bytes);
    // What the fake node was asked is of no interest here.
    this.#node.commands.length = this.#node.reads.length = this.#node.timeouts.length = 0;
    this.#node.membersRequests.length = 0;
    assert.deepEqual(this.#errors, []);
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
    assert.notEqual(status, "500", answer);
    if (status === undefined) return answer === "" ? "closed" : "not HTTP/1.1";
    return status < "400" ? ACCEPTED : status;
  }
}

/** Everything that is answered to `bytes`, after which nothing more comes. */
async function exchangeBytes(port: number, bytes: Uint8Array): Promise<string> {
  using socket = await Deno.connect({ hostname: "127.0.0.1", port });
  const received: string[] = [];
  const decoder = new TextDecoder("latin1");
  try {
    for (let written = 0; written < bytes.length;) {
      written += await socket.write(bytes.subarray(written));
    }
    await socket.closeWrite();
    const buffer = new Uint8Array(16_384);
    for (let count = await socket.read(buffer); count; count = await socket.read(buffer)) {
      received.push(decoder.decode(buffer.subarray(0, count)));
    }
  } catch (error) {
    // The server may end the connection before it has read what it will not read.
    const isEnd = error instanceof Deno.errors.ConnectionReset ||
      error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.NotConnected;
    if (!isEnd) throw error;
  }
  return received.join("");
}

function drawExchange(random: Random): Exchange {
  const usual = random.pick(USUAL);
  const headers = Array.from(
    { length: random.below(4) },
    () => [random.pick(HEADERS), drawHeaderValue(random)] as const,
  );
  const length = random.chance(0.9) ? random.below(100) : random.pick([0, 524_288, 524_289]);
  return {
    method: random.chance(0.7) ? usual.method : random.pick(METHODS),
    target: random.chance(0.6) ? usual.target : drawTarget(random),
    headers: random.chance(0.6) ? usual.headers : headers,
    body: usual.body !== undefined && random.chance(0.8)
      ? drawJson(usual.body, random)
      : new Uint8Array(length).fill(random.below(256)),
  };
}

/** A body as it should be, or with something else in it. */
function drawJson(text: string, random: Random): Uint8Array<ArrayBuffer> {
  if (random.chance(0.3)) return encodeUtf8(text);
  if (random.chance(0.5)) return new Uint8Array(mutateBytes(encodeUtf8(text), random));
  return encodeUtf8(mutateJson(JSON.parse(text), random));
}

function drawTarget(random: Random): string {
  let path = random.pick(PATHS);
  if (random.chance(0.4)) path += encode(drawText(random), random);
  if (random.chance(0.05)) path += "%2e%2e/".repeat(random.below(300));
  const parameters = Array.from({ length: random.below(4) }, () => {
    const value = random.chance(0.5) ? String(drawNumber(random)) : drawText(random);
    return `${random.pick(PARAMETERS)}=${encode(value, random)}`;
  });
  return parameters.length === 0 ? path : `${path}?${parameters.join("&")}`;
}

/** Percent-encoded as it should be, or not. */
function encode(text: string, random: Random): string {
  return random.chance(0.7) ? encodeURIComponent(text.toWellFormed()) : text;
}

function drawHeaderValue(random: Random): string {
  return random.pick([
    () => `"${drawNumber(random)}"`,
    () => "*",
    () => drawText(random),
    () => String(drawNumber(random)),
    () => "application/json;q=0.5, */*",
    () => "application/octet-stream",
    () => "x".repeat(random.below(3000)),
    () => '"a", W/"b"',
  ])();
}

/** What Deno would hand over; null for what is no request and comes no further than its parser. */
function toRequest({ method, target, headers, body }: Exchange): Request | null {
  try {
    const hasBody = method !== "GET" && method !== "HEAD" && body.length > 0;
    return new Request(`http://127.0.0.1:8001${target}`, {
      method,
      headers: headers.map(([name, value]) => [name, value]),
      ...(hasBody ? { body } : {}),
    });
  } catch {
    return null;
  }
}

function drawBytes(random: Random): Uint8Array {
  const { method, target: drawn, headers, body } = drawExchange(random);
  // A watch would have no end.
  const target = drawn.replace("/v1/watch", "/v1/kv");
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = random.chance(0.8) ? `content-length: ${body.length}\r\n` : "";
  const host = random.chance(0.9) ? "host: 127.0.0.1\r\n" : "";
  const version = random.chance(0.9) ? "HTTP/1.1" : random.pick(["HTTP/1.0", "HTTP/2", ""]);
  const path = random.pick([target, target, target, `http://x${target}`, "*", "x:1"]);
  const head = `${method} ${path} ${version}\r\n${host}${length}${lines}\r\n`;
  const bytes = encodeUtf8(head + new TextDecoder("latin1").decode(body.subarray(0, 1000)));
  return random.chance(0.5) ? mutateBytes(bytes, random) : bytes;
}

function show({ method, target, headers, body }: Exchange): string {
  return JSON.stringify({ method, target, headers, bodyBytes: body.length });
}
