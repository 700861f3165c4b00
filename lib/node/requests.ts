/**
 * Clients' requests between their arrival and their answer. Each waits for exactly one thing at a time: a
 * known leader, a place in the log, the application of that place, or a read index. This file reads no clock;
 * the node gives it the time.
 *
 * @module
 */

import type { AppliedEntry } from "../kv/mod.ts";
import type {
  Entry,
  Input,
  Output,
  ReadResult,
  RefusalReason,
  RejectedProposal,
} from "../raft/mod.ts";
import { NumberMap } from "../number_map.ts";
import type { LogIndex, Term } from "../types.ts";
import { RequestError, type RequestFailure, type WriteAnswer } from "./api.ts";

/** How often the deadlines are checked, in ticks of the node's clock. */
export const EXPIRY_INTERVAL_TICKS = 5;

/** How a request ends. */
interface Settle<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: RequestError) => void;
}

/** What every request has. */
interface Waiting {
  /** The id of the proposal or read in the core; a new one for each attempt. */
  id: number;
  /** Its deadline, on the node's clock. */
  readonly deadlineMs: number;
  /** Whether it waits for a leader, and goes to the core again then. */
  isParked: boolean;
}

interface WriteRequest extends Settle<WriteAnswer>, Waiting {
  readonly kind: "write";
  readonly command: Uint8Array;
  /** Whether the command may be in any node's log, now or later. */
  mayTakeEffect: boolean;
  /** The command's place in the leader's log, once that is known. */
  place: { readonly index: LogIndex; readonly term: Term } | null;
}

interface ReadRequest extends Settle<void>, Waiting {
  readonly kind: "read";
  readonly lease: boolean;
  /** The index that must be applied first, once the leader has confirmed it. */
  readIndex: LogIndex | null;
}

type Request = WriteRequest | ReadRequest;

/** All requests that wait at one node. */
export class Requests {
  readonly #submit: (input: Input) => void;
  readonly #waiting = new NumberMap<Request>();
  /** By place; several if leaders of different terms assigned the same index. */
  readonly #writesByIndex = new NumberMap<WriteRequest[]>();
  #readsToApply: ReadRequest[] = [];
  #hasLeader = false;
  #lastId = 0;

  /** `submit` hands an input to the core. */
  constructor(submit: (input: Input) => void) {
    this.#submit = submit;
  }

  /** How many requests wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Proposes an encoded command; resolves once it is applied here.
   *
   * @throws {RequestError} when that does not happen before `deadlineMs`, on the node's clock.
   */
  write(command: Uint8Array, deadlineMs: number): Promise<WriteAnswer> {
    return new Promise((resolve, reject) => {
      this.#hand({
        kind: "write",
        id: 0,
        command,
        deadlineMs,
        isParked: false,
        mayTakeEffect: false,
        place: null,
        resolve,
        reject,
      });
    });
  }

  /**
   * Resolves once this node's state holds every write that was acknowledged before the call. With `lease`, the
   * leader's lease is enough to confirm that.
   *
   * @throws {RequestError} when that does not happen before `deadlineMs`, on the node's clock.
   */
  confirmRead(
    deadlineMs: number,
    { lease }: { readonly lease: boolean } = { lease: false },
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#hand({
        kind: "read",
        id: 0,
        deadlineMs,
        isParked: false,
        lease,
        readIndex: null,
        resolve,
        reject,
      });
    });
  }

  /**
   * Takes the output of a step, before its entries are applied. `appliedIndex` is the last applied index so
   * far.
   */
  handle(output: Output, appliedIndex: LogIndex): void {
    if (output.installSnapshot !== null) this.#lostBelow(output.installSnapshot.index);
    for (const { proposalId, index, term } of output.accepted) {
      this.#placed(proposalId, { index, term }, appliedIndex);
    }
    for (const rejected of output.rejected) this.#rejected(rejected);
    for (const result of output.reads) this.#readAnswered(result);
    this.#settleReads(appliedIndex);
    if (output.role === null) return;
    this.#hasLeader = output.role.leader !== null;
    this.#resubmit();
  }

  /** Takes the outcomes of committed entries. `appliedIndex` is the state machine's last applied index now. */
  applied(
    entries: readonly Pick<Entry, "term">[],
    outcomes: readonly AppliedEntry[],
    appliedIndex: LogIndex,
  ): void {
    entries.forEach(({ term }, position) => this.#applied(term, outcomes[position]));
    this.#settleReads(appliedIndex);
  }

  /**
   * Ends the requests whose deadline has passed, and hands those that wait for a leader to the core again. The
   * node calls this at intervals, so that a refused request is not repeated at the speed of the network.
   */
  expire(nowMs: number): void {
    for (const [, request] of this.#waiting.entries()) {
      if (request.deadlineMs > nowMs) continue;
      if (request.isParked) this.#fail(request, "no_leader", "No leader before the deadline");
      else this.#fail(request, "timeout", "The cluster did not answer before the deadline");
    }
    this.#resubmit();
  }

  /** Ends every request, because the node stops. */
  stop(): void {
    for (const [, request] of this.#waiting.entries()) {
      this.#fail(request, "stopping", "The node is stopping");
    }
  }

  /**
   * Every attempt has its own id, so that an answer that comes twice or late is not mistaken for the answer to
   * the next attempt. Otherwise such a refusal would send a command a second time while the first is still on
   * its way.
   */
  #hand(request: Request): void {
    this.#waiting.delete(request.id);
    request.id = ++this.#lastId;
    this.#waiting.set(request.id, request);
    request.isParked = false;
    if (request.kind === "read") {
      this.#submit({ kind: "read", readId: request.id, lease: request.lease });
    } else {
      request.mayTakeEffect = true;
      this.#submit({ kind: "propose", proposalId: request.id, command: request.command });
    }
  }

  #park(request: Request): void {
    request.isParked = true;
    if (request.kind === "write") request.mayTakeEffect = false;
  }

  #resubmit(): void {
    if (!this.#hasLeader) return;
    for (const [, request] of this.#waiting.entries()) {
      if (request.isParked) this.#hand(request);
    }
  }

  #placed(
    id: number,
    place: { readonly index: LogIndex; readonly term: Term },
    appliedIndex: LogIndex,
  ): void {
    const request = this.#waiting.get(id);
    if (request?.kind !== "write") return;
    if (place.index <= appliedIndex) {
      // The leader's answer came after the entry itself, so the command's result is no longer known.
      this.#fail(request, "leader_changed", "The command's result was lost on the way here");
      return;
    }
    request.place = place;
    const rivals = this.#writesByIndex.get(place.index);
    if (rivals === undefined) this.#writesByIndex.set(place.index, [request]);
    else rivals.push(request);
  }

  /** A snapshot replaced these entries, so their results are no longer known. */
  #lostBelow(snapshotIndex: LogIndex): void {
    for (const [index, requests] of this.#writesByIndex.entries()) {
      if (index > snapshotIndex) continue;
      this.#writesByIndex.delete(index);
      for (const request of requests) {
        if (!this.#waiting.has(request.id)) continue;
        this.#fail(request, "leader_changed", "The command's result was lost to a snapshot");
      }
    }
  }

  #applied(term: Term, outcome: AppliedEntry | undefined): void {
    if (outcome === undefined) return;
    const requests = this.#writesByIndex.get(outcome.index);
    if (requests === undefined) return;
    this.#writesByIndex.delete(outcome.index);
    for (const request of requests) this.#settleWrite(request, term, outcome);
  }

  #settleWrite(request: WriteRequest, term: Term, outcome: AppliedEntry): void {
    if (!this.#waiting.has(request.id)) return;
    if (request.place?.term === term && "result" in outcome) {
      this.#waiting.delete(request.id);
      request.resolve({ result: outcome.result, isReplay: outcome.kind === "replayed" });
      return;
    }
    request.mayTakeEffect = false;
    this.#fail(request, "superseded", "Another leader's entry took the command's place in the log");
  }

  #rejected(rejected: RejectedProposal): void {
    const request = this.#waiting.get(rejected.proposalId);
    if (request?.kind !== "write") return;
    if (rejected.maybeApplied) {
      this.#fail(request, "leader_changed", "The leader was lost before it answered");
    } else if (rejected.reason === "overloaded") {
      request.mayTakeEffect = false;
      this.#fail(request, "overloaded", "The leader has too much uncommitted data; try again");
    } else if (rejected.reason === "unreadable") {
      request.mayTakeEffect = false;
      this.#fail(request, "unreadable", "The leader's version does not know this kind of write");
    } else {
      this.#park(request);
    }
  }

  #readAnswered(result: ReadResult): void {
    const request = this.#waiting.get(result.readId);
    if (request?.kind !== "read") return;
    if (result.kind === "refused") return this.#readRefused(request, result.reason);
    request.readIndex = result.readIndex;
    this.#readsToApply.push(request);
  }

  #readRefused(request: ReadRequest, reason: RefusalReason): void {
    if (reason !== "overloaded") return this.#park(request);
    this.#fail(request, "overloaded", "Too many reads are waiting for a quorum; try again");
  }

  #settleReads(appliedIndex: LogIndex): void {
    if (this.#readsToApply.length === 0) return;
    const later: ReadRequest[] = [];
    for (const request of this.#readsToApply) {
      if (!this.#waiting.has(request.id)) continue;
      if (request.readIndex === null || request.readIndex > appliedIndex) later.push(request);
      else {
        this.#waiting.delete(request.id);
        request.resolve();
      }
    }
    this.#readsToApply = later;
  }

  #fail(request: Request, code: RequestFailure, message: string): void {
    this.#waiting.delete(request.id);
    const maybeApplied = request.kind === "write" && request.mayTakeEffect;
    request.reject(new RequestError(code, message, { maybeApplied }));
  }
}
