/**
 * The chain of memberships as the log has it, and the one change that may be under way.
 *
 * @module
 */

import {
  type Membership,
  type MembershipCertificate,
  verifyMembership,
} from "../certificate/mod.ts";
import { InputError } from "../errors.ts";
import { type Applied, Change, refused } from "./change.ts";
import {
  type AbortEntry,
  type BeginEntry,
  type ConfigurationEntry,
  REASON_LENGTH_MAX,
  type ReshareEntry,
} from "./entry.ts";

/** What became of the log's membership by an entry. */
export interface ChainResult {
  /** What the entry did. */
  readonly applied: Applied;
  /** The change that it ended, if it did. */
  readonly ended: Change | null;
}

/** What every node keeps of the log's entries about members. Rebuilt from them after a restart. */
export class MembershipLog {
  #current: Membership;
  #change: Change | null = null;
  #attempt: number;
  #certificates: MembershipCertificate[] = [];
  #entries: ReshareEntry[] = [];

  /** Begins where a chain stands, after so many attempts at the next membership. */
  constructor(current: Membership, attempt = 0) {
    this.#current = current;
    this.#attempt = attempt;
  }

  /** What is in force. */
  get current(): Membership {
    return this.#current;
  }

  /** The change under way; null between changes. */
  get change(): Change | null {
    return this.#change;
  }

  /** How many attempts at the next membership were begun. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The certificates that came since the beginning. */
  get certificates(): readonly MembershipCertificate[] {
    return this.#certificates;
  }

  /** The entries of the change under way, from its `begin` on. */
  get entries(): readonly ReshareEntry[] {
    return this.#entries;
  }

  /** Takes a committed entry. */
  apply(entry: ReshareEntry): ChainResult {
    const result = this.#apply(entry);
    // A deal that breaks a rule is remembered as well, as its dealer has no other.
    if (this.#change === null) this.#entries = [];
    else if (result.applied.kind !== "refused") this.#entries.push(entry);
    return result;
  }

  #apply(entry: ReshareEntry): ChainResult {
    if (entry.kind === "begin") return { applied: this.#begin(entry), ended: null };
    if (entry.kind === "configuration") return this.#complete(entry);
    const change = this.#change;
    if (change?.id !== entry.change) {
      return { applied: refused("it is of no change under way"), ended: null };
    }
    if (entry.kind === "abort") return this.#abort(change, entry);
    return { applied: change.apply(entry), ended: null };
  }

  #begin(entry: BeginEntry): Applied {
    if (this.#change !== null) return refused("another change is under way");
    if (entry.attempt !== this.#attempt + 1) {
      return refused(`attempt ${entry.attempt} does not follow ${this.#attempt}`);
    }
    try {
      this.#change = new Change(this.#current, entry);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return refused(error.message);
    }
    this.#attempt = entry.attempt;
    return { kind: "taken" };
  }

  /**
   * What t of the old and t' of the new voters signed is in force, whatever stands before it in the log:
   * whoever counts by the newest configuration of its log can judge by the certificates alone.
   */
  #complete({ byOld, byNew }: ConfigurationEntry): ChainResult {
    const change = this.#change;
    try {
      this.#current = verifyMembership(this.#current, { byOld, byNew });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { applied: refused(error.message), ended: null };
    }
    this.#certificates.push({ byOld, byNew });
    this.#change = null;
    this.#attempt = 0;
    return { applied: { kind: "taken" }, ended: change };
  }

  #abort(change: Change, { reason }: AbortEntry): ChainResult {
    if (change.stage === "authorizing") {
      return { applied: refused("a proven change can only be completed"), ended: null };
    }
    if (reason.length > REASON_LENGTH_MAX) {
      return { applied: refused(`a reason of ${reason.length} characters`), ended: null };
    }
    this.#change = null;
    return { applied: { kind: "taken" }, ended: change };
  }
}
