/**
 * Records of which caller asked for which change. A record has no value and no secret; it has only the id of the
 * token.
 *
 * @module
 */

import type { EtcdChange } from "../etcd/mod.ts";
import { type KeyRange, singleKeyOf } from "../kv/mod.ts";
import { REQUEST_ID_HEADER, showBytes } from "../wire/mod.ts";
import { certificateNameOf } from "./client_certificates.ts";

/** One request that could change something, with its outcome. */
export interface AuditRecord {
  /** The API of the request: `rest`, or etcd's as `json` or `grpc`. */
  readonly api: "rest" | "json" | "grpc";
  /** The id of the token, or `admin.` and the node for a node's own; null for no token, or an unknown one. */
  readonly token: string | null;
  /** The common name of the client's certificate, if it showed one. */
  readonly certificate: string | null;
  /** The HTTP method; POST for etcd's calls. */
  readonly method: string;
  /** The path as the API names it, as in `/v1/kv/:key`, or the name of the call. */
  readonly route: string;
  /** The path and query of the request, which name a key or a prefix; for etcd's calls, the name of the call. */
  readonly target: string;
  /** The first few keys of a transaction or of one of etcd's calls, and the beginnings and ends of its ranges. */
  readonly keys: readonly string[];
  /** The revision of the change; null if nothing changed, or the answer has no revision. */
  readonly revision: number | null;
  /** The HTTP status, or etcd's code. */
  readonly status: number | string;
  /** The client's `x-request-id`, or one that the node has drawn; the answer repeats it. */
  readonly requestId: string;
}

/** Takes each record. It must neither throw nor wait. */
export type AuditSink = (record: AuditRecord) => void;

/** Most characters of a target. */
const TARGET_LENGTH_MAX = 2_048;
/** Most keys of one record. */
const KEYS_MAX = 16;
/** Most bytes of an answer that are searched for the revision. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Routes that clients use all the time and that change nothing visible, although their method is not GET. */
const UNRECORDED: ReadonlySet<string> = new Set([
  "/v1/leases/:id/keepalive",
  "/v1/watch/:id/progress",
]);

/** Whether a request can change something. */
export function isChange(method: string, route: string): boolean {
  const isRead = method === "GET" || method === "HEAD" || method === "OPTIONS";
  return !isRead && !UNRECORDED.has(route);
}

const REQUEST_ID_PATTERN = /^[\w.:-]{1,128}$/;

/** The keys that requests change, if their paths do not name them. */
const changed = new WeakMap<Request, readonly KeyRange[]>();

/** Remembers which keys a request changes, for its record. */
export function noteChangedKeys(request: Request, keys: readonly KeyRange[]): void {
  changed.set(request, keys);
}

function showKeys(keys: readonly KeyRange[]): readonly string[] {
  return keys.slice(0, KEYS_MAX).map((range) => {
    const key = singleKeyOf(range);
    if (key !== null) return showBytes(key);
    const { start, end } = range;
    return `${showBytes(start)} ${end === null ? "on" : `to ${showBytes(end)}`}`;
  });
}

/** The id of a request: the client's own if its form is valid, otherwise a new one. */
function requestIdOf({ headers }: Request): string {
  const own = headers.get(REQUEST_ID_HEADER) ?? "";
  return REQUEST_ID_PATTERN.test(own) ? own : crypto.randomUUID();
}

/** Records one request of the REST API, and marks its answer with the request's id. */
export async function recordRequest(
  audit: AuditSink,
  { request, route, token, response }: {
    readonly request: Request;
    readonly route: string;
    /** The holder of the request's token. */
    readonly token: string | null;
    readonly response: Response;
  },
): Promise<Response> {
  const requestId = requestIdOf(request);
  audit({
    api: "rest",
    token,
    certificate: certificateNameOf(request),
    method: request.method,
    route,
    target: targetOf(request.url),
    keys: showKeys(changed.get(request) ?? []),
    revision: await revisionOf(response),
    status: response.status,
    requestId,
  });
  response.headers.set(REQUEST_ID_HEADER, requestId);
  return response;
}

/** The record of one of etcd's calls. */
export function recordOfEtcd(change: EtcdChange): AuditRecord {
  const { way, name, token, keys, revision, status } = change;
  return {
    api: way,
    token,
    certificate: null,
    method: "POST",
    route: name,
    target: name,
    keys: showKeys(keys),
    revision,
    status,
    requestId: crypto.randomUUID(),
  };
}

function targetOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return (start < 0 ? "/" : url.slice(start)).slice(0, TARGET_LENGTH_MAX);
}

/** The revision in an answer. All answers to writes have it under the same name. */
async function revisionOf(response: Response): Promise<number | null> {
  const length = Number(response.headers.get("content-length") ?? Infinity);
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || length > ANSWER_BYTES_MAX || !type.includes("json")) return null;
  const body: unknown = await response.clone().json();
  if (typeof body !== "object" || body === null) return null;
  for (const name of ["revision", "modRevision", "createRevision"]) {
    const revision: unknown = Reflect.get(body, name);
    if (typeof revision === "number") return revision;
  }
  return null;
}
