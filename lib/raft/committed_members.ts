/**
 * What the committed part of the log says about the members: the chain of memberships, and the change that is
 * under way.
 *
 * @module
 */

import type { Membership, MembershipCertificate } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import {
  decodeMembersRecord,
  decodeReshareEntry,
  EMPTY_RECORD,
  encodeMembersRecord,
  MembershipLog,
  type MembersRecord,
} from "../reshare/mod.ts";
import type { LogIndex, Term } from "../types.ts";
import type { Entry } from "./entry.ts";

/** What the committed entries say about the members. It goes on from a record where the log begins later. */
export class CommittedMembers {
  readonly #log: MembershipLog;
  readonly #before: readonly MembershipCertificate[];
  #index: LogIndex;
  #term: Term;

  /** `membership` is where the record's certificates lead to. */
  constructor(membership: Membership, record: MembersRecord) {
    const { attempt, entries, certificates, index, term } = record;
    this.#log = new MembershipLog(membership, entries.length === 0 ? attempt : attempt - 1);
    for (const entry of entries) this.#log.apply(entry);
    this.#before = certificates;
    this.#index = index;
    this.#term = term;
  }

  /** Every certificate since the genesis. */
  get certificates(): readonly MembershipCertificate[] {
    return [...this.#before, ...this.#log.certificates];
  }

  /** All of it, as it stands now. */
  get record(): MembersRecord {
    const { attempt, entries } = this.#log;
    const { certificates } = this;
    return { index: this.#index, term: this.#term, certificates, attempt, entries };
  }

  /** The same as the store keeps it; null for the genesis alone. */
  get text(): string | null {
    const { record } = this;
    const isGenesis = record.certificates.length === 0 && record.attempt === 0;
    return isGenesis ? null : encodeMembersRecord(record);
  }

  /** Takes a committed entry, in order. What the record has already, and what is no entry, changes nothing. */
  apply({ index, term, kind, data }: Entry): void {
    if (index <= this.#index) return;
    this.#index = index;
    if (kind !== "configuration" && kind !== "resharing") return;
    const said = catching(InputError, () => decodeReshareEntry(data), () => null);
    if (said === null) return;
    const { applied } = this.#log.apply(said);
    if (said.kind === "configuration" && applied.kind === "taken") this.#term = term;
  }
}

/** Reads what the log's beginning says of the members. */
export function readRecord(text: string | null): MembersRecord {
  return text === null ? EMPTY_RECORD : decodeMembersRecord(text);
}
