/**
 * The parts of a request that both ends use: bytes as text, media types, headers, limits, and tokens as text. A
 * client command loads this file without the schemas of `lib/wire`, which exports it too.
 *
 * @module
 */

import { InputError } from "./errors.ts";
import { TOKEN_ID_LENGTH } from "./limits.ts";
import { type LogIndex, type NodeId, toNodeId } from "./types.ts";

export * from "./json_bytes.ts";

/** The media type of a problem document. */
export const PROBLEM_MEDIA_TYPE = "application/problem+json";
/** The media type of a range as lines of JSON: its head, its items, its end. */
export const LINES_MEDIA_TYPE = "application/x-ndjson";
/** The media type of a watch. */
export const EVENTS_MEDIA_TYPE = "text/event-stream";
/** The media type of a value as it is. */
export const RAW_MEDIA_TYPE = "application/octet-stream";
/** The header that names one request, in the audit log and in its answer. */
export const REQUEST_ID_HEADER = "x-request-id";
/** The request header that names a write in all its attempts. */
export const IDEMPOTENCY_KEY_HEADER = "idempotency-key";
/** The longest timeout that a client may ask for. */
export const REQUEST_TIMEOUT_MS_MAX = 60_000;
/** Most leases on one page. */
export const LEASES_LIMIT_MAX = 1_000;
/** Most elections on one page. */
export const ELECTIONS_LIMIT_MAX = 500;

/** The entity tag of a key's value: its modRevision in quotes (RFC 9110 §8.8.3). */
export function entityTag(modRevision: LogIndex): string {
  return `"${modRevision}"`;
}

/** A secret has 256 random bits, so it cannot be guessed. */
const TOKEN_SECRET_BYTES = 32;
/** Characters of a token's secret in base64url without padding. */
const SECRET_LENGTH = 43;

/** The holder of a token: one of the cluster's tokens by its id, or a node's own token. */
export type TokenHolder =
  | { readonly kind: "token"; readonly id: string }
  | { readonly kind: "admin"; readonly node: NodeId };

/** A token with its secret. The secret is not erased, because other code keeps the token as text. */
export interface SecretToken {
  /** The cluster's token, or the node, that it belongs to. */
  readonly holder: TokenHolder;
  /** {@linkcode TOKEN_SECRET_BYTES} bytes. */
  readonly secret: Uint8Array;
}

const TOKEN_PATTERN = new RegExp(
  `^floe_(?:([0-9a-f]{${TOKEN_ID_LENGTH}})|admin\\.([A-Za-z0-9._-]{1,64}))_([A-Za-z0-9_-]{${SECRET_LENGTH}})$`,
);

/** Draws a new secret for a token. */
export function drawToken(holder: TokenHolder): SecretToken {
  return { holder, secret: crypto.getRandomValues(new Uint8Array(TOKEN_SECRET_BYTES)) };
}

/** Draws an id for a token of the cluster. */
export function drawTokenId(): string {
  return crypto.getRandomValues(new Uint8Array(TOKEN_ID_LENGTH / 2)).toHex();
}

/** A token as text. */
export function formatToken({ holder, secret }: SecretToken): string {
  const name = holder.kind === "token" ? holder.id : `admin.${holder.node}`;
  return `floe_${name}_${secret.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

/**
 * Reads a token in the exact form of {@linkcode formatToken}.
 *
 * @throws {InputError} for anything else. The message does not contain the text, because it may be a mistyped
 * secret.
 */
export function parseToken(text: string): SecretToken {
  const [, id, node, encoded] = TOKEN_PATTERN.exec(text) ?? [];
  if (encoded === undefined) throw malformedToken();
  const holder: TokenHolder = id === undefined
    ? { kind: "admin", node: toNodeId(node) }
    : { kind: "token", id };
  const token = { holder, secret: Uint8Array.fromBase64(encoded, { alphabet: "base64url" }) };
  // The last character has two unused bits, so another text could mean the same secret.
  if (formatToken(token) !== text) throw malformedToken();
  return token;
}

function malformedToken(): InputError {
  return new InputError(
    "Cannot read token: it is not floe_<id>_<secret> as floe token create prints it",
  );
}
