/**
 * A segment: one file of the log. Its first record names the owner and holds all that the log needs of
 * earlier segments, so that these can be removed once their entries are compacted.
 *
 * @module
 */

import { decodeHex, decodeUtf8, encodeHex, encodeUtf8 } from "../../bytes.ts";
import { InputError } from "../../errors.ts";
import {
  type ClusterName,
  type NodeId,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../types.ts";
import type { GrantsProof } from "../../raft/mod.ts";
import type { RaftState } from "../raft_state.ts";
import {
  encodeFileHead,
  encodeRecord,
  FILE_HEAD_BYTES,
  type FoundRecord,
  type Position,
  readFirstRecord,
} from "./record.ts";

/** The elections file: the certificates of removed segments. */
export const ELECTIONS_FILE = "elections";

/** The node that a log belongs to, and its cluster. */
export interface LogOwner {
  readonly cluster: ClusterName;
  readonly node: NodeId;
}

/** What the log holds besides its entries. */
export interface LogState extends RaftState {
  /** How many records the elections file must have. */
  readonly electionRecords: number;
}

/** The content of a segment's first record. */
interface FileIntroduction {
  readonly owner: LogOwner;
  /** The state before the segment's other records. */
  readonly state: LogState;
  /** The number and SHA-256 of the previous segment's last record. */
  readonly after: Pick<Position, "number" | "chain">;
}

/** Name of the `number`th segment. */
export function segmentName(number: number): string {
  return `segment-${String(number).padStart(10, "0")}`;
}

/** The number in a segment's name; null for any other name. */
export function segmentNumber(name: string): number | null {
  const found = /^segment-(\d{10})$/.exec(name);
  return found === null ? null : Number(found[1]);
}

/** The first bytes of a new segment: the file's head and the first record. */
export function encodeIntroduction(
  { owner, state, after }: FileIntroduction,
  salt: Uint8Array,
): { readonly bytes: Uint8Array; readonly end: Position } {
  const { hardState, logStart, members, lastIndex, electionRecords } = state;
  const grants = state.grants === null ? null : toText(state.grants);
  const { chain } = after;
  const text = { ...owner, hardState, grants, logStart, members, lastIndex, electionRecords };
  const payload = encodeUtf8(`${JSON.stringify({ ...text, chain: encodeHex(chain) })}\n`);
  const place = { ...after, offset: FILE_HEAD_BYTES };
  const { bytes: record, end } = encodeRecord(payload, { salt, kind: "head", after: place });
  const bytes = new Uint8Array(end.offset);
  bytes.set(encodeFileHead(salt));
  bytes.set(record, FILE_HEAD_BYTES);
  return { bytes, end };
}

/** A segment's first record with its content; null when it is not valid. */
export function readIntroduction(
  file: Uint8Array,
  salt: Uint8Array,
): { readonly introduction: FileIntroduction; readonly end: Position } | null {
  let says: FileIntroduction | null = null;
  const record: FoundRecord | null = readFirstRecord(file, salt, (payload, number) => {
    says = decodeIntroduction(payload, number);
    return says.after.chain;
  });
  return record === null || says === null ? null : { introduction: says, end: record.end };
}

/** @throws {InputError} when the bytes are no introduction. */
function decodeIntroduction(payload: Uint8Array, number: number): FileIntroduction {
  const says = toFields(JSON.parse(decodeUtf8(payload)));
  const { currentTerm, votedFor } = toFields(says["hardState"]);
  const { index, term } = toFields(says["logStart"]);
  return {
    owner: { cluster: toClusterName(says["cluster"]), node: toNodeId(says["node"]) },
    state: {
      hardState: {
        currentTerm: toTerm(currentTerm),
        votedFor: votedFor === null ? null : toNodeId(votedFor),
      },
      grants: says["grants"] === null ? null : toGrants(toFields(says["grants"])),
      logStart: { index: toLogIndex(index), term: toTerm(term) },
      // Logs from before members could change lack this field.
      members: toOptionalText(says["members"]),
      lastIndex: toLogIndex(says["lastIndex"]),
      electionRecords: Number(says["electionRecords"]),
    },
    after: { number: number - 1, chain: decodeHex(String(says["chain"])) },
  };
}

/** A proof with its signatures in hex. */
function toText(proof: GrantsProof): Readonly<Record<string, unknown>> {
  const { term, epoch, membership, candidate, grants } = proof;
  const given = grants.map(({ voter, signature }) => [voter, encodeHex(signature)]);
  return { term, epoch, ...membership, candidate, grants: Object.fromEntries(given) };
}

function toGrants(says: Readonly<Record<string, unknown>>): GrantsProof {
  const { term, epoch = 1, candidate, grants } = says;
  const byOld = toOptionalText(says["byOld"]);
  const membership = byOld === null ? null : { byOld, byNew: toOptionalText(says["byNew"]) };
  const given = Object.entries(toFields(grants)).map(([voter, signature]) => {
    return { voter: toNodeId(voter), signature: decodeHex(String(signature)) };
  });
  const named = { term: toTerm(term), epoch: toEpoch(epoch), candidate: toNodeId(candidate) };
  return { kind: "grants", ...named, membership, grants: given };
}

function toOptionalText(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function toFields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw new InputError("its first record does not say whose log it is");
}
