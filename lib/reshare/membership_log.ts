/**
 * The chain of memberships as the log has it, and the one change that may be under way.
 *
 * @module
 */

import type { Membership } from "../certificate/mod.ts";
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
  #attempt = 0;

  /** Begins where a chain stands. */
  constructor(current: Membership) {
    this.#current = current;
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

  /** Takes a committed entry. */
  apply(entry: ReshareEntry): ChainResult {
    if (entry.kind === "begin") return { applied: this.#begin(entry), ended: null };
    const change = this.#change;
    if (change?.id !== entry.change) {
      return { applied: refused("it is of no change under way"), ended: null };
    }
    if (entry.kind === "configuration") return this.#complete(change, entry);
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

  #complete(change: Change, entry: ConfigurationEntry): ChainResult {
    try {
      this.#current = change.complete(entry);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { applied: refused(error.message), ended: null };
    }
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
