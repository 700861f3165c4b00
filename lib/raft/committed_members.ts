/**
 * What the committed log says about the members, and this node's part in the change under way: it drives
 * `lib/reshare`. An entry reaches `lib/reshare` once it is committed and durable on this node, because its effects
 * (for example, an erased share) must not be ahead of this node's log.
 *
 * @module
 */

import type { Membership, MembershipCertificate } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import {
  type Change,
  decodeMembersRecord,
  decodeReshareEntry,
  type DurableShares,
  EMPTY_RECORD,
  encodeMembersRecord,
  type MembershipView,
  type MembersRecord,
  type ReshareInput,
  type ReshareOutput,
  Resharing,
} from "../reshare/mod.ts";
import type { LogIndex, NodeId, Term } from "../types.ts";
import type { MembersConfig } from "./config.ts";
import type { Entry } from "./entry.ts";

/** The state that a node begins with. */
interface Beginning {
  readonly self: NodeId;
  readonly config: MembersConfig;
  /** The record at the beginning of its log, or in a snapshot. */
  readonly record: MembersRecord;
  /** The membership after the record's certificates. */
  readonly membership: Membership;
  /** The shares on its disk. */
  readonly shares: DurableShares;
}

/** The members by the committed log, from a record on. */
export class CommittedMembers {
  readonly #resharing: Resharing;
  readonly #before: readonly MembershipCertificate[];
  readonly #waiting: Entry[] = [];
  #inputs: ReshareInput[] = [];
  /** The record that it begins with, until the first step has handled its entries. */
  #beginning: MembersRecord | null;
  #index: LogIndex;
  #term: Term;

  /** The first step handles the record's entries of a change under way. */
  constructor({ self, config, record, membership, shares }: Beginning) {
    this.#beginning = record;
    const { attempt, plan, entries, certificates, index, term } = record;
    this.#resharing = new Resharing({
      self,
      membership,
      attempt: entries.length === 0 ? attempt : attempt - 1,
      plan,
      sign: config.sign,
      randomBytes: config.randomBytes,
    }, shares);
    for (const entry of entries) this.#inputs.push({ kind: "committed", entry });
    this.#before = certificates;
    this.#index = index;
    this.#term = term;
  }

  /** Every certificate since the genesis. */
  get certificates(): readonly MembershipCertificate[] {
    return [...this.#before, ...this.#resharing.log.certificates];
  }

  /** The change that is under way, if any. */
  get change(): Change | null {
    return this.#resharing.log.change;
  }

  /** What the log says of the members. */
  get log(): MembershipView {
    return this.#resharing.log;
  }

  /** The present record. */
  get record(): MembersRecord {
    if (this.#beginning !== null) return this.#beginning;
    const { attempt, plan, entries } = this.#resharing.log;
    const { certificates } = this;
    return { index: this.#index, term: this.#term, certificates, attempt, plan, entries };
  }

  /** The record as text for the store; null for only the genesis. */
  get text(): string | null {
    const { record } = this;
    const isGenesis = record.certificates.length === 0 && record.attempt === 0 &&
      record.plan === null;
    return isGenesis ? null : encodeMembersRecord(record);
  }

  /** An entry is committed, in order. */
  commit(entry: Entry): void {
    if (entry.index > this.#index) this.#waiting.push(entry);
  }

  /** Adds another input: a message, a tick, a request. */
  add(input: ReshareInput): void {
    this.#inputs.push(input);
  }

  /** Handles all inputs, and the log as far as it is durable; null when there was nothing. */
  step(durableIndex: LogIndex): ReshareOutput | null {
    this.#beginning = null;
    const later = this.#waiting.findIndex(({ index }) => index > durableIndex);
    const count = later === -1 ? this.#waiting.length : later;
    const { sequence } = this.#resharing.log.current;
    let term = this.#term;
    for (const entry of this.#waiting.splice(0, count)) {
      this.#index = entry.index;
      const said = readEntry(entry);
      if (said === null) continue;
      if (said.kind === "configuration") term = entry.term;
      this.#inputs.push({ kind: "committed", entry: said });
    }
    if (this.#inputs.length === 0) return null;
    const output = this.#resharing.step(this.#inputs);
    this.#inputs = [];
    if (this.#resharing.log.current.sequence > sequence) this.#term = term;
    return output;
  }

  /** Erases every secret here. */
  erase(): void {
    this.#resharing.erase();
  }
}

/** The entry about members in a log entry; null when it is of another kind, or malformed. */
function readEntry({ kind, data }: Entry) {
  if (kind !== "configuration" && kind !== "resharing") return null;
  return catching(InputError, () => decodeReshareEntry(data), () => null);
}

/** Reads the record of the members at the log's beginning. */
export function readRecord(text: string | null): MembersRecord {
  return text === null ? EMPTY_RECORD : decodeMembersRecord(text);
}
