import fc from "fast-check";
import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import type { RememberedWrite } from "../../lib/kv/apply_command.ts";
import {
  type Command,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  type WriteOptions,
} from "../../lib/kv/command.ts";
import { decodeCommand, encodeCommand } from "../../lib/kv/command_codec.ts";
import type { CommittedEntry } from "../../lib/kv/state_machine.ts";
import { type NewToken, TOKEN_ID_LENGTH } from "../../lib/kv/token.ts";
import { toLogIndex } from "../../lib/types.ts";

/** What the tests of the state machine have in common. */

/** An entry with the command `put key text`. */
export function putEntry(
  index: number,
  key: string,
  text: string,
  options: WriteOptions = {},
): CommittedEntry {
  return commandEntry(index, { kind: "put", key, value: encodeUtf8(text), ...options });
}

/** An entry with the command `delete key`. */
export function deleteEntry(
  index: number,
  key: string,
  options: WriteOptions = {},
): CommittedEntry {
  return commandEntry(index, { kind: "delete", key, ...options });
}

/** Any options that a write may have, all of them or none included. */
export const writeOptions: fc.Arbitrary<WriteOptions> = fc.record({
  ifModRevision: fc.maxSafeNat().map(toLogIndex),
  idempotencyKey: fc.stringMatching(new RegExp(`^[!#-[\\]-~]{1,${IDEMPOTENCY_KEY_LENGTH_MAX}}$`)),
  idempotencyOwner: fc.stringMatching(/^[0-9a-f]{16}$/),
}, { requiredKeys: [] }).map(({ idempotencyOwner, ...options }) =>
  options.idempotencyKey === undefined || idempotencyOwner === undefined
    ? options
    : { ...options, idempotencyOwner }
);

/** An entry with any command. */
export function commandEntry(index: number, command: Command): CommittedEntry {
  return { index: toLogIndex(index), kind: "command", data: encodeCommand(command) };
}

/** The first entry of a leader's term. */
export function certificateEntry(index: number): CommittedEntry {
  return { index: toLogIndex(index), kind: "certificate", data: encodeUtf8("a signed note") };
}

/** An entry with bytes that no client of Floe would have proposed. */
export function rawEntry(index: number, data: Uint8Array): CommittedEntry {
  return { index: toLogIndex(index), kind: "command", data };
}

/** A token that reads and writes below `app/`; `id` is a hex digit, of which its id is made. */
export function newToken(id: string, changes: Partial<NewToken> = {}): NewToken {
  return {
    id: id.repeat(TOKEN_ID_LENGTH),
    secretDigest: new Uint8Array(32).fill(7),
    name: "ci",
    scopes: ["read", "write"],
    prefixes: ["app/"],
    ...changes,
  };
}

/** A remembered put of this revision. */
export function remembered(index: number, idempotencyKey: string): RememberedWrite {
  const revision = toLogIndex(index);
  return {
    idempotencyKey,
    commandDigest: new Uint8Array(32).fill(index),
    result: { kind: "put", revision, createRevision: revision, version: 1 },
  };
}

/** Asserts that each flipped bit of a command is refused, or read as another command in its one form. */
export function assertFlipsNoticed(command: Command): void {
  const whole = encodeCommand(command);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const flipped = whole.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    let read: Command;
    try {
      read = decodeCommand(flipped);
    } catch (error) {
      assert.ok(error instanceof InputError, `bit ${bit}: ${error}`);
      continue;
    }
    assert.deepEqual(encodeCommand(read), flipped, `bit ${bit}`);
    assert.notDeepEqual(read, command, `bit ${bit}`);
  }
}
