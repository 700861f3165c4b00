/**
 * `deno task bench etcd`: CPU time of one request in each way in: the native API, etcd's JSON gateway, gRPC, and
 * gRPC with a handler that does nothing. The node has no cluster, so that nothing else costs anything.
 *
 * @module
 */

import * as grpc from "@grpc/grpc-js";
import { encodeBase64 } from "../lib/bytes.ts";
import { putRequest, rangeRequest } from "../lib/etcd/messages.ts";
import { encodeMessage } from "../lib/etcd/protobuf.ts";
import { quantile } from "./support/statistics.ts";

const CLIENTS = 16;
const REQUESTS = 2_000;
const ROUNDS = 15;
const WARM_UP_ROUNDS = 3;
const KEY = new TextEncoder().encode("key");
const VALUE = new Uint8Array(256).fill(0x61);

const child = new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", "--quiet", new URL("support/etcd_ways.ts", import.meta.url).pathname],
  stdin: "piped",
  stdout: "piped",
}).spawn();
const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
const input = child.stdin.getWriter();
const ports: Readonly<Record<"api" | "grpc" | "empty", number>> = await nextLine();
const base = `http://127.0.0.1:${ports.api}`;
const [store, empty] = [ports.grpc, ports.empty].map((port) =>
  new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
) as [grpc.Client, grpc.Client];

const key = encodeBase64(KEY);
const post = (path: string, body: object) => {
  const text = JSON.stringify(body);
  return () => ask(path, { method: "POST", body: text });
};
const range = encodeMessage(rangeRequest, { key: KEY });
const put = encodeMessage(putRequest, { key: KEY, value: VALUE });
const ways: Readonly<Record<string, () => Promise<void>>> = {
  nativePut: () => ask("/v1/kv/key", { method: "PUT", body: VALUE }),
  gatewayPut: post("/v3/kv/put", { key, value: encodeBase64(VALUE) }),
  grpcPut: () => call(store, "/etcdserverpb.KV/Put", put),
  nativeGet: () => ask("/v1/kv/key"),
  gatewayGet: post("/v3/kv/range", { key }),
  grpcGet: () => call(store, "/etcdserverpb.KV/Range", range),
  grpcEmpty: () => call(empty, "/etcdserverpb.KV/Range", range),
};

const found: Record<string, number[]> = {};
for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
  for (const [way, work] of Object.entries(ways)) {
    const cpuUs = await measure(work);
    // The first rounds warm up.
    if (round >= WARM_UP_ROUNDS) (found[way] ??= []).push(cpuUs);
  }
}
const us = (way: string) => Math.round(quantile(found[way] ?? [], 0.5));
/** The median of the rounds' ratios: what disturbs a round disturbs both of its parts. */
const ratio = (way: string, to: string) => {
  const ratios = (found[way] ?? []).map((cpuUs, round) => cpuUs / (found[to]?.[round] ?? 0));
  return Math.round(100 * quantile(ratios, 0.5)) / 100;
};
const cpuUs = Object.fromEntries(Object.keys(ways).map((way) => [way, us(way)]));
const ratios = {
  "gateway put / native put": ratio("gatewayPut", "nativePut"),
  "gateway get / native get": ratio("gatewayGet", "nativeGet"),
  "gRPC get / empty gRPC": ratio("grpcGet", "grpcEmpty"),
  "gRPC put / empty gRPC": ratio("grpcPut", "grpcEmpty"),
};
console.table(cpuUs);
console.table(ratios);
console.log(JSON.stringify({ bench: "etcd", cpuUs, ratios }));
Deno.exit(0);

/** CPU microseconds of one request. */
async function measure(work: () => Promise<void>): Promise<number> {
  const before = await cpu();
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    for (let left = REQUESTS / CLIENTS; left > 0; left--) await work();
  }));
  return (await cpu() - before) / REQUESTS;
}

async function cpu(): Promise<number> {
  await input.write(new TextEncoder().encode("\n"));
  return (await nextLine() as { readonly cpuUs: number }).cpuUs;
}

async function ask(path: string, init: RequestInit = {}): Promise<void> {
  const response = await fetch(base + path, init);
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
}

function call(client: grpc.Client, path: string, bytes: Uint8Array): Promise<void> {
  const same = (value: Uint8Array) => Buffer.from(value);
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      path,
      same,
      same,
      bytes,
      (error) => error === null ? resolve() : reject(error),
    )
  );
}

// deno-lint-ignore no-explicit-any -- what the child says, its reader knows
async function nextLine(): Promise<any> {
  const { value = "{}" } = await lines.read();
  return JSON.parse(value);
}
