/**
 * Messages about leases as bytes, in the same form as Raft's (`message_codec.ts`) and on the same
 * connections, told apart by the tag that every message begins with. Tags and order are the wire format.
 *
 * @module
 */

import type { LeaseMessage, LeaseReply } from "../kv/mod.ts";
import { boolean, count, decodePayload, encodePayload, nullable, tagged, word } from "./field.ts";
import { type Route, toMessageError } from "./message_codec.ts";

const REQUEST_TAG = 32;
const RESPONSE_TAG = 33;

/** Whether a payload claims to be about a lease. */
export function isLeasePayload(payload: Uint8Array): boolean {
  return payload[0] === REQUEST_TAG || payload[0] === RESPONSE_TAG;
}

/**
 * The payload of a message. It stands in a shared buffer: put it into a frame before the next call.
 *
 * @throws {MessageError} when the receiver would refuse it.
 */
export function encodeLeaseMessage(message: LeaseMessage): Uint8Array {
  try {
    return encodePayload(messageField, message);
  } catch (cause) {
    throw toMessageError(`write ${message.kind}`, cause);
  }
}

/**
 * Reads and checks a payload.
 *
 * @throws {MessageError} saying which field of which kind does not fit, its value and the limit.
 */
export function decodeLeaseMessage(payload: Uint8Array, route: Route): LeaseMessage {
  try {
    return { ...decodePayload(messageField, payload), from: route.from, to: route.to };
  } catch (cause) {
    throw toMessageError("read message about a lease", cause);
  }
}

/** A message without what the connection knows. */
type Body<Kind> = Kind extends LeaseMessage ? Omit<Kind, "from" | "to"> : never;

const reply = tagged<LeaseReply>({
  lease: {
    tag: 0,
    fields: {
      ttlSeconds: count,
      ending: nullable(word({ revoked: 0, expired: 1 })),
      secondsLeft: count,
    },
  },
  leaseNotFound: { tag: 1, fields: {} },
  notLeader: { tag: 2, fields: {} },
});

const question = { incarnation: count, requestId: count };

const messageField = tagged<Body<LeaseMessage>>({
  leaseRequest: { tag: REQUEST_TAG, fields: { ...question, id: count, isKeptAlive: boolean } },
  leaseResponse: { tag: RESPONSE_TAG, fields: { ...question, reply } },
});
