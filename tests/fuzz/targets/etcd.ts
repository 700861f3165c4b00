/**
 * etcd's API, both ways in: messages as they come over gRPC, and as JSON.
 *
 * @module
 */

import { EtcdError, toEtcdError } from "../../../lib/etcd/errors.ts";
import { readJson } from "../../../lib/etcd/json.ts";
import { putRequest, rangeRequest, txnRequest } from "../../../lib/etcd/messages.ts";
import { encodeMessage } from "../../../lib/etcd/protobuf.ts";
import type { Request, Rpc } from "../../../lib/etcd/rpc.ts";
import type { Draft, Message } from "../../../lib/etcd/shape.ts";
import { bodyFor, RequestGenerator } from "../../etcd/generator.ts";
import { openNode } from "../../etcd/support.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { type Json, mutateJson } from "../mutate_json.ts";
import { ACCEPTED, type OpenTarget, type Outcome, type Target } from "../target.ts";

/** Its claims wait for nobody: it is over before it begins. */
const CALL = {
  caller: () => ({ scopes: ["admin"], prefixes: [] }) as const,
  way: "grpc",
  requiresLeader: false,
  signal: AbortSignal.abort(),
} as const;

/** Messages as bytes. */
export const etcdMessages: Target = {
  name: "etcd-messages",
  share: 2,
  open: () =>
    openEach((rpc, random) => {
      const bytes = mutateBytes(drawMessage(random), random);
      return { read: () => rpc.decode(bytes), text: bytes.toHex(), bytes: bytes.length };
    }),
};

/** Messages as JSON. */
export const etcdJson: Target = {
  name: "etcd-json",
  share: 2,
  open: () =>
    openEach((rpc, random) => {
      const text = mutateJson(drawBody(random) as Json, random);
      const bytes = new TextEncoder().encode(text);
      return { read: () => rpc.parse(bytes), text, bytes: bytes.length };
    }),
};

interface DrawnInput {
  readonly read: () => Request;
  readonly text: string;
  readonly bytes: number;
}

function openEach(drawFor: (rpc: Rpc, random: Random) => DrawnInput): OpenTarget {
  return {
    draw: (random) => {
      const { rpcs } = openNode();
      const rpc = random.pick(rpcs);
      const { read, text, bytes } = drawFor(rpc, random);
      return { show: () => `${rpc.name} ${text}`, bytes, run: () => give(rpc, read) };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Whatever comes is answered, or refused with a text that was meant for its client. */
async function give(rpc: Rpc, read: () => Request): Promise<Outcome> {
  try {
    const request = read();
    if (rpc.kind === "unary") rpc.encode(await rpc.answer(request, CALL));
    return ACCEPTED;
  } catch (error) {
    const refusal = toEtcdError(error);
    if (!(refusal instanceof EtcdError) || refusal.code === "internal") throw error;
    return `EtcdError ${refusal.code}`;
  }
}

function drawBody(random: Random): unknown {
  return bodyFor("floe", new RequestGenerator(random, [{ etcd: 2, floe: 101 }]).next().body);
}

/** A range, a put or a transaction; every other message is one of them with other meanings. */
function drawMessage(random: Random): Uint8Array {
  for (;;) {
    const { path, body } = new RequestGenerator(random, [{ etcd: 2, floe: 101 }]).next();
    const json = bodyFor("floe", body);
    if (path === "/v3/kv/range") return encodeAs(rangeRequest, json);
    if (path === "/v3/kv/put") return encodeAs(putRequest, json);
    if (path === "/v3/kv/txn") return encodeAs(txnRequest, json);
  }
}

function encodeAs<Which extends Message>(which: Which, json: unknown): Uint8Array {
  // The generator knows every name of an enum.
  return encodeMessage(which, readJson(which, json) as Draft<Which>);
}
