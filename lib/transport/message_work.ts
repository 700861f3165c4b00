/**
 * How much work messages make for who receives them, in the units of `fair_share.ts`. Roughly: a
 * factor of two makes no difference to anybody, a factor of a hundred is what an attacker looks for.
 *
 * @module
 */

import type { Message } from "../raft/message.ts";

/** A signed note is parsed and its signature verified. */
const NOTE_WORK = 16;
/** Points are checked, one by one, or a nonce is drawn and a share made: up to some milliseconds. */
const SIGNING_WORK = 128;

/** What key generation's messages make: nearly all of them are about points. */
export const KEYGEN_WORK: number = SIGNING_WORK;

/** What a message makes, at least 1. */
export function workOf(message: Message): number {
  switch (message.kind) {
    case "preVoteRequest":
    case "preVoteResponse":
    case "voteRequest":
    case "voteResponse":
      return SIGNING_WORK;
    case "appendRequest":
      return 1 + noteWork(message.certificate) + message.entries.length;
    case "snapshotRequest":
    case "timeoutNowRequest":
      return 1 + noteWork(message.certificate);
    case "proposeRequest":
      return 1 + message.proposals.length;
    case "proposeResponse":
      return 1 + message.outcomes.length;
    case "appendResponse":
    case "snapshotResponse":
    case "readIndexRequest":
    case "readIndexResponse":
      return 1;
    default:
      return message satisfies never;
  }
}

function noteWork(note: string | null): number {
  return note === null ? 0 : NOTE_WORK;
}
