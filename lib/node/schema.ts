/**
 * What the schemas of Floe's files have in common.
 *
 * @module
 */

import { z } from "zod";
import { decodeHex } from "../bytes.ts";
import { InputError } from "../errors.ts";

/**
 * Zod's own type; `deno doc --lint` would check its documentation as if it were Floe's.
 *
 * @internal
 */
type ZodSchema<Value, Source> = z.ZodType<Value, Source>;

/** What reads a `Value` out of a `Source`, or says what is wrong with it. */
export type Schema<Value, Source = string> = ZodSchema<Value, Source>;

/** A checked constructor as a schema, its refusal becoming the message of the fault. */
export function checked<Value>(
  read: (text: string) => Value,
): Schema<Value> {
  return z.string().transform((text, context): Value => {
    try {
      return read(text);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });
}

/** A 32-byte key in lower-case hex. @throws {InputError} when it is anything else. */
export function readKey(text: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InputError("not 64 hex digits in lower case");
  return decodeHex(text);
}

/** A place in a JSON document: `peers[2].api`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.map((step) => typeof step === "number" ? `[${step}]` : `.${String(step)}`)
    .join("").replace(/^\./, "");
}
