/**
 * What the state machine reads: commands out of the log, and what it remembers of writes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Encoder } from "@msgpack/msgpack";
import { concatBytes, encodeUtf8 } from "../../../lib/bytes.ts";
import { InputError } from "../../../lib/errors.ts";
import { type Command, type WriteOptions } from "../../../lib/kv/command.ts";
import { decodeCommand, encodeCommand, isCommand } from "../../../lib/kv/command_codec.ts";
import { decodeResult, encodeResult } from "../../../lib/kv/remembered_write.ts";
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
    const fields = fieldsOf(drawCommand(random));
    if (random.chance(0.5)) fields[random.below(fields.length)] = drawWildValue(random);
    const head = Uint8Array.of(random.chance(0.95) ? 1 : random.below(256), 0x90 + fields.length);
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

/** The encoded elements of a command's array. */
function fieldsOf(command: Command): Uint8Array[] {
  const { kind, key, ifModRevision = null, idempotencyKey } = command;
  const name = idempotencyKey === undefined ? null : encodeUtf8(idempotencyKey);
  const fields = [kind, encodeUtf8(key), ifModRevision, name];
  return [...fields, ...(kind === "put" ? [command.value] : [])].map((field) =>
    encoder.encode(field)
  );
}
