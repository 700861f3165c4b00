/**
 * Token commands as fields of a command's MessagePack array: see `command_codec.ts`.
 *
 * @module
 */

import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import type { TokenCommand } from "./command.ts";
import { checkNewToken, checkTokenId, fromScopeBits, toScopeBits } from "./token.ts";

/**
 * The fields of a token command, after its kind and its idempotency key.
 *
 * @throws {InputError} when one is outside its limits.
 */
export function encodeTokenFields(
  command: TokenCommand,
): readonly (number | Uint8Array | readonly Uint8Array[])[] {
  if (command.kind === "revokeToken") {
    checkTokenId(command.id);
    return [encodeUtf8(command.id)];
  }
  checkNewToken(command);
  const { id, secretDigest, name, scopes, prefixes } = command;
  return [
    encodeUtf8(id),
    secretDigest,
    encodeUtf8(name),
    toScopeBits(scopes),
    prefixes.map(encodeUtf8),
  ];
}

/**
 * Reads the fields of a token command of this kind, after its idempotency key. The digest is a view.
 *
 * @throws {InputError} for everything that {@linkcode encodeTokenFields} would not have written.
 */
export function decodeTokenFields(kind: unknown, fields: readonly unknown[]): TokenCommand {
  const [id, secretDigest, name, scopeBits, prefixes] = fields;
  if (kind === "revokeToken" && fields.length === 1) {
    const command = { kind, id: toText(id) } as const;
    checkTokenId(command.id);
    return command;
  }
  if (kind !== "createToken" || fields.length !== 5) {
    throw new InputError("Cannot read command: neither of the token commands with its fields");
  }
  if (!(secretDigest instanceof Uint8Array) || !Array.isArray(prefixes)) {
    throw new InputError("Cannot read command: its token's fields are of other types");
  }
  const command = {
    kind,
    id: toText(id),
    secretDigest,
    name: toText(name),
    scopes: fromScopeBits(scopeBits),
    prefixes: prefixes.map(toText),
  } as const;
  checkNewToken(command);
  return command;
}

function toText(field: unknown): string {
  if (field instanceof Uint8Array) return decodeUtf8(field);
  throw new InputError("Cannot read command: a text of its token is not a byte string");
}
