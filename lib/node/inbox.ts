/**
 * Where everything that happens waits for the next turn of the loop. A socket callback or a client's
 * request puts an input here and does nothing else; all that arrive before the event loop comes
 * round again are handled in one turn, and so share one write to the disk.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Input, Message } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";

/**
 * Most messages of one peer that wait for a turn; more are dropped, as the network might have. One
 * peer that floods thus takes no room from the others.
 */
export const INBOX_MESSAGES_PER_PEER_MAX = 2_000;

/** Collects inputs and hands them over in batches. */
export class Inbox {
  readonly #turn: (inputs: readonly Input[]) => void;
  #inputs: Input[] = [];
  readonly #messageCounts = new Map<NodeId, number>();
  #isScheduled = false;
  #isClosed = false;

  /** `turn` takes each batch; it must not throw. */
  constructor(turn: (inputs: readonly Input[]) => void) {
    this.#turn = turn;
  }

  /** Adds something that this node itself brings about; how much of it there is, its source bounds. */
  add(input: Input): void {
    if (this.#isClosed) return;
    this.#inputs.push(input);
    this.wake();
  }

  /** Sees to it that a turn comes, even if nothing is added. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => this.#drain());
  }

  /** Adds a peer's message; false when it was dropped because too many wait. */
  addMessage(message: Message): boolean {
    const count = this.#messageCounts.get(message.from) ?? 0;
    if (count >= INBOX_MESSAGES_PER_PEER_MAX) return false;
    this.#messageCounts.set(message.from, count + 1);
    this.add({ kind: "message", message });
    return true;
  }

  /** Drops what waits and takes no more. */
  close(): void {
    this.#isClosed = true;
    this.#inputs = [];
  }

  #drain(): void {
    const inputs = this.#inputs;
    this.#inputs = [];
    this.#messageCounts.clear();
    this.#isScheduled = false;
    if (!this.#isClosed) this.#turn(inputs);
  }
}
