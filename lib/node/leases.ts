/**
 * Leases at one node. Clients can ask any node: a follower passes their questions on to the leader. The leader
 * counts the time, ends the leases that have run out, and answers.
 *
 * @module
 */

import {
  encodeCommand,
  EXPIRED_LEASES_MAX,
  type LeaseMessage,
  type LeaseReply,
  Lessor,
  type Store,
} from "../kv/mod.ts";
import type { RoleReport } from "../raft/mod.ts";
import type { NodeId, Term } from "../types.ts";
import { type LeaseAnswer, RequestError } from "./api.ts";
import { TICK_MS } from "./inbox.ts";
import type { Requests } from "./requests.ts";

/** How long a proposal to end leases can take; the next one waits for it. */
const EXPIRY_TIMEOUT_MS = 5_000;
/** How long the leader tries to confirm that it leads, before it answers a follower that it cannot. */
const CONFIRM_TIMEOUT_MS = 2_000;
/** After this time a question is repeated: the question or its answer may have been lost. */
const REPEAT_MS = 500;
/** Most questions that wait at one node. */
const QUESTIONS_MAX = 100_000;

/** The parts of the node that its leases use. */
interface LeasesParts {
  /** This node. */
  readonly self: NodeId;
  /** Distinguishes this process of the node from earlier ones. */
  readonly incarnation: number;
  /** The state machine as it is now. */
  readonly store: () => Store;
  /** Confirms that this node leads, and proposes. */
  readonly requests: Pick<Requests, "confirmRead" | "write">;
  /** Sends a message, if its receiver is connected. */
  readonly send: (message: LeaseMessage) => boolean;
  /** The node's clock. */
  readonly nowMs: () => number;
}

interface Question {
  readonly id: number;
  readonly isKeptAlive: boolean;
  readonly deadlineMs: number;
  readonly resolve: (answer: LeaseAnswer) => void;
  readonly reject: (error: RequestError) => void;
  /** When it was sent to a leader; null while it waits for one. */
  askedMs: number | null;
}

/** See the module. */
export class Leases {
  readonly #parts: LeasesParts;
  readonly #questions = new Map<number, Question>();
  #lessor: { readonly lessor: Lessor; readonly term: Term } | null = null;
  #leader: NodeId | null = null;
  #isEnding = false;
  #lastId = 0;

  /** Nobody leads yet. */
  constructor(parts: LeasesParts) {
    this.#parts = parts;
  }

  /**
   * How long a lease still lives, as the leader counts; on request, keeps it alive first.
   *
   * @throws {RequestError} when the leader does not answer before `deadlineMs`, on the node's clock.
   */
  ask(
    { id, isKeptAlive }: { readonly id: number; readonly isKeptAlive: boolean },
    deadlineMs: number,
  ): Promise<LeaseAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#questions.size >= QUESTIONS_MAX) {
        const message = "This node has too many requests for leases; try again";
        return reject(new RequestError("overloaded", message, { maybeApplied: false }));
      }
      const question = { id, isKeptAlive, deadlineMs, resolve, reject, askedMs: null };
      this.#questions.set(++this.#lastId, question);
      this.#hand(this.#lastId, question);
    });
  }

  /** Role, term or leader changed. A new leader gives every lease its full time to live again. */
  roleChanged({ role, term, leader }: RoleReport): void {
    this.#leader = leader;
    if (role !== "leader") this.#lessor = null;
    else if (this.#lessor?.term !== term) {
      const leases = this.#parts.store().keys.leases.each();
      const lessor = new Lessor({ leases, ticksPerSecond: 1000 / TICK_MS });
      this.#lessor = { lessor, term };
    }
    for (const [requestId, question] of this.#questions) this.#hand(requestId, question);
  }

  /** Entries were applied to the store. */
  applied(): void {
    const store = this.#parts.store();
    for (const id of store.takeTouchedLeases()) {
      this.#lessor?.lessor.changed(id, store.keys.leases.get(id));
    }
  }

  /** Counts a tick, and ends the leases that have run out if this node leads. */
  tick(): void {
    if (this.#lessor === null) return;
    const { lessor, term } = this.#lessor;
    lessor.tick();
    if (this.#isEnding) return;
    // The ids are those of the leases that the store has now.
    this.applied();
    const ids = lessor.due(EXPIRED_LEASES_MAX);
    if (ids.length > 0) void this.#end(ids, term);
  }

  /** Takes a peer's question or answer. */
  received(message: LeaseMessage): void {
    if (message.kind === "leaseRequest") void this.#answer(message);
    else if (message.incarnation === this.#parts.incarnation && message.from === this.#leader) {
      this.#take(message.requestId, message.reply);
    }
  }

  /** Ends the questions whose deadline has passed, and repeats those that seem lost. */
  expire(nowMs: number): void {
    for (const [requestId, question] of this.#questions) {
      if (question.deadlineMs <= nowMs) this.#fail(requestId, question);
      else if (question.askedMs === null || nowMs - question.askedMs >= REPEAT_MS) {
        this.#hand(requestId, question);
      }
    }
  }

  /** Ends every question: the node stops. */
  stop(): void {
    for (const { reject } of this.#questions.values()) {
      reject(new RequestError("stopping", "The node is stopping", { maybeApplied: false }));
    }
    this.#questions.clear();
  }

  #hand(requestId: number, question: Question): void {
    const { self, send, incarnation, nowMs } = this.#parts;
    const { id, isKeptAlive, deadlineMs } = question;
    question.askedMs = null;
    if (this.#leader === null) return;
    if (this.#leader === self) {
      question.askedMs = nowMs();
      void this.#replyTo({ id, isKeptAlive }, deadlineMs)
        .then((reply) => this.#take(requestId, reply));
      return;
    }
    const body = { from: self, to: this.#leader, incarnation, requestId, id, isKeptAlive };
    if (send({ kind: "leaseRequest", ...body })) question.askedMs = nowMs();
  }

  /** An answer to an earlier attempt at the same question serves as well. */
  #take(requestId: number, reply: LeaseReply): void {
    const question = this.#questions.get(requestId);
    if (question === undefined) return;
    if (reply.kind === "notLeader") {
      question.askedMs = null;
      return;
    }
    this.#questions.delete(requestId);
    if (reply.kind === "leaseNotFound") return question.resolve(reply);
    const { ttlSeconds, ending, secondsLeft } = reply;
    question.resolve({
      kind: "lease",
      lease: { id: question.id, ttlSeconds, ending },
      secondsLeft,
    });
  }

  #fail(requestId: number, { reject, askedMs }: Question): void {
    this.#questions.delete(requestId);
    const error = askedMs === null
      ? new RequestError("no_leader", "No leader before the deadline", { maybeApplied: false })
      : new RequestError("timeout", "The leader did not answer before the deadline", {
        maybeApplied: false,
      });
    reject(error);
  }

  async #answer(
    { from, incarnation, requestId, id, isKeptAlive }: Extract<
      LeaseMessage,
      { readonly kind: "leaseRequest" }
    >,
  ): Promise<void> {
    const { self, send, nowMs } = this.#parts;
    const reply = await this.#replyTo({ id, isKeptAlive }, nowMs() + CONFIRM_TIMEOUT_MS);
    send({ kind: "leaseResponse", from: self, to: from, incarnation, requestId, reply });
  }

  /**
   * A leader that was deposed, and does not know it, must promise nothing: so every leader asks a majority
   * first.
   */
  async #replyTo(
    { id, isKeptAlive }: { readonly id: number; readonly isKeptAlive: boolean },
    deadlineMs: number,
  ): Promise<LeaseReply> {
    const before = this.#lessor;
    if (before === null) return { kind: "notLeader" };
    try {
      await this.#parts.requests.confirmRead(deadlineMs);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return { kind: "notLeader" };
    }
    if (this.#lessor !== before) return { kind: "notLeader" };
    const lease = this.#parts.store().keys.leases.get(id);
    const { lessor } = before;
    if (lease === null || (isKeptAlive && !lessor.keepAlive(id))) return { kind: "leaseNotFound" };
    const { ttlSeconds, ending } = lease;
    return { kind: "lease", ttlSeconds, ending, secondsLeft: lessor.secondsLeft(id) ?? 0 };
  }

  async #end(ids: readonly number[], term: Term): Promise<void> {
    const { requests, nowMs, store } = this.#parts;
    const { appliedIndex } = store();
    this.#isEnding = true;
    try {
      const command = encodeCommand({ kind: "expireLeases", term, appliedIndex, ids });
      await requests.write(command, nowMs() + EXPIRY_TIMEOUT_MS);
    } catch (error) {
      // The lessor will name them again.
      if (!(error instanceof RequestError)) throw error;
    } finally {
      this.#isEnding = false;
    }
  }
}
