/**
 * The limits and checks of the store that clients need, too: a client command loads this file without the store.
 * `lib/kv` exports it.
 *
 * @module
 */

import { InputError } from "./errors.ts";

/** Most bytes in a key. */
export const KEY_BYTES_MAX = 1024;
/** Most bytes in a value. */
export const VALUE_BYTES_MAX = 512 * 1024;
/**
 * Most bytes of keys and values in the answer to one transaction, and most bytes of the values that it sorts
 * or compares.
 */
export const TRANSACTION_BYTES_MAX: number = 8 * 1024 * 1024;
/** Most characters in an idempotency key. Each is one byte. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 128;
/** Longest time to live of a lease: a day. */
export const LEASE_TTL_SECONDS_MAX = 86_400;
/** Characters of a token's id, each a lower-case hex digit. */
export const TOKEN_ID_LENGTH = 16;

/**
 * Checks the length of a key.
 *
 * @throws {InputError} unless it is 1 to {@linkcode KEY_BYTES_MAX} bytes.
 */
export function checkKeyBytes(key: Uint8Array): void {
  if (key.length === 0) throw new InputError("Cannot read key: it is empty");
  if (key.length > KEY_BYTES_MAX) {
    throw new InputError(`Cannot read key: ${key.length} bytes are above ${KEY_BYTES_MAX}`);
  }
}

/** Visible ASCII without `"` and `\`, so that a quoted HTTP header can contain it unchanged. */
const IDEMPOTENCY_KEY_PATTERN = /^[!#-[\]-~]+$/;

/**
 * Checks an idempotency key.
 *
 * @throws {InputError} unless it is 1 to {@linkcode IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII
 * characters without `"` and `\`.
 */
export function checkIdempotencyKey(idempotencyKey: string): void {
  const { length } = idempotencyKey;
  if (length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    throw new InputError(
      `Cannot read idempotency key: ${length} characters are above ${IDEMPOTENCY_KEY_LENGTH_MAX}`,
    );
  }
  if (IDEMPOTENCY_KEY_PATTERN.test(idempotencyKey)) return;
  throw new InputError(
    'Cannot read idempotency key: it must be visible ASCII characters other than " and \\',
  );
}
