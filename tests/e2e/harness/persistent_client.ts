/**
 * A client that has time: where there may be an election at any moment, because the machine is slow, it
 * asks again, as every client of a cluster does.
 *
 * @module
 */

import assert from "node:assert/strict";
import { pause } from "../../../lib/deadline.ts";
import type { NodeId } from "../../../lib/types.ts";
import { IDEMPOTENCY_KEY_HEADER } from "../../../lib/wire/mod.ts";
import { WAIT_TIMEOUT_MS } from "./events.ts";
import type { Leader, TestCluster } from "./test_cluster.ts";

/** Before a client asks again. */
const RETRY_MS = 20;

/** What a node says that cannot do it now, and perhaps a moment later. */
const NOT_NOW: readonly number[] = [503, 504];

/** What the runtime says where no process listens: that does not pass, unlike a connection that ends. */
const NOBODY_LISTENS = "Connection refused";

/** A node's last word. */
export interface Answer {
  /** The HTTP status: neither 503 nor 504. */
  readonly status: number;
  /** The headers. */
  readonly headers: Headers;
  /** The whole body. */
  readonly text: string;
  /** How often it was asked; a write of the first time may already have taken effect. */
  readonly attempts: number;
}

/** Asks one node until it can say. A write has one effect at most: it has an idempotency key. */
export async function ask(
  cluster: TestCluster,
  id: NodeId,
  { path, headers, ...init }: RequestInit & { readonly path: string },
): Promise<Answer> {
  const all = new Headers(headers);
  const isWrite = init.method !== undefined && init.method !== "GET";
  if (isWrite && !all.has(IDEMPOTENCY_KEY_HEADER)) {
    all.set(IDEMPOTENCY_KEY_HEADER, crypto.randomUUID());
  }
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (let attempts = 1;; attempts++) {
    const { status, headers: answered, text } = await attempt(cluster, id, path, {
      ...init,
      headers: all,
    });
    if (!NOT_NOW.includes(status)) return { status, headers: answered, text, attempts };
    assert.ok(!deadline.aborted, `${id} never did ${init.method ?? "GET"} ${path}: ${text}`);
    await pause(RETRY_MS, deadline);
  }
}

/**
 * One attempt. A connection that a crowded node closes to make room counts as "not now", before the
 * answer and in the middle of it: the runtime has a message of its own for every such moment.
 */
async function attempt(
  cluster: TestCluster,
  id: NodeId,
  path: string,
  init: RequestInit,
): Promise<Omit<Answer, "attempts">> {
  try {
    const response = await cluster.fetch(id, path, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (error) {
    const isNetwork = error instanceof TypeError;
    const reason = isNetwork ? `${error.message}: ${error.cause ?? ""}` : "";
    if (!isNetwork || reason.includes(NOBODY_LISTENS)) throw error;
    return { status: 503, headers: new Headers(), text: reason };
  }
}

/** Puts a value through a node. */
export async function put(
  cluster: TestCluster,
  id: NodeId,
  { key, value }: { readonly key: string; readonly value: BodyInit },
): Promise<void> {
  const answer = await ask(cluster, id, { path: `/v1/kv/${key}`, method: "PUT", body: value });
  assert.equal(answer.status, 200, `${key}: ${answer.text}`);
}

/** The value of a key as a linearizable read through a node finds it; its bytes as text. */
export async function get(cluster: TestCluster, id: NodeId, key: string): Promise<string> {
  const headers = { accept: "application/octet-stream" };
  const answer = await ask(cluster, id, { path: `/v1/kv/${key}`, headers });
  assert.equal(answer.status, 200, `${key}: ${answer.text.slice(0, 200)}`);
  return answer.text;
}

/** Who leads now, of `among`, as the first of them knows it. */
export async function leaderNow(cluster: TestCluster, among: readonly NodeId[]): Promise<Leader> {
  const [asked = assert.fail("nobody to ask")] = among;
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;; await pause(RETRY_MS, deadline)) {
    const { text } = await ask(cluster, asked, { path: "/v1/leader" });
    const { leader: id, term, certificate } = JSON.parse(text);
    if (among.includes(id)) return { id, term, certificate };
    assert.ok(!deadline.aborted, `None of ${among} leads: ${text}`);
  }
}

/** Has whoever leads hand over to another of `among`, and says who leads then. */
export async function handOver(cluster: TestCluster, among: readonly NodeId[]): Promise<Leader> {
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;; await pause(RETRY_MS, deadline)) {
    const { id, term } = await leaderNow(cluster, among);
    const answer = await cluster.fetch(id, "/v1/leader/transfer", { method: "POST" });
    const refusal = await answer.text();
    if (answer.ok) return await cluster.leader(term + 1, among);
    assert.ok(!deadline.aborted, `${id} never handed over: ${refusal}`);
  }
}
