/**
 * Tokens of the API: who may use it, and for what. Part of the replicated state, so that every node
 * knows the same ones; their secrets are not.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { KEY_BYTES_MAX, TOKEN_ID_LENGTH } from "../limits.ts";
import type { LogIndex } from "../types.ts";

/** Most tokens that there may be at once. */
export const TOKENS_MAX = 1_000;
/** Most key prefixes of one token. */
export const TOKEN_PREFIXES_MAX = 16;
/** Most characters in a token's name. */
export const TOKEN_NAME_LENGTH_MAX = 64;
/** Bytes of the SHA-256 of a token's secret. */
export const SECRET_DIGEST_BYTES = 32;

/** The latest time at which a token can expire: the last one that has a date. */
export const EXPIRES_AT_MS_MAX = 8_640_000_000_000_000;

/** Everything that a token can allow. `admin` allows the rest as well, and `read` the `status`. */
export const TOKEN_SCOPES = ["read", "write", "admin", "status"] as const;

/**
 * What a token allows: to read keys, to write them, to administer (tokens, leadership, and all else), or to look at
 * the nodes and at no key.
 * The holder of an `admin` token can make any other token, so it allows what those allow.
 */
export type TokenScope = typeof TOKEN_SCOPES[number];

/** What is to be known of a token to make it. */
export interface NewToken {
  /** Which token it is: {@linkcode TOKEN_ID_LENGTH} lower-case hex digits, public. */
  readonly id: string;
  /**
   * SHA-256 of the token's secret: {@linkcode SECRET_DIGEST_BYTES} bytes. Secrets are 256 random bits,
   * which nobody finds by trying: unlike a password, they need no slow hash.
   */
  readonly secretDigest: Uint8Array;
  /** What people call it: at most {@linkcode TOKEN_NAME_LENGTH_MAX} characters, none at all allowed. */
  readonly name: string;
  /** What it allows: at least one, each once, in the order of {@linkcode TOKEN_SCOPES}. */
  readonly scopes: readonly TokenScope[];
  /**
   * It reads and writes only keys that begin with one of these; none stands for all keys. At most
   * {@linkcode TOKEN_PREFIXES_MAX}, each as a key may be. An `admin` token has none.
   */
  readonly prefixes: readonly string[];
  /**
   * When it expires, in milliseconds since 1970; null: never. Each node judges it by its own clock, as the
   * state machine has none. It stays in the list until it is revoked.
   */
  readonly expiresAtMs: number | null;
}

/** A token as the state machine keeps it. */
export interface Token extends NewToken {
  /** Revision of the command that created it. */
  readonly createRevision: LogIndex;
}

/** Whether a token allows what needs this scope, as far as scopes go. */
export function hasScope({ scopes }: Pick<Token, "scopes">, scope: TokenScope): boolean {
  return scopes.includes(scope) || scopes.includes("admin") ||
    scope === "status" && scopes.includes("read");
}

/** Whether a token has expired at this time. */
export function isExpired({ expiresAtMs }: Pick<Token, "expiresAtMs">, nowMs: number): boolean {
  return expiresAtMs !== null && nowMs >= expiresAtMs;
}

/**
 * Checks all of a token that is to be made.
 *
 * @throws {InputError} naming what is wrong, the value and the limit.
 */
export function checkNewToken(token: NewToken): void {
  const { id, secretDigest, name, scopes, prefixes, expiresAtMs } = token;
  checkTokenId(id);
  if (secretDigest.length !== SECRET_DIGEST_BYTES) {
    throw new InputError(
      `Cannot read token: its digest has ${secretDigest.length} bytes, not ${SECRET_DIGEST_BYTES}`,
    );
  }
  if (!NAME_PATTERN.test(name)) {
    throw new InputError(
      `Cannot read token: its name ${JSON.stringify(name).slice(0, SHOWN_LENGTH_MAX)} does not ` +
        `match [A-Za-z0-9._-]{0,${TOKEN_NAME_LENGTH_MAX}}`,
    );
  }
  if (scopes.length === 0) {
    throw new InputError(`Cannot read token: it has none of ${TOKEN_SCOPES.join(", ")}`);
  }
  checkPrefixes(prefixes);
  checkExpiry(expiresAtMs);
  if (prefixes.length > 0 && scopes.includes("admin")) {
    throw new InputError(
      "Cannot read token: admin goes without prefixes, as it can make tokens for all keys",
    );
  }
}

/** Checks a token's id. @throws {InputError} unless it is 16 lower-case hex digits. */
export function checkTokenId(id: string): void {
  if (ID_PATTERN.test(id)) return;
  throw new InputError(
    `Cannot read token id: ${JSON.stringify(id).slice(0, SHOWN_LENGTH_MAX)} is not ` +
      `${TOKEN_ID_LENGTH} lower-case hex digits`,
  );
}

/** Beside the scopes in one byte: whether the time of expiry follows. */
export const EXPIRES_BIT = 16;

/** {@linkcode EXPIRES_BIT} for a token that expires, else 0. */
export function expiresBit({ expiresAtMs }: Pick<Token, "expiresAtMs">): number {
  return expiresAtMs === null ? 0 : EXPIRES_BIT;
}

/** Scopes as a number: 1 for read, 2 for write, 4 for admin, 8 for status, summed. */
export function toScopeBits(scopes: readonly TokenScope[]): number {
  return TOKEN_SCOPES.reduce(
    (bits, scope, at) => scopes.includes(scope) ? bits | 1 << at : bits,
    0,
  );
}

/** Reads what {@linkcode toScopeBits} made. @throws {InputError} for any other number. */
export function fromScopeBits(bits: unknown): readonly TokenScope[] {
  if (typeof bits === "number") {
    const scopes = TOKEN_SCOPES.filter((_, at) => (bits & 1 << at) !== 0);
    if (toScopeBits(scopes) === bits) return scopes;
  }
  throw new InputError("Cannot read token: its scopes are not a sum of 1, 2, 4 and 8");
}

const ID_PATTERN = new RegExp(`^[0-9a-f]{${TOKEN_ID_LENGTH}}$`);
const NAME_PATTERN = new RegExp(`^[A-Za-z0-9._-]{0,${TOKEN_NAME_LENGTH_MAX}}$`);
const SHOWN_LENGTH_MAX = 80;

function checkExpiry(expiresAtMs: number | null): void {
  if (expiresAtMs === null) return;
  if (Number.isSafeInteger(expiresAtMs) && expiresAtMs > 0 && expiresAtMs <= EXPIRES_AT_MS_MAX) {
    return;
  }
  throw new InputError(
    `Cannot read token: it expires at ${expiresAtMs} ms, not at 1 to ${EXPIRES_AT_MS_MAX}`,
  );
}

function checkPrefixes(prefixes: readonly string[]): void {
  if (prefixes.length > TOKEN_PREFIXES_MAX) {
    throw new InputError(
      `Cannot read token: ${prefixes.length} prefixes are above ${TOKEN_PREFIXES_MAX}`,
    );
  }
  for (const prefix of prefixes) {
    const { length } = encodeUtf8(prefix);
    if (!prefix.isWellFormed() || length === 0 || length > KEY_BYTES_MAX) {
      throw new InputError(
        `Cannot read token: a prefix must be 1 to ${KEY_BYTES_MAX} bytes of UTF-8, not ${length}`,
      );
    }
  }
}
