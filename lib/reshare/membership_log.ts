/**
 * The chain of memberships in the log, and the change under way, of which there is at most one.
 *
 * @module
 */

import {
  type Membership,
  type MembershipCertificate,
  verifyMembership,
} from "../certificate/mod.ts";
import { InputError } from "../errors.ts";
import type { LogIndex } from "../types.ts";
import { type Applied, Change, refused } from "./change.ts";
import {
  type AbortEntry,
  type BeginEntry,
  type ChangeEntry,
  type ConfigurationEntry,
  type PlanEndEntry,
  type PlanEntry,
  REASON_LENGTH_MAX,
  type ReshareEntry,
} from "./entry.ts";
import { checkGoal, isReached } from "./goal.ts";

/** The effect of an entry on the chain. */
export interface ChainResult {
  /** The effect of the entry. */
  readonly applied: Applied;
  /** The change that it ended; null if it ended none. */
  readonly ended: Change | null;
}

/** A plan that has ended. */
export interface EndedPlan {
  /** Its name. */
  readonly id: LogIndex;
  /** How it ended. */
  readonly outcome: "completed" | PlanEndEntry["outcome"];
  /** Why, unless it is completed. */
  readonly reason: string | null;
}

/** The state that the log's entries about members give on every node. It is rebuilt after a restart. */
export class MembershipLog {
  #current: Membership;
  #change: Change | null = null;
  #attempt: number;
  /** The value of `#attempt` when the plan began. A node that resumes within a plan counts anew. */
  #attemptsBefore: number;
  #certificates: MembershipCertificate[] = [];
  #entries: ReshareEntry[] = [];
  #plan: PlanEntry | null;
  #endedPlan: EndedPlan | null = null;
  #lastFailure: string | null = null;

  /** Begins at a membership, after some attempts at the next one, possibly within a plan. */
  constructor(current: Membership, attempt = 0, plan: PlanEntry | null = null) {
    this.#current = current;
    this.#attempt = attempt;
    this.#attemptsBefore = attempt;
    this.#plan = plan;
  }

  /** The membership in force. */
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

  /** How many have failed since the plan began: those of an earlier plan must not end this one. */
  get attemptsFailed(): number {
    const begun = this.#attempt - this.#attemptsBefore;
    return Math.max(0, this.#change === null ? begun : begun - 1);
  }

  /** The plan under way; null between plans. */
  get plan(): PlanEntry | null {
    return this.#plan;
  }

  /** How the last plan ended; null when none has ended since the beginning. */
  get endedPlan(): EndedPlan | null {
    return this.#endedPlan;
  }

  /** Why the plan's last attempt failed; null when none has since the beginning. */
  get lastFailure(): string | null {
    return this.#lastFailure;
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
    // A deal that breaks a rule is remembered too, because its dealer may not deal again.
    if (this.#change === null) this.#entries = [];
    else if (result.applied.kind !== "refused") this.#entries.push(entry);
    return result;
  }

  #apply(entry: ReshareEntry): ChainResult {
    if (entry.kind === "plan") return { applied: this.#beginPlan(entry), ended: null };
    if (entry.kind === "planEnd") return { applied: this.#endPlan(entry), ended: null };
    return this.#applyToChange(entry);
  }

  #applyToChange(entry: ChangeEntry): ChainResult {
    if (entry.kind === "begin") return { applied: this.#begin(entry), ended: null };
    if (entry.kind === "configuration") return this.#complete(entry);
    const change = this.#change;
    if (change?.id !== entry.change) {
      return { applied: refused("it is of no change under way"), ended: null };
    }
    if (entry.kind === "abort") return this.#abort(change, entry);
    return { applied: change.apply(entry), ended: null };
  }

  #beginPlan(entry: PlanEntry): Applied {
    if (this.#plan !== null || this.#change !== null) {
      return refused("another plan or change is under way");
    }
    if (entry.sequence !== this.#current.sequence) {
      return refused(`it was made for statement ${entry.sequence}, not ${this.#current.sequence}`);
    }
    try {
      checkGoal(this.#current, entry.goal);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return refused(error.message);
    }
    this.#plan = entry;
    // The attempts go on counting: their number tells the names of two changes apart.
    this.#attemptsBefore = this.#attempt;
    this.#lastFailure = null;
    this.#noteReached();
    return { kind: "taken" };
  }

  #endPlan({ id, outcome, reason }: PlanEndEntry): Applied {
    if (this.#plan?.id !== id) return refused("it is of no plan under way");
    this.#plan = null;
    this.#endedPlan = { id, outcome, reason };
    return { kind: "taken" };
  }

  /** Ends the plan when its goal is reached. */
  #noteReached(): void {
    if (this.#plan === null || !isReached(this.#current, this.#plan)) return;
    this.#endedPlan = { id: this.#plan.id, outcome: "completed", reason: null };
    this.#plan = null;
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
   * A configuration that t of the old and t' of the new voters have signed is in force, whatever comes
   * before it in the log. So a node that uses the newest configuration of its log needs only the
   * certificates to judge it.
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
    this.#attemptsBefore = 0;
    this.#lastFailure = null;
    this.#noteReached();
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
    this.#lastFailure = reason;
    return { applied: { kind: "taken" }, ended: change };
  }
}
