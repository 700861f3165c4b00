/**
 * The parameters of requests, as data for `openapi.ts`. `parameters.ts` reads them.
 *
 * @module
 */

import { IDEMPOTENCY_KEY_LENGTH_MAX, KEY_BYTES_MAX } from "../kv/mod.ts";
import {
  CANCEL_REASON_LENGTH_MAX,
  ELECTIONS_LIMIT_MAX,
  LEASES_LIMIT_MAX,
  REQUEST_TIMEOUT_MS_MAX,
} from "../wire/mod.ts";
import {
  ELECTIONS_LIMIT_DEFAULT,
  LEASES_LIMIT_DEFAULT,
  REQUEST_TIMEOUT_MS_DEFAULT,
} from "./connections.ts";

/** A value in JSON Schema, as far as parameters need it. */
export type ValueSchema = Readonly<Record<string, unknown>>;

const NUMBER_MAX = Number.MAX_SAFE_INTEGER;
const NODE_ID = { type: "string", pattern: "^[A-Za-z0-9._-]{1,64}$" };
const FLAG = { type: "string", enum: ["true", "false"], default: "false" };
/** Percent-encoded bytes, with `+` for a space. */
const BYTES = { type: "string" };

/** The meaning of each parameter's name, for all routes. */
export const PARAMETERS = {
  consistency: {
    description: "How new the answer must be",
    schema: { type: "string", enum: ["linearizable", "lease", "stale"], default: "linearizable" },
  },
  revision: { description: "Reads as of then; default: now", schema: count(0) },
  timeoutMs: {
    description: "How long the node tries, in milliseconds",
    schema: { ...count(1, REQUEST_TIMEOUT_MS_MAX), default: REQUEST_TIMEOUT_MS_DEFAULT },
  },
  lease: { description: "The lease that the key belongs to; 0: none", schema: count(0) },
  key: { description: "This one key", schema: BYTES },
  prefix: { description: "The keys that begin with it; empty: all", schema: BYTES },
  start: { description: "The first key of the range", schema: BYTES },
  end: { description: "The first key after the range", schema: BYTES },
  limit: { description: "How many at most", schema: count(1) },
  after: { description: "Only what comes after it", schema: BYTES },
  order: {
    description: "By rising or falling keys",
    schema: { type: "string", enum: ["asc", "desc"], default: "asc" },
  },
  delimiter: {
    description: "One level only: keys that have it behind the prefix come as one folder",
    schema: { ...BYTES, minLength: 1 },
  },
  keysOnly: { description: "Without values", schema: FLAG },
  countOnly: { description: "Only how many there are", schema: FLAG },
  fromRevision: { description: "The first revision whose changes are sent", schema: count(0) },
  prev: { description: "Whether events have the value before", schema: FLAG },
  only: {
    description: "The kinds of changes that are sent; default: all",
    schema: { type: "string", pattern: "^(put|delete|expire)(,(put|delete|expire)){0,2}$" },
  },
  target: { description: "The node to hand over to", schema: NODE_ID },
  before: { description: "Only terms below this one", schema: count(0) },
  reason: {
    description: "Why the change is cancelled",
    schema: { type: "string", pattern: `^[ -~]{1,${CANCEL_REASON_LENGTH_MAX}}$` },
  },
  "Idempotency-Key": {
    description: "Names the write, so that it can safely be sent again",
    schema: { type: "string", pattern: `^[!#-\\[\\]-~]{1,${IDEMPOTENCY_KEY_LENGTH_MAX}}$` },
  },
  "If-Match": {
    description: "Only while the key has this revision. Not together with If-None-Match",
    schema: { type: "string", pattern: '^"[1-9][0-9]{0,14}"$' },
  },
  "If-None-Match": {
    description: "Only while there is no such key. Not together with If-Match",
    schema: { type: "string", enum: ["*"] },
  },
  "Last-Event-ID": {
    description: "Goes on behind this revision",
    schema: { type: "string", pattern: "^(0|[1-9][0-9]{0,14})$" },
  },
} as const satisfies Readonly<Record<string, { description: string; schema: ValueSchema }>>;

/** The name of a parameter or of a header. */
export type ParameterName = keyof typeof PARAMETERS;

/** The routes in which a name means something else. */
export const OWN_SCHEMAS: Readonly<Record<string, ValueSchema>> = {
  "listElections limit": { ...count(1, ELECTIONS_LIMIT_MAX), default: ELECTIONS_LIMIT_DEFAULT },
  "listLeases limit": { ...count(1, LEASES_LIMIT_MAX), default: LEASES_LIMIT_DEFAULT },
  "listLeases after": count(0),
};

/** The parameters in braces in a path, by the operation's path. */
export const PATH_SCHEMAS: Readonly<Record<string, ValueSchema>> = {
  "/v1/kv/{key}": { ...BYTES, minLength: 1, maxLength: KEY_BYTES_MAX },
  "/v1/watch/{id}/progress": { type: "string", minLength: 1 },
  "/v1/leases/{id}": count(1),
  "/v1/leases/{id}/keepalive": count(1),
  "/v1/elections/{term}": count(0),
  "/v1/tokens/{id}": { type: "string", pattern: "^[0-9a-f]{16}$" },
};

function count(minimum: number, maximum = NUMBER_MAX): ValueSchema {
  return { type: "integer", minimum, maximum };
}
