/**
 * What the state machine reads: commands out of the log, and what it remembers of writes.
 *
 * @module
 */

import { decode, Encoder } from "@msgpack/msgpack";
import assert from "node:assert/strict";
import { concatBytes, encodeHex } from "../../../lib/bytes.ts";
import { InputError } from "../../../lib/errors.ts";
import { decodeResult, encodeResult } from "../../../lib/kv/apply_command.ts";
import type { Command, TokenCommand, WriteOptions } from "../../../lib/kv/command.ts";
import { decodeCommand, encodeCommand, isCommand } from "../../../lib/kv/command_codec.ts";
import { SECRET_DIGEST_BYTES, TOKEN_ID_LENGTH } from "../../../lib/kv/token.ts";
import { toLogIndex } from "../../../lib/types.ts";
import type { Random } from "../../simulator/random.ts";
import { drawWildValue } from "../msgpack.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { bytesTarget, refusing, type Target } from "../target.ts";
import { drawCount, drawText } from "../values.ts";

const REVISION = toLogIndex(7);
const encoder = new Encoder();

/** Commands, which any member can propose and every node must read. One command has one form. */
export const commands: Target = bytesTarget({
  name: "commands",
  share: 150,
  draw: (random) => {
    const command = random.chance(0.3) ? drawTokenCommand(random) : drawCommand(random);
    const { version, fields } = partsOf(command);
    if (random.chance(0.5)) fields[random.below(fields.length)] = drawWildValue(random);
    const head = Uint8Array.of(
      random.chance(0.95) ? version : random.below(256),
      0x90 + fields.length,
    );
    const bytes = concatBytes(head, ...fields);
    return random.chance(0.3) ? mutateBytes(bytes, random) : bytes;
  },
  give: (bytes) => {
    const readable = isCommand(bytes);
    return refusing([InputError], () => {
      assert.deepEqual(encodeCommand(decodeCommand(bytes)), bytes);
      assert.equal(readable, true);
    });
  },
});

/** Answers of earlier writes, which come with a snapshot. */
export const results: Target = bytesTarget({
  name: "results",
  share: 60,
  draw: (random) => {
    const result = [random.pick(["put", "delete", "preconditionFailed"]), drawCount(random), 1];
    const fields: Uint8Array[] = result.map((field) => encoder.encode(field));
    if (random.chance(0.5)) fields[random.below(fields.length)] = drawWildValue(random);
    if (random.chance(0.5)) fields.pop();
    const bytes = concatBytes(Uint8Array.of(0x90 + fields.length), ...fields);
    return random.chance(0.2) ? mutateBytes(bytes, random) : bytes;
  },
  give: (bytes) =>
    refusing([InputError], () => {
      assert.deepEqual(encodeResult(decodeResult(bytes, REVISION)), bytes);
    }),
});

function drawCommand(random: Random): Command {
  const key = drawText(random).toWellFormed().slice(0, 500) || "k";
  const options: WriteOptions = {
    ...(random.chance(0.5) ? { ifModRevision: toLogIndex(drawCount(random)) } : {}),
    ...(random.chance(0.5) ? { idempotencyKey: "attempt-1" } : {}),
  };
  return random.chance(0.3)
    ? { kind: "delete", key, ...options }
    : { kind: "put", key, value: random.bytes(random.below(60)), ...options };
}

function drawTokenCommand(random: Random): TokenCommand {
  const id = encodeHex(random.bytes(TOKEN_ID_LENGTH / 2));
  if (random.chance(0.3)) return { kind: "revokeToken", id };
  return {
    kind: "createToken",
    id,
    secretDigest: random.bytes(SECRET_DIGEST_BYTES),
    name: random.pick(["", "ci"]),
    scopes: random.pick([["read"], ["read", "write"]]),
    prefixes: Array.from(
      { length: random.below(3) },
      () => drawText(random).toWellFormed().slice(0, 300) || "p",
    ),
    ...(random.chance(0.5) ? { idempotencyKey: "attempt-1" } : {}),
  };
}

/** The version byte of a command, and the encoded elements of its array. */
function partsOf(command: Command): { readonly version: number; readonly fields: Uint8Array[] } {
  const [version = 0, ...array] = encodeCommand(command);
  const fields = decode(Uint8Array.from(array));
  assert.ok(Array.isArray(fields));
  return { version, fields: fields.map((field) => encoder.encode(field)) };
}
