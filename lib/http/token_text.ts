/**
 * Tokens as their holders have them: text that goes into an `Authorization` header.
 *
 * `floe_<id>_<secret>` is a token of the cluster: 16 hex digits that everybody may know, and 256
 * random bits in base64url that only its holder does. `floe_admin.<node id>_<secret>` is the token that
 * a node makes for whoever can read its data folder; it is valid at that node alone, and says so, so that
 * no client sends it anywhere else.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { InputError } from "../errors.ts";
import { TOKEN_ID_LENGTH } from "../kv/token.ts";
import { type NodeId, toNodeId } from "../types.ts";

/** Bytes of a token's secret. */
export const TOKEN_SECRET_BYTES = 32;
/** Characters of a token's secret in base64url without padding. */
const SECRET_LENGTH = 43;

/** Whose a token is: one of the cluster's by its id, or the own one of a node. */
export type TokenHolder =
  | { readonly kind: "token"; readonly id: string }
  | { readonly kind: "admin"; readonly node: NodeId };

/** A token with its secret. Whoever holds it erases nothing: it is text that others keep. */
export interface SecretToken {
  /** Whose it is. */
  readonly holder: TokenHolder;
  /** {@linkcode TOKEN_SECRET_BYTES} bytes. */
  readonly secret: Uint8Array;
}

const PATTERN = new RegExp(
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
 * Reads a token, in the one form that {@linkcode formatToken} writes.
 *
 * @throws {InputError} for anything else. The message shows nothing of it: it may be a secret that was
 * written a little wrong.
 */
export function parseToken(text: string): SecretToken {
  const [, id, node, encoded] = PATTERN.exec(text) ?? [];
  if (encoded === undefined) throw malformed();
  const holder: TokenHolder = id === undefined
    ? { kind: "admin", node: toNodeId(node) }
    : { kind: "token", id };
  const token = { holder, secret: Uint8Array.fromBase64(encoded, { alphabet: "base64url" }) };
  // The last of the characters has two bits that mean nothing.
  if (formatToken(token) !== text) throw malformed();
  return token;
}

/** SHA-256 of a secret, which is all of it that a node keeps: 32 bytes. */
export function digestSecret(secret: Uint8Array): Uint8Array {
  return createHash("sha256").update(secret).digest();
}

function malformed(): InputError {
  return new InputError(
    "Cannot read token: it is not floe_<id>_<secret> as floe token create prints it",
  );
}
