/**
 * Parts of the schemas for files that people write: checked constructors, keys, and the places of faults.
 *
 * @module
 */

import { z } from "zod";
import { decodeHex } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { checkEd25519Key } from "../frost/mod.ts";
import { checkX25519Key } from "../transport/mod.ts";

/**
 * Zod's own type; `deno doc --lint` would check its documentation as if it were Floe's.
 *
 * @internal
 */
type ZodSchema<Value, Source> = z.ZodType<Value, Source>;

/** Reads a `Value` from a `Source`, or reports the faults. */
export type Schema<Value, Source = string> = ZodSchema<Value, Source>;

/** Turns a checked constructor into a schema. The constructor's error becomes the fault's message. */
export function checked<Value>(
  read: (text: string) => Value,
): Schema<Value> {
  return z.string().transform((text, context): Value => {
    return catching(InputError, () => read(text), (error) => {
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    });
  });
}

/** A 32-byte key in lower-case hex. @throws {InputError} when it is anything else. */
export function readKey(text: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InputError("not 64 hex digits in lower case");
  return decodeHex(text);
}

/**
 * A node's Ed25519 public key. A point of small order is refused: anybody could sign for it.
 *
 * @throws {InputError} unless it is 64 hex digits that encode a point of prime order.
 */
export function readSigningKey(text: string): Uint8Array {
  const key = readKey(text);
  checkEd25519Key(key);
  return key;
}

/** A node's X25519 public key. @throws {InputError} for any other text, and a point of low order. */
export function readChannelKey(text: string): Uint8Array {
  const key = readKey(text);
  checkX25519Key(key);
  return key;
}

/** A place in a JSON document: `peers[2].api`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.map((step) => typeof step === "number" ? `[${step}]` : `.${String(step)}`)
    .join("").replace(/^\./, "");
}
