/**
 * Key generation's messages as bytes, in the same form as Raft's (`message_codec.ts`) and on the same
 * connections. Every message begins with its tag, and Raft's tags are below {@linkcode KEYGEN_TAG_MIN}.
 * Tags and order are the wire format.
 *
 * A `share` is a secret. It is sent only over the encrypted channel to its receiver. Sender and receiver
 * each erase their own copy. The buffers of the network stack are overwritten when they are used again.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { ATTEMPT_MAX, type FaultRule, type Message, type SignedHash } from "../keygen/mod.ts";
import type { NodeId } from "../types.ts";
import {
  atMost,
  decodePayload,
  encodePayload,
  fixedBytes,
  list,
  longText,
  nodeId,
  nullable,
  record,
  scalar,
  tagged,
  word,
} from "./field.ts";
import { type Route, toMessageError } from "./message_codec.ts";

/** The lowest tag of key generation's messages. */
const KEYGEN_TAG_MIN = 64;
/** The highest tag. MessagePack's positive fixint ends there, so a tag is one byte. */
const KEYGEN_TAG_MAX = 127;
/** Most voters in a message. */
export const VOTER_COUNT_MAX = 128;
/** Most bytes in a genesis certificate. 101 voters with long names need less than half. */
export const GENESIS_BYTES_MAX = 131_072;

/** Whether a payload has a tag of key generation. */
export function isKeyGenerationPayload(payload: Uint8Array): boolean {
  const [tag = 0] = payload;
  return tag >= KEYGEN_TAG_MIN && tag <= KEYGEN_TAG_MAX;
}

/**
 * The payload of a message, in a shared buffer: put it into a frame before the next call.
 *
 * @throws {MessageError} when the receiver would refuse it: a count or a length above its limit.
 */
export function encodeKeyGenerationMessage(message: Message): Uint8Array {
  try {
    return encodePayload(messageField, message);
  } catch (cause) {
    throw toMessageError(`write ${message.kind}`, cause);
  }
}

/**
 * Reads and checks a payload. Byte strings in the message are views into `payload`, which must be
 * the message's own.
 *
 * @throws {MessageError} when a field does not fit. The message has the kind, the field, and the limit.
 */
export function decodeKeyGenerationMessage(payload: Uint8Array, route: Route): Message {
  try {
    const body = decodePayload(messageField, payload);
    return { ...body, from: route.from, to: route.to };
  } catch (cause) {
    throw toMessageError("read message of key generation", cause);
  }
}

/** A message without sender and receiver, which the connection knows. */
type Body<Kind> = Kind extends Message ? Omit<Kind, "from" | "to"> : never;

/** SHA-256 in hex. */
const configuration = scalar((value) => {
  if (typeof value === "string" && /^[0-9a-f]{64}$/.test(value)) return value;
  throw new InputError("not 64 hex digits in lower case");
});

const envelope = { configuration, attempt: atMost(ATTEMPT_MAX) };
const key = fixedBytes(32);
const signature = fixedBytes(64);
const signedHash = { hash: fixedBytes(64), signature };

const rule = word<FaultRule>({
  "malformed-element": 0,
  "identity-element": 1,
  "not-prime-order": 2,
  "malformed-scalar": 3,
  "bad-identifier": 4,
  "bad-threshold": 5,
  "bad-share": 6,
  "wrong-commitment-length": 7,
  "wrong-commitment-hash": 8,
  "bad-proof": 9,
  "polynomial-used": 10,
  "too-few-signers": 11,
  "unsorted-signers": 12,
  "foreign-signer": 13,
  "not-a-signer": 14,
  "wrong-commitment": 15,
  "nonce-used": 16,
  "wrong-shares": 17,
  "equivocation": 18,
  "false-echo": 19,
  "bad-signature": 20,
  "wrong-transcript": 21,
});

const messageField = tagged<Body<Message>>({
  hash: { tag: 64, fields: { ...envelope, ...signedHash } },
  reveal: {
    tag: 65,
    fields: {
      ...envelope,
      vssCommitment: list(key, { countMax: VOTER_COUNT_MAX }),
      proofOfKnowledge: fixedBytes(64),
      hashes: list(record<SignedHash>(signedHash), { countMax: VOTER_COUNT_MAX }),
    },
  },
  share: { tag: 66, fields: { ...envelope, share: key } },
  ready: { tag: 67, fields: { ...envelope, transcriptHash: key } },
  signed: { tag: 68, fields: { ...envelope, signature } },
  genesis: { tag: 69, fields: { ...envelope, note: longText({ bytesMax: GENESIS_BYTES_MAX }) } },
  abort: { tag: 70, fields: { ...envelope, voter: nullable<NodeId>(nodeId), rule } },
});
