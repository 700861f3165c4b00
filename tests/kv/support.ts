/** What the tests of the state machine have in common. */

import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Command } from "../../lib/kv/command.ts";
import { encodeCommand } from "../../lib/kv/command_codec.ts";
import type { CommittedEntry } from "../../lib/kv/state_machine.ts";
import { toLogIndex } from "../../lib/types.ts";

/** An entry with the command `put key text`. */
export function putEntry(index: number, key: string, text: string): CommittedEntry {
  return commandEntry(index, { kind: "put", key, value: encodeUtf8(text) });
}

/** An entry with the command `delete key`. */
export function deleteEntry(index: number, key: string): CommittedEntry {
  return commandEntry(index, { kind: "delete", key });
}

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
