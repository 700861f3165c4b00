/**
 * One node's key generation, from the first attempt to the genesis certificate.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import {
  CertificateError,
  encodeGenesisStatement,
  type Genesis,
  verifyGenesis,
} from "../certificate/mod.ts";
import { catching } from "../errors.ts";
import type { NodeId } from "../types.ts";
import { Agreement, checkRecord } from "./agreement.ts";
import { Attempt, ATTEMPT_MAX, AttemptClock, type AttemptResult, type Stage } from "./attempt.ts";
import {
  type KeyGenerationConfig,
  KeyGenerationFault,
  type Plan,
  toPlan,
} from "./configuration.ts";
import { type DurableKeyGeneration, type Input, Outbox, type Output } from "./input_output.ts";
import type { AbortBody, AttemptBody, Envelope, Message } from "./message.ts";
import { type KeyGenerationStatus, type StatusParts, toStatus } from "./status.ts";

/** After this many ticks a node sends again what a peer has not confirmed. */
const RESEND_TICKS = 5;

/**
 * One node's key generation. Deterministic: the same inputs and the same randomness give the same
 * outputs. All its promises follow from its durable record, so a restart is not a special case.
 */
export class KeyGeneration {
  readonly #plan: Plan;
  readonly #clock: AttemptClock;
  readonly #peers: PeerBook;
  readonly #outbox: Outbox;
  #attempt: Attempt | null = null;
  #agreement: Agreement | null = null;
  #shareLost = false;
  #isStarted = false;

  /**
   * Resumes from a durable record; a new node from `newDurableKeyGeneration`.
   *
   * @throws {CertificateError} `bad-roster` when the roster can found no cluster.
   * @throws {InputError} when `self` is not in it, or the record is of another configuration or
   * damaged.
   */
  constructor(config: KeyGenerationConfig, durable: DurableKeyGeneration) {
    this.#plan = toPlan(config);
    checkRecord(this.#plan, durable);
    this.#peers = new PeerBook(this.#plan);
    this.#outbox = new Outbox(this.#plan, durable);
    this.#clock = new AttemptClock(durable.attempt, config.self);
    const { share } = this.#record;
    if (share !== null) this.#agreement = new Agreement(this.#plan, share);
  }

  /** Handles the inputs since the last step, in order, and returns the effects. */
  step(inputs: readonly Input[]): Output {
    if (!this.#isStarted) this.#start();
    for (const input of inputs) this.#take(input);
    this.#enterIfDue();
    return this.#outbox.take();
  }

  /** How far this node has come, and which peers it waits for. */
  get status(): KeyGenerationStatus {
    return toStatus({
      outcome: this.#outcome,
      attemptNumber: this.#record.attempt,
      peers: this.#plan.peers,
      configurations: this.#peers.configurations,
      attempt: this.#attempt,
      agreement: this.#agreement,
    });
  }

  /** Erases every secret of this object, which cannot be used afterwards. */
  erase(): void {
    this.#endAttempt();
    this.#record.share?.secret.fill(0);
  }

  get #record(): DurableKeyGeneration {
    return this.#outbox.record;
  }

  get #outcome(): StatusParts["outcome"] {
    if (this.#shareLost) return "shareLost";
    if (this.#record.genesis !== null) return "finished";
    if (this.#record.share?.signed) return "signed";
    return this.#attempt === null && this.#clock.wanted > ATTEMPT_MAX ? "exhausted" : "running";
  }

  /** A node that has signed, or is done, continues. Any other begins a new attempt. */
  #start(): void {
    this.#isStarted = true;
    const { genesis, share } = this.#record;
    if (genesis !== null) this.#handOver(verifyGenesis(genesis, this.#plan.roster));
    else if (share?.signed) this.#sign();
  }

  #take(input: Input): void {
    switch (input.kind) {
      case "tick":
        return this.#tick();
      case "connected":
        return this.#resend(input.peer);
      case "message":
        return this.#receive(input.message);
      default:
        return input satisfies never;
    }
  }

  #tick(): void {
    this.#clock.tick();
    this.#enterIfDue();
    if (this.#clock.nowTick % RESEND_TICKS !== 0) return;
    for (const peer of this.#plan.peers) this.#resend(peer);
  }

  #receive(message: Message): void {
    const { from, configuration } = message;
    const refusal = this.#peers.explainRefusal(message);
    if (refusal !== null) return this.#refuse(from, refusal);
    const { isEqual, isNew } = this.#peers.compare(message);
    if (!isEqual) {
      const event = { kind: "configurationDiffers", peer: from, configuration } as const;
      return isNew ? this.#outbox.report(event) : undefined;
    }
    switch (message.kind) {
      case "genesis":
        return this.#takeGenesis(from, message.note);
      case "signed":
        return this.#takeSigned(message);
      case "abort":
        return this.#follow(message, () => this.#takeAbort(from, message));
      default:
        return this.#follow(message, () => this.#takeBody(from, message));
    }
  }

  /** Handles a message of an attempt, once this node is in it too: the highest attempt wins. */
  #follow({ from, attempt }: Message, handle: () => void): void {
    const outcome = this.#outcome;
    if (outcome === "finished") return this.#answer(from);
    if (outcome !== "running") return;
    const { attempt: current } = this.#record;
    if (attempt > current) {
      this.#clock.want(attempt, { current, raisedBy: from });
      this.#enterIfDue();
    }
    if (attempt === this.#attempt?.number) handle();
  }

  #takeBody(from: NodeId, body: AttemptBody): void {
    const attempt = assertDefined(this.#attempt, "A message of no attempt");
    catching(KeyGenerationFault, () => {
      attempt.receive(from, body);
      this.#advance(attempt);
    }, (error) => {
      this.#abort(error);
    });
  }

  #advance(attempt: Attempt): void {
    for (let step = attempt.advance(); step !== null; step = attempt.advance()) {
      const { entered, result } = step;
      if (result !== null) this.#keepShare(attempt.number, result);
      for (const peer of this.#plan.peers) this.#sendFrom(attempt, peer, entered);
    }
    // Every voter's share is durable: each can sign from now on.
    if (attempt.isUnanimous) this.#sign();
  }

  #keepShare(attempt: number, { statement, secret }: AttemptResult): void {
    const before = this.#record.share;
    assert(before === null || !before.signed, "A signed share is never replaced");
    // No other voter has signed for the old share: after it signs, a voter enters no later attempt, and
    // every voter has entered this one.
    before?.secret.fill(0);
    const share = { attempt, statement, secret, signed: false };
    this.#outbox.change({ share });
    this.#agreement = new Agreement(this.#plan, share);
    this.#outbox.report({ kind: "shareMade", attempt });
  }

  /**
   * Signs the one statement that this node ever signs. It does so when every voter's share is durable: it
   * knows that from all `ready` messages, or from another voter's signature.
   */
  #sign(): void {
    const agreement = assertDefined(this.#agreement, "Nothing to sign");
    const share = assertDefined(this.#record.share, "A signature without a share");
    assert(share.attempt === agreement.attempt, "The share is of another statement");
    this.#endAttempt();
    if (!share.signed) {
      this.#outbox.change({ share: { ...share, signed: true } });
      this.#outbox.report({ kind: "signed", attempt: share.attempt });
    }
    this.#outbox.broadcast(agreement.attempt, { kind: "signed", signature: agreement.sign() });
    this.#finishIfAgreed();
  }

  #takeSigned(message: Message & { readonly kind: "signed" }): void {
    const { from, attempt, signature } = message;
    if (this.#outcome === "finished") return this.#answer(from);
    const agreement = this.#agreement;
    if (this.#shareLost) return;
    if (agreement?.attempt !== attempt) {
      return this.#outbox.report({ kind: "shareMissing", attempt, by: from });
    }
    if (!agreement.take(from, signature)) {
      const reason = `${from}'s signature is not over the statement of attempt ${attempt}`;
      const rule = "bad-signature";
      return this.#outbox.report({ kind: "faultFound", attempt, voter: from, rule, reason });
    }
    if (!this.#record.share?.signed) this.#sign();
    else this.#finishIfAgreed();
  }

  #finishIfAgreed(): void {
    const genesis = this.#agreement?.toGenesis() ?? null;
    if (genesis !== null) this.#finish(genesis);
  }

  #takeGenesis(from: NodeId, note: string): void {
    if (this.#outcome === "finished" || this.#shareLost) return;
    let genesis: Genesis;
    try {
      genesis = verifyGenesis(note, this.#plan.roster);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      return this.#refuse(from, error.message);
    }
    if (this.#agreement?.text === encodeGenesisStatement(genesis)) return this.#finish(genesis);
    this.#endAttempt();
    this.#shareLost = true;
    this.#outbox.report({ kind: "shareLost", genesis });
  }

  #finish(genesis: Genesis): void {
    const share = assertDefined(this.#record.share, "A key without a share");
    this.#endAttempt();
    this.#outbox.change({ share: { ...share, signed: true }, genesis: genesis.note });
    this.#handOver(genesis);
    this.#outbox.report({ kind: "finished", genesis });
  }

  #handOver(genesis: Genesis): void {
    const { secret } = assertDefined(this.#record.share, "A key without a share");
    this.#outbox.finish({ genesis, secret: secret.slice() });
  }

  /** Gives the attempt up, and sends every peer the reason. */
  #abort({ voter, rule, message: reason }: KeyGenerationFault): void {
    const attempt = assertDefined(this.#attempt, "No attempt to abort").number;
    this.#outbox.report({ kind: "faultFound", attempt, voter, rule, reason });
    this.#outbox.broadcast(attempt, { kind: "abort", voter, rule });
    this.#giveUp(attempt, this.#plan.self);
  }

  #takeAbort(by: NodeId, { voter, rule }: AbortBody): void {
    const attempt = assertDefined(this.#attempt, "No attempt to abort").number;
    this.#outbox.report({ kind: "faultReported", attempt, by, voter, rule });
    this.#giveUp(attempt, by);
  }

  #giveUp(attempt: number, raisedBy: NodeId): void {
    this.#endAttempt();
    this.#clock.want(attempt + 1, { current: attempt, raisedBy });
    if (this.#clock.wanted > ATTEMPT_MAX) {
      this.#outbox.report({ kind: "attemptsExhausted", attempt });
    }
  }

  #enterIfDue(): void {
    if (this.#outcome !== "running") return;
    const due = this.#clock.due(this.#record.attempt);
    if (due === null) return;
    this.#endAttempt();
    this.#clock.entered();
    this.#outbox.change({ attempt: due.attempt });
    this.#attempt = new Attempt(this.#plan, due.attempt);
    this.#outbox.report({ kind: "attemptStarted", ...due });
    for (const peer of this.#plan.peers) this.#resend(peer);
  }

  /** Sends a peer every message that it has not confirmed. */
  #resend(peer: NodeId): void {
    const outcome = this.#outcome;
    const agreement = this.#agreement;
    if (outcome === "signed" && agreement !== null) {
      this.#outbox.post(peer, agreement.attempt, { kind: "signed", signature: agreement.sign() });
    }
    const attempt = this.#attempt;
    if (attempt !== null) this.#sendFrom(attempt, peer, attempt.neededBy(peer));
  }

  #sendFrom(attempt: Attempt, peer: NodeId, stage: Stage): void {
    for (const body of attempt.messagesFor(peer, stage)) {
      this.#outbox.post(peer, attempt.number, body);
    }
  }

  #endAttempt(): void {
    this.#attempt?.erase();
    this.#attempt = null;
  }

  /** A peer that still asks gets the certificate. */
  #answer(peer: NodeId): void {
    if (!this.#peers.mayAnswer(peer, this.#clock.nowTick)) return;
    const { attempt, genesis } = this.#record;
    const note = assertDefined(genesis, "Finished without a certificate");
    this.#outbox.post(peer, attempt, { kind: "genesis", note });
  }

  #refuse(from: NodeId, reason: string): void {
    this.#outbox.report({ kind: "messageRefused", from, reason });
  }
}

/** Whether peers have this node's configuration, and when they were last answered. */
class PeerBook {
  readonly #plan: Plan;
  readonly #configurations = new Map<NodeId, "equal" | "different">();
  readonly #answeredTick = new Map<NodeId, number>();

  /** Knows nothing yet. */
  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** The peers whose configuration is known. */
  get configurations(): ReadonlyMap<NodeId, "equal" | "different"> {
    return this.#configurations;
  }

  /** Why a message has no valid sender, receiver or attempt; null when all are valid. */
  explainRefusal({ from, to, attempt }: Envelope): string | null {
    const { self, peers } = this.#plan;
    if (to !== self || !peers.includes(from)) return `${from} to ${to} is not a peer to this node`;
    if (Number.isInteger(attempt) && attempt >= 1 && attempt <= ATTEMPT_MAX) return null;
    return `attempt ${attempt} is not from 1 to ${ATTEMPT_MAX}`;
  }

  /** Compares a peer's configuration, and says whether the result is new. */
  compare(
    { from, configuration }: Envelope,
  ): { readonly isEqual: boolean; readonly isNew: boolean } {
    const found = configuration === this.#plan.configuration ? "equal" : "different";
    const isNew = this.#configurations.get(from) !== found;
    this.#configurations.set(from, found);
    return { isEqual: found === "equal", isNew };
  }

  /** Whether the peer may be answered in this tick: once is enough. */
  mayAnswer(peer: NodeId, nowTick: number): boolean {
    if (this.#answeredTick.get(peer) === nowTick) return false;
    this.#answeredTick.set(peer, nowTick);
    return true;
  }
}
