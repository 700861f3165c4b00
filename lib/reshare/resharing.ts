/**
 * One node's part in changes of the members: as a dealer, as a receiver, and as the leader.
 *
 * @module
 */

import { type Membership, toGroup } from "../certificate/mod.ts";
import type { NodeId } from "../types.ts";
import type { Change } from "./change.ts";
import { Dealer } from "./dealer.ts";
import { type ReshareEntry, signWord } from "./entry.ts";
import {
  type DurableNodeShare,
  type DurableShares,
  type Input,
  Outbox,
  type Output,
  type ReshareMessage,
  type ResharingConfig,
  type SubShareMessage,
} from "./input_output.ts";
import { Leader } from "./leader.ts";
import { MembershipLog } from "./membership_log.ts";
import { Receiver, type SubShareOutcome } from "./receiver.ts";

/** After this many ticks, a message or entry that may be lost is sent again. */
export const RESEND_TICKS = 20;

/**
 * One node's part. Deterministic: the same inputs and the same randomness give the same outputs. Its
 * actions follow from the log and its durable record, so a restart is no special case: it gets the same
 * entries again, and deals or sends again only what was in memory.
 */
export class Resharing {
  readonly #config: ResharingConfig;
  readonly #log: MembershipLog;
  readonly #outbox: Outbox;
  readonly #leader: Leader;
  readonly #offered = new Map<ReshareEntry["kind"] | "sign", Offer>();
  /** At most one of each holder of a share. */
  readonly #early = new Map<NodeId, SubShareMessage>();
  #dealer: Dealer | null = null;
  #receiver: Receiver | null = null;
  #nowTick = 0;

  /** Resumes from a durable record. */
  constructor(config: ResharingConfig, durable: DurableShares) {
    this.#config = config;
    this.#log = new MembershipLog(config.membership, config.attempt, config.plan);
    this.#outbox = new Outbox(durable);
    this.#leader = new Leader(this.#log, config, this.#outbox);
  }

  /** Handles the inputs since the last step, in order, and returns the effects. */
  step(inputs: readonly Input[]): Output {
    for (const input of inputs) this.#take(input);
    this.#act();
    return this.#outbox.take();
  }

  /** The chain and the change under way, as the log has them. */
  get log(): MembershipView {
    return this.#log;
  }

  /** Erases every secret of this object, which cannot be used afterwards. */
  erase(): void {
    this.#endParts();
    const { current, next } = this.#outbox.record;
    current?.secret.fill(0);
    next?.secret.fill(0);
  }

  #take(input: Input): void {
    switch (input.kind) {
      case "tick":
        return this.#tick();
      case "committed":
        return this.#apply(input.entry);
      case "message":
        return this.#receive(input.message);
      case "connected":
        return this.#hand(input.peer);
      case "leading":
        this.#offered.clear();
        return this.#leader.lead(input.isLeader);
      case "propose":
        return this.#leader.propose(input.proposal);
      case "plan":
        return this.#leader.plan(input.goal);
      case "nodes":
        return this.#leader.drive(input.nodes);
      case "cancel":
        return this.#leader.cancel(input.reason);
      case "signed":
        return this.#leader.takeSignature(input.by, input.signature);
      default:
        return input satisfies never;
    }
  }

  #tick(): void {
    this.#nowTick++;
    this.#leader.tick();
    const change = this.#log.change;
    if (change === null || this.#nowTick % RESEND_TICKS !== 0) return;
    const { self } = this.#config;
    for (const receiver of change.receivers) {
      if (!change.holds(receiver, self)) this.#hand(receiver);
    }
    if (this.#outbox.record.next?.change === change.id) return;
    for (const to of this.#receiver?.missing ?? []) {
      // A dealer that has restarted has forgotten its polynomial, and cannot ask itself.
      if (to === self) continue;
      this.#outbox.post({ kind: "want", from: self, to, change: change.id });
    }
  }

  #apply(entry: ReshareEntry): void {
    const { endedPlan } = this.#log;
    const { applied, ended } = this.#log.apply(entry);
    const { endedPlan: plan } = this.#log;
    if (plan !== null && plan !== endedPlan) this.#outbox.report({ kind: "planEnded", plan });
    switch (applied.kind) {
      case "refused":
        return this.#outbox.report({
          kind: "entryRefused",
          entry: entry.kind,
          reason: applied.reason,
        });
      case "fault": {
        const change = this.#log.change?.id ?? "";
        const { node, rule } = applied;
        return this.#outbox.report({ kind: "faultFound", change, node, rule });
      }
      case "taken":
        this.#leader.progressed();
        return ended === null && entry.kind !== "configuration"
          ? this.#follow(entry)
          : this.#end(entry, ended?.id ?? null);
      default:
        return applied satisfies never;
    }
  }

  /** Updates this node's parts after an entry. */
  #follow(entry: ReshareEntry): void {
    if (entry.kind === "plan") this.#outbox.report({ kind: "planBegun", id: entry.id });
    const change = this.#log.change;
    if (change === null) return;
    const { self } = this.#config;
    switch (entry.kind) {
      case "begin":
        this.#offered.clear();
        if (!change.isAmendment && change.receivers.includes(self)) {
          this.#receiver = new Receiver(change, self);
        }
        this.#takeEarly();
        return this.#outbox.report({ kind: "begun", change: change.id, epoch: entry.epoch });
      case "deal":
        if (entry.author === self) change.receivers.forEach((receiver) => this.#hand(receiver));
        return this.#note(change, this.#receiver?.takeEarly(entry.author) ?? null);
      case "held":
        return entry.complaints.forEach((complaint) =>
          this.#outbox.report({
            kind: "complaintReported",
            change: change.id,
            by: entry.author,
            complaint,
          })
        );
      case "ready":
        return this.#dealer?.forget(entry.author);
      case "select":
      case "proof":
      case "configuration":
      case "abort":
      case "plan":
      case "planEnd":
        return;
      default:
        return entry satisfies never;
    }
  }

  /** `id` is the change that the log ended, if any. What the entry calls it is only the leader's word. */
  #end(entry: ReshareEntry, id: string | null): void {
    if (entry.kind !== "abort" && entry.kind !== "configuration") return;
    this.#endParts();
    const change = id ?? entry.change;
    const { record } = this.#outbox;
    if (entry.kind === "abort") {
      if (record.next?.change === id) this.#outbox.change({ ...record, next: null });
      return this.#outbox.report({ kind: "aborted", change, reason: entry.reason });
    }
    this.#adopt(id);
    const { epoch } = this.#log.current;
    this.#outbox.report({ kind: "completed", change, epoch });
  }

  /**
   * Begins to use the configuration that the log has now, and erases the share of the old one. Where the log ended
   * no change, the share of its epoch is taken: one that does not fit its group signs nothing.
   */
  #adopt(id: string | null): void {
    const membership = this.#log.current;
    const group = toGroup(membership);
    const { current, next } = this.#outbox.record;
    if ((current?.epoch ?? 0) <= membership.epoch) {
      const own = group.voters.find(({ id }) => id === this.#config.self);
      const isNew = id === null ? next?.epoch === membership.epoch : next?.change === id;
      const share = isNew ? next : current;
      const kept = own !== undefined && share?.epoch === membership.epoch ? share : null;
      const rest = next === share ? null : next;
      if (kept !== current || rest !== next) this.#outbox.change({ current: kept, next: rest });
    }
    const held = this.#outbox.record.current;
    const secret = held?.epoch === membership.epoch ? held.secret.slice() : null;
    this.#outbox.adopt({ membership, group, secret });
  }

  #receive(message: ReshareMessage): void {
    const { from, to } = message;
    const change = this.#log.change;
    if (change === null) return this.#keepEarly(message);
    // The change has ended, or this node's log has not reached it yet. Then the sender repeats the message.
    if (message.change !== change.id) return;
    if (to !== this.#config.self || !(message.kind === "want" || isHolder(change.before, from))) {
      const reason = `${from} to ${to} deals nothing to this node`;
      return this.#outbox.report({ kind: "messageRefused", from, reason });
    }
    if (message.kind === "want") return this.#hand(from);
    this.#note(change, this.#receiver?.take(from, message.secret) ?? null);
  }

  /** A dealer's log can be ahead of this node's. Its message then waits: the last one of each dealer. */
  #keepEarly(message: ReshareMessage): void {
    const { from } = message;
    if (message.kind === "want" || !isHolder(this.#log.current, from)) return;
    this.#early.get(from)?.secret.fill(0);
    this.#early.set(from, { ...message, secret: message.secret.slice() });
  }

  #takeEarly(): void {
    const early = [...this.#early.values()];
    this.#early.clear();
    for (const message of early) {
      this.#receive(message);
      message.secret.fill(0);
    }
  }

  /** Reports a wrong sub-share. */
  #note(change: Change, outcome: SubShareOutcome | null): void {
    if (outcome === null || typeof outcome === "string") return;
    this.#outbox.report({ kind: "dealRefused", change: change.id, complaint: outcome });
  }

  /** Sends a receiver its sub-share, if it still needs it. */
  #hand(receiver: NodeId): void {
    const message = this.#dealer?.messageFor(receiver) ?? null;
    if (message === null) return;
    if (receiver !== this.#config.self) return this.#outbox.post(message);
    this.#receiver?.take(receiver, message.secret);
    message.secret.fill(0);
  }

  /** Acts, after all inputs of this step were handled. */
  #act(): void {
    const planned = this.#leader.planEntry;
    if (planned !== null) this.#offer(planned.kind, () => this.#outbox.propose(planned));
    const change = this.#log.change;
    if (change === null) return;
    this.#deal(change);
    this.#hold(change);
    const entry = this.#leader.entry;
    if (entry !== null) this.#offer(entry.kind, () => this.#outbox.propose(entry));
    const due = this.#leader.unsigned;
    if (due !== null) this.#offer("sign", () => this.#outbox.sign(due), due.text);
  }

  #deal(change: Change): void {
    const { self } = this.#config;
    if (change.hasDealOf(self)) {
      // The deal in the log is from before a restart, and its sub-shares are lost.
      if (this.#dealer?.isInLog === false) this.#endDealing();
      return;
    }
    if (change.stage !== "dealing" || change.isAmendment) return;
    const share = this.#shareOf(change);
    if (share === null) return;
    const dealer = this.#dealer ?? new Dealer(change, share, this.#config);
    this.#dealer = dealer;
    this.#offer("deal", () => this.#outbox.propose(dealer.entry));
  }

  /** This node's share of the epoch that deals; null when it has none. */
  #shareOf({ before }: Change): DurableNodeShare | null {
    const { current } = this.#outbox.record;
    const isDealer = isHolder(before, this.#config.self);
    return isDealer && current?.epoch === before.epoch ? current : null;
  }

  #hold(change: Change): void {
    const { self, sign } = this.#config;
    const word = this.#receiver?.word ?? null;
    if (word !== null) {
      const key = `${word.dealers.length} ${word.complaints.length}`;
      this.#offer("held", () => this.#outbox.propose(signWord(word, sign)), key);
    }
    this.#combine(change);
    const isMade = this.#outbox.record.next?.change === change.id;
    if (!isMade || change.stage !== "combining" || change.isReady(self)) return;
    const ready = { kind: "ready", change: change.id, author: self } as const;
    this.#offer("ready", () => this.#outbox.propose(signWord(ready, sign)));
  }

  #combine(change: Change): void {
    const { record } = this.#outbox;
    if (record.next?.change === change.id) return;
    const secret = this.#receiver?.combine() ?? null;
    if (secret === null) return;
    const next = { epoch: change.begin.epoch, change: change.id, secret };
    this.#outbox.change({ ...record, next });
    this.#outbox.report({ kind: "shareMade", change: change.id });
  }

  /** Offers something once, and again when it may be lost or has changed. */
  #offer(kind: ReshareEntry["kind"] | "sign", offer: () => void, key = ""): void {
    const last = this.#offered.get(kind);
    if (last?.key === key && this.#nowTick - last.tick < RESEND_TICKS) return;
    this.#offered.set(kind, { key, tick: this.#nowTick });
    offer();
  }

  #endDealing(): void {
    this.#dealer?.erase();
    this.#dealer = null;
  }

  #endParts(): void {
    this.#endDealing();
    for (const { secret } of this.#early.values()) secret.fill(0);
    this.#early.clear();
    this.#receiver?.erase();
    this.#receiver = null;
    this.#offered.clear();
  }
}

/** The state of the members in the log. */
export type MembershipView = Pick<
  MembershipLog,
  | "current"
  | "change"
  | "attempt"
  | "attemptsFailed"
  | "plan"
  | "endedPlan"
  | "lastFailure"
  | "certificates"
  | "entries"
>;

function isHolder(membership: Membership, node: NodeId): boolean {
  return membership.members.some(({ id, verifyingShare }) =>
    id === node && verifyingShare !== null
  );
}

/** The last offer, and its time. */
interface Offer {
  readonly key: string;
  readonly tick: number;
}
