/**
 * Entries about members as bytes in the log, and the record that a node keeps of them when its log begins
 * later. They are JSON, because the certificates in them are text, and because they are read seldom, also
 * by people. An entry has one encoding: the fields in the order below, byte strings in hex.
 *
 * @module
 */

import { z } from "zod";
import { decodeHex, decodeUtf8, encodeHex, encodeUtf8 } from "../bytes.ts";
import {
  MEMBER_ADDRESS_LENGTH_MAX,
  MEMBERSHIP_LENGTH_MAX,
  type MembershipCertificate,
} from "../certificate/mod.ts";
import { InputError } from "../errors.ts";
import type { FrostRefusal } from "../frost/mod.ts";
import {
  type LogIndex,
  type Term,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../types.ts";
import {
  type PlanEntry,
  type PlannedMember,
  REASON_LENGTH_MAX,
  type ReshareEntry,
} from "./entry.ts";

/** Most bytes in an encoded entry: two notes of the longest kind, in JSON. */
export const RESHARE_ENTRY_BYTES_MAX = 4 * MEMBERSHIP_LENGTH_MAX;
/** Most members, deals or complaints that an entry names. */
const LIST_LENGTH_MAX = 1024;
/** Bytes of elements, keys and hashes. Signatures are twice as long. */
const KEY_BYTES = 32;

/** What a node knows about the members without the entries in its log. */
export interface MembersRecord {
  /** The index of the last log entry that it covers. */
  readonly index: LogIndex;
  /** The term of the entry that put the present membership into force; 0 for the genesis. */
  readonly term: Term;
  /** Every certificate since the genesis, the oldest first. */
  readonly certificates: readonly MembershipCertificate[];
  /** How many attempts at the next membership were begun. */
  readonly attempt: number;
  /** The plan under way; null between plans. */
  readonly plan: PlanEntry | null;
  /** The entries of the change under way, from its `begin` on; none between changes. */
  readonly entries: readonly ReshareEntry[];
}

/** The record of a node before its first entry: it knows only the genesis. */
export const EMPTY_RECORD: MembersRecord = {
  index: toLogIndex(0),
  term: toTerm(0),
  certificates: [],
  attempt: 0,
  plan: null,
  entries: [],
};

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)).transform(decodeHex);
const key = hex(KEY_BYTES);
const signature = hex(2 * KEY_BYTES);
const change = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const nodeId = z.string().transform(toNodeId);
const listOf = <Item extends z.ZodType>(item: Item) => z.array(item).max(LIST_LENGTH_MAX);
const nodes = listOf(nodeId);
const address = z.string().max(MEMBER_ADDRESS_LENGTH_MAX);
const note = z.string().max(MEMBERSHIP_LENGTH_MAX);
/** A claim about another node, which is only shown to people. No decision depends on it. */
const rule = z.string().regex(/^[a-z-]{1,40}$/).transform((text) => text as FrostRefusal);

const member: z.ZodType<PlannedMember> = z.strictObject({
  id: nodeId,
  role: z.enum(["voter", "learner"]),
  identifier: count,
  identityKey: key,
  channelKey: key,
  peerAddress: address,
  apiAddress: address.nullable(),
});

const plan: z.ZodType<PlanEntry> & z.core.$ZodTypeDiscriminable = z.strictObject({
  kind: z.literal("plan"),
  id: count.transform(toLogIndex),
  sequence: count,
  epoch: count.transform(toEpoch),
  goal: z.strictObject({
    threshold: count,
    members: listOf(member),
    leaving: listOf(member),
    isRefresh: z.boolean(),
  }),
});

const entry: z.ZodType<ReshareEntry> = z.discriminatedUnion("kind", [
  plan,
  z.strictObject({
    kind: z.literal("planEnd"),
    id: count.transform(toLogIndex),
    outcome: z.enum(["cancelled", "failed"]),
    reason: z.string().max(REASON_LENGTH_MAX),
  }),
  z.strictObject({
    kind: z.literal("begin"),
    cluster: z.string().transform(toClusterName),
    sequence: count,
    epoch: count.transform(toEpoch),
    attempt: count,
    seed: key,
    previous: key,
    threshold: count,
    members: listOf(member),
    absent: nodes,
  }),
  z.strictObject({
    kind: z.literal("deal"),
    change,
    author: nodeId,
    elements: listOf(key),
    signature,
  }),
  z.strictObject({
    kind: z.literal("held"),
    change,
    author: nodeId,
    dealers: nodes,
    complaints: listOf(z.strictObject({ dealer: nodeId, rule })),
    signature,
  }),
  z.strictObject({ kind: z.literal("select"), change, dealers: nodes }),
  z.strictObject({ kind: z.literal("ready"), change, author: nodeId, signature }),
  z.strictObject({ kind: z.literal("proof"), change, note }),
  z.strictObject({
    kind: z.literal("configuration"),
    change,
    byOld: note,
    byNew: note.nullable(),
  }),
  z.strictObject({
    kind: z.literal("abort"),
    change,
    reason: z.string().max(REASON_LENGTH_MAX),
  }),
]);

const record: z.ZodType<MembersRecord> = z.strictObject({
  index: count.transform(toLogIndex),
  term: count.transform(toTerm),
  certificates: z.array(z.strictObject({ byOld: note, byNew: note.nullable() })),
  attempt: count,
  plan: plan.nullable(),
  entries: z.array(entry),
});

/** Writes an entry for the log. */
export function encodeReshareEntry(said: ReshareEntry): Uint8Array<ArrayBuffer> {
  return encodeUtf8(encode(entry, said));
}

/** Reads an entry from untrusted bytes. @throws {InputError} unless it is in its exact encoding. */
export function decodeReshareEntry(bytes: Uint8Array): ReshareEntry {
  if (bytes.length > RESHARE_ENTRY_BYTES_MAX) {
    throw new InputError(
      `Cannot read entry: ${bytes.length} bytes are above ${RESHARE_ENTRY_BYTES_MAX}`,
    );
  }
  return decode(entry, decodeUtf8(bytes), "entry");
}

/** Writes a record of the members, as one line of text. */
export function encodeMembersRecord(known: MembersRecord): string {
  return encode(record, known);
}

/** Reads what {@linkcode encodeMembersRecord} wrote. @throws {InputError} for anything else. */
export function decodeMembersRecord(text: string): MembersRecord {
  return decode(record, text, "record of the members");
}

/** The schema puts the fields into its own order, from any order. */
function encode<Value>(schema: z.ZodType<Value>, value: Value): string {
  return toText(schema.parse(JSON.parse(toText(value))));
}

function decode<Value>(schema: z.ZodType<Value>, text: string, what: string): Value {
  let value: Value;
  try {
    value = schema.parse(JSON.parse(text));
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof z.ZodError)) throw cause;
    throw new InputError(`Cannot read ${what}: ${cause.message}`, { cause });
  }
  if (toText(value) !== text) {
    throw new InputError(`Cannot read ${what}: not in its one exact form`);
  }
  return value;
}

function toText(value: unknown): string {
  return JSON.stringify(value, (_name, field) => {
    return field instanceof Uint8Array ? encodeHex(field) : field;
  });
}
