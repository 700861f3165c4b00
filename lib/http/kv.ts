/**
 * `/v1/kv/{key}`: put, get, delete. The one hot path of the API.
 *
 * @module
 */

import { accepts } from "hono/accepts";
import { decodeUtf8, encodeBase64 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type KeyValue, VALUE_BYTES_MAX } from "../kv/command.ts";
import type { NodeApi, ReadAnswer } from "../node/api.ts";
import { declaredLength, readBody } from "./body.ts";
import type { Caller } from "./door.ts";
import { jsonResponse, lengthHeader, NO_STORE } from "./json.ts";
import { type RequestGate, throughGate } from "./limits.ts";
import {
  KEY_PATH_PREFIX,
  readConsistency,
  readKey,
  readQuery,
  readTimeoutMs,
} from "./parameters.ts";
import { Problem } from "./problem.ts";
import { addRoute, needs, type RequestContext, type Router } from "./route.ts";
import type { KeyValueBody } from "./wire.ts";
import { entityTag, readWriteOptions } from "./write_options.ts";
import { writeResponse } from "./write_response.ts";

/** The media type of a value as it is. */
export const RAW_MEDIA_TYPE = "application/octet-stream";

const JSON_MEDIA_TYPE = "application/json";

/** What the routes of the key-value store work with. */
export interface KeyValueOptions {
  /** Reads and writes. */
  readonly node: NodeApi;
  /** Bounds the requests under way. */
  readonly gate: RequestGate;
  /** How long a value may take to arrive; `BODY_TIMEOUT_MS` of `limits.ts` by default. */
  readonly bodyTimeoutMs?: number;
}

/** Adds the routes of the key-value store. */
export function addKeyValueRoutes(router: Router, options: KeyValueOptions): void {
  const { node, gate } = options;
  /** The key is read, and the caller held to his prefixes, before anything is taken from the gate. */
  const keyOf = (context: RequestContext, caller: Caller) => {
    const key = readKey(context.req.path);
    router.door.admitKey(caller, key);
    return key;
  };
  addRoute(router, `${KEY_PATH_PREFIX}*`, {
    PUT: needs("write", (context, caller) => {
      const key = keyOf(context, caller);
      // What the client declares, or the most it may send, is taken from the budget up front.
      const bodyBytes = declaredLength(context.req.raw) ?? VALUE_BYTES_MAX;
      if (bodyBytes > VALUE_BYTES_MAX) throw valueTooLarge();
      return throughGate(gate, bodyBytes, () => putKey(options, key, context));
    }),
    GET: needs("read", (context, caller) => {
      const key = keyOf(context, caller);
      return throughGate(gate, 0, () => getKey(node, key, context));
    }),
    DELETE: needs("write", (context, caller) => {
      const key = keyOf(context, caller);
      return throughGate(gate, 0, () => deleteKey(node, key, context));
    }),
  });
}

async function putKey(
  { node, bodyTimeoutMs }: KeyValueOptions,
  key: string,
  context: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const options = readWriteOptions(context.req.raw.headers);
  const value = await readBody(context.req.raw, {
    bytesMax: VALUE_BYTES_MAX,
    tooLarge: valueTooLarge,
    ...(bodyTimeoutMs === undefined ? {} : { timeoutMs: bodyTimeoutMs }),
  });
  const answer = await node.write({ kind: "put", key, value, ...options }, { timeoutMs });
  return writeResponse(key, answer);
}

async function deleteKey(
  node: NodeApi,
  key: string,
  context: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const options = readWriteOptions(context.req.raw.headers);
  return writeResponse(key, await node.write({ kind: "delete", key, ...options }, { timeoutMs }));
}

async function getKey(
  node: NodeApi,
  key: string,
  context: RequestContext,
): Promise<Response> {
  const query = readQuery(context.req.url, ["consistency", "timeoutMs"]);
  const consistency = readConsistency(query);
  const answer = await node.read(key, { consistency, timeoutMs: readTimeoutMs(query) });
  if (answer.row === null) {
    throw new Problem("key_not_found", `There is no key ${JSON.stringify(key)}`, {
      headers: readHeaders(answer),
    });
  }
  return wantsRaw(context) ? rawValue(answer.row, answer) : jsonValue(answer.row, answer);
}

function wantsRaw(context: RequestContext): boolean {
  const mediaType = accepts(context, {
    header: "Accept",
    supports: [JSON_MEDIA_TYPE, RAW_MEDIA_TYPE],
    default: JSON_MEDIA_TYPE,
  });
  return mediaType === RAW_MEDIA_TYPE;
}

function jsonValue(row: KeyValue, answer: ReadAnswer): Response {
  const { key, createRevision, modRevision, version } = row;
  const body = { key, ...encodeValue(row.value), createRevision, modRevision, version };
  return jsonResponse(body satisfies KeyValueBody, { headers: readHeaders(answer) });
}

function rawValue(row: KeyValue, answer: ReadAnswer): Response {
  return new Response(new Uint8Array(row.value), {
    headers: {
      "content-type": RAW_MEDIA_TYPE,
      // A browser must not guess that a value is a page and run it.
      "x-content-type-options": "nosniff",
      "floe-create-revision": String(row.createRevision),
      "floe-mod-revision": String(row.modRevision),
      "floe-version": String(row.version),
      ...NO_STORE,
      ...lengthHeader(row.value),
      ...readHeaders(answer),
    },
  });
}

/**
 * `Floe-Revision`: up to which revision the node had applied the log when it read. `ETag`: what a
 * later write can name in If-Match. It stands for the value, whichever form the value is sent in.
 */
function readHeaders({ row, revision }: ReadAnswer): Readonly<Record<string, string>> {
  return {
    "floe-revision": String(revision),
    "vary": "accept",
    ...(row === null ? {} : { "etag": entityTag(row.modRevision) }),
  };
}

/** A value as JSON can carry it, without loss. */
function encodeValue(value: Uint8Array): Pick<KeyValueBody, "value" | "encoding"> {
  try {
    return { value: decodeUtf8(value), encoding: "utf8" };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { value: encodeBase64(value), encoding: "base64" };
  }
}

function valueTooLarge(): Problem {
  return new Problem(
    "value_too_large",
    `Cannot take the value: it is above ${VALUE_BYTES_MAX} bytes`,
  );
}
