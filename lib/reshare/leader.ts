/**
 * The leader's part in one change: it begins the change, selects the dealers, has the statement signed, and
 * aborts the change if it takes too long. It writes every decision into the log, so the next leader
 * continues from there.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { encodeMembershipNote } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import { verifySignature } from "../frost/mod.ts";
import { marginsOf } from "../margins.ts";
import { type Epoch, type LogIndex, type NodeId, toEpoch, toLogIndex } from "../types.ts";
import { Change, type DueStatement } from "./change.ts";
import {
  type BeginEntry,
  type MembersGoal,
  type PlanEndEntry,
  type PlanEntry,
  REASON_LENGTH_MAX,
  type ReshareEntry,
} from "./entry.ts";
import { checkGoal, nextStep, type NodesView } from "./goal.ts";
import type { Outbox, Proposal, ResharingConfig } from "./input_output.ts";
import type { MembershipLog } from "./membership_log.ts";

/** How many ticks without a new entry of a change the leader waits before it aborts it. */
export const PROGRESS_TICKS_MAX = 300;

/** How many attempts at one step of a plan may fail before the leader gives the plan up. */
const PLAN_ATTEMPTS_MAX = 8;
/** How many ticks the leader waits before another attempt, so that it notices which nodes are down. */
const RETRY_TICKS = 50;
/** How many ticks a plan may wait for nodes before the leader gives it up: five minutes. */
const PLAN_WAIT_TICKS_MAX = 30_000;

/** Bytes of a change's seed. */
const SEED_BYTES = 32;

/** The step of a plan that was begun last, and the ticks since. */
interface Begun {
  readonly sequence: number;
  readonly attempt: number;
  ticks: number;
}

/** What a node does while it leads. */
export class Leader {
  readonly #log: MembershipLog;
  readonly #config: ResharingConfig;
  readonly #outbox: Outbox;
  #isLeader = false;
  #idleTicks = 0;
  #note: { readonly due: DueStatement; readonly note: string } | null = null;
  /** A plan that the log does not have yet. */
  #wanted: PlanEntry | null = null;
  /** The end of a plan that the log does not have yet. */
  #ending: PlanEndEntry | null = null;
  /** The step of the plan that was begun last. */
  #begun: Begun | null = null;
  /** How long the plan has waited for nodes. */
  #waitTicks = 0;

  /** Begins as a follower. */
  constructor(log: MembershipLog, config: ResharingConfig, outbox: Outbox) {
    this.#log = log;
    this.#config = config;
    this.#outbox = outbox;
  }

  /** The node begins or ends its leadership. A new leader gives a change its full time again. */
  lead(isLeader: boolean): void {
    this.#isLeader = isLeader;
    this.#idleTicks = 0;
    this.#note = null;
    this.#wanted = null;
    this.#ending = null;
    this.#begun = null;
    this.#waitTicks = 0;
  }

  /** The log has a new entry of the change. */
  progressed(): void {
    this.#idleTicks = 0;
    this.#waitTicks = 0;
  }

  /** Begins a change, if it may be made. */
  propose(proposal: Proposal): void {
    catching(InputError, () => this.#outbox.propose(this.#toBegin(proposal)), (error) => {
      this.#outbox.report({ kind: "proposalRefused", reason: error.message });
    });
  }

  /** Begins a plan, if it may be made. */
  plan(goal: MembersGoal): void {
    const { current, change, plan } = this.#log;
    catching(InputError, () => {
      if (!this.#isLeader) throw new InputError("Cannot begin plan: this node does not lead");
      if (change !== null || plan !== null || this.#wanted !== null) {
        throw new InputError("Cannot begin plan: another change is under way");
      }
      checkGoal(current, goal);
      const { sequence, epoch } = current;
      // Its id is the index of its entry, which is not known yet.
      this.#wanted = { kind: "plan", id: toLogIndex(0), sequence, epoch, goal };
    }, ({ message: reason }) => this.#outbox.report({ kind: "planRefused", goal, reason }));
  }

  /** Continues the plan, as far as these nodes allow. */
  drive(nodes: NodesView): void {
    const { plan, change, current, attempt, attemptsFailed } = this.#log;
    if (!this.#isLeader || plan === null || change !== null || this.#ending !== null) return;
    if (this.#begun !== null && !this.#mayBeginAnew(this.#begun)) return;
    if (attemptsFailed >= PLAN_ATTEMPTS_MAX) {
      return this.#giveUp(
        plan,
        `${attemptsFailed} attempts failed; the last: ${this.#log.lastFailure}`,
      );
    }
    const next = nextStep(current, plan, nodes);
    if (next.kind === "impossible") return this.#giveUp(plan, next.why);
    if (next.kind === "wait") {
      if (this.#waitTicks < PLAN_WAIT_TICKS_MAX) return;
      return this.#giveUp(plan, `it waited too long: ${next.why}`);
    }
    this.#begun = { sequence: current.sequence, attempt, ticks: 0 };
    catching(
      InputError,
      () => this.#outbox.propose(this.#toBegin(next.proposal)),
      ({ message }) => this.#giveUp(plan, message),
    );
  }

  /** The leader's next entry about plans; null for none. */
  get planEntry(): PlanEntry | PlanEndEntry | null {
    const { plan, change, current } = this.#log;
    if (plan !== null || change !== null || this.#wanted?.sequence !== current.sequence) {
      this.#wanted = null;
    }
    if (plan?.id !== this.#ending?.id) this.#ending = null;
    return this.#isLeader ? this.#ending ?? this.#wanted : null;
  }

  /** Whether a step may be begun: not while the last begun one may still enter the log, or is too recent. */
  #mayBeginAnew({ sequence, attempt, ticks }: Begun): boolean {
    const { current, attempt: now } = this.#log;
    if (current.sequence !== sequence) return true;
    return attempt === now ? ticks >= PROGRESS_TICKS_MAX : ticks >= RETRY_TICKS;
  }

  #giveUp({ id }: PlanEntry, why: string): void {
    this.#endPlan(id, "failed", why);
  }

  #endPlan(id: LogIndex, outcome: PlanEndEntry["outcome"], why: string): void {
    this.#ending = { kind: "planEnd", id, outcome, reason: why.slice(0, REASON_LENGTH_MAX) };
  }

  /** Gives up the change, if it can still be aborted, and the plan. */
  cancel(reason: string): void {
    const { change, plan } = this.#log;
    if (!this.#isLeader || plan === null) return this.#cancelChange(reason);
    this.#endPlan(plan.id, "cancelled", reason);
    if (change !== null && change.stage !== "authorizing") this.#abort(change, reason);
  }

  #cancelChange(reason: string): void {
    const change = this.#log.change;
    const why = !this.#isLeader
      ? "this node does not lead"
      : change === null
      ? "no change is under way"
      : change.stage === "authorizing"
      ? "the change is proven, and will be completed"
      : null;
    if (change === null || why !== null) {
      return this.#outbox.report({ kind: "proposalRefused", reason: `Cannot cancel: ${why}` });
    }
    this.#abort(change, reason);
  }

  /** Counts a tick. A change without progress is aborted. */
  tick(): void {
    const change = this.#log.change;
    if (this.#begun !== null) this.#begun.ticks++;
    if (change === null) this.#waitTicks++;
    if (!this.#isLeader || change === null || change.stage === "authorizing") return;
    if (++this.#idleTicks < PROGRESS_TICKS_MAX) return;
    this.#idleTicks = 0;
    this.#abort(change, explainDelay(change));
  }

  /** Takes the signature that a signing session made. */
  takeSignature(by: Epoch, signature: Uint8Array): void {
    const due = this.#log.change?.due ?? null;
    if (!this.#isLeader || due === null || due.by !== by) return;
    const { statement, text } = due;
    if (!verifySignature(statement.publicKey, encodeUtf8(text), signature)) return;
    this.#note = { due, note: encodeMembershipNote(statement, { by, signature }) };
  }

  /** The leader's next entry of the change; null for none. */
  get entry(): ReshareEntry | null {
    const change = this.#log.change;
    if (!this.#isLeader || change === null) return null;
    if (change.stage === "dealing") return toSelection(change);
    const note = this.#note;
    if (note === null || note.due.text !== change.due?.text) return null;
    return change.stage === "proving"
      ? { kind: "proof", change: change.id, note: note.note }
      : { kind: "configuration", change: change.id, byOld: note.note, byNew: change.proof };
  }

  /** The text that is not signed yet; null for none. */
  get unsigned(): DueStatement | null {
    const due = this.#log.change?.due ?? null;
    return !this.#isLeader || due?.text === this.#note?.due.text ? null : due;
  }

  #abort({ id }: Change, reason: string): void {
    const short = reason.slice(0, REASON_LENGTH_MAX);
    this.#outbox.propose({ kind: "abort", change: id, reason: short });
  }

  /** @throws {InputError} unless it could be begun now. */
  #toBegin({ isResharing, threshold, members, absent }: Proposal): BeginEntry {
    const { current, change, attempt } = this.#log;
    if (!this.#isLeader) throw new InputError("Cannot begin change: this node does not lead");
    if (change !== null) throw new InputError("Cannot begin change: another one is under way");
    const begin: BeginEntry = {
      kind: "begin",
      cluster: current.cluster,
      sequence: current.sequence + 1,
      epoch: isResharing ? toEpoch(current.epoch + 1) : current.epoch,
      attempt: attempt + 1,
      seed: this.#config.randomBytes(SEED_BYTES),
      previous: current.hash,
      threshold,
      members,
      absent,
    };
    new Change(current, begin);
    return begin;
  }
}

/** Exactly t dealers. More would only add work, because at most t - 1 lie. */
function toSelection(change: Change): ReshareEntry | null {
  const { threshold } = change.before;
  const dealers = change.commonDealers.slice(0, threshold);
  return dealers.length < threshold ? null : { kind: "select", change: change.id, dealers };
}

/**
 * The nodes that must be lying, if no more lie than the old configuration withstands: a receiver that
 * complains about more dealers than can lie, and a dealer about which more receivers complain than can lie.
 */
export function findLiars(change: Change): readonly NodeId[] {
  const { members, threshold } = change.before;
  const n = members.filter(({ role }) => role === "voter").length;
  const { lying } = marginsOf({ n, threshold });
  const pairs = [...change.complaints].flatMap(([receiver, complaints]) =>
    complaints.map(({ dealer }) => [receiver, dealer] as const)
  );
  return [...new Set(pairs.flat())].filter((id) =>
    pairs.filter(([receiver]) => receiver === id).length > lying ||
    pairs.filter(([, dealer]) => dealer === id).length > lying
  );
}

/** Why a change makes no progress, with the nodes that the log shows. */
function explainDelay(change: Change): string {
  const liars = findLiars(change);
  const disputes = [...change.complaints].flatMap(([receiver, complaints]) =>
    complaints.map(({ dealer }) => `${receiver} refuses ${dealer}'s deal`)
  );
  const parts = [
    ...change.waitingFor.map((id) => `waiting for ${id}`),
    ...disputes,
    ...liars.map((id) => `${id} must be lying, or more voters lie than the threshold withstands`),
  ];
  return `nothing new for ${PROGRESS_TICKS_MAX} ticks while ${change.stage}: ` +
    (parts.length === 0 ? "no signature came" : parts.join(", "));
}
