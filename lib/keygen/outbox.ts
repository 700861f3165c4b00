/**
 * Collects what a step wants done, until the step ends.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { Plan } from "./configuration.ts";
import { copyOf, type DurableKeyGeneration } from "./durable.ts";
import type { GeneratedKey, KeyGenerationEvent, Output } from "./input_output.ts";
import type { Message, MessageBody } from "./message.ts";

/** What one step collects, and the record that it changes. */
export class Outbox {
  readonly #plan: Plan;
  #record: DurableKeyGeneration;
  #isRecordChanged = false;
  #send: Message[] = [];
  #events: KeyGenerationEvent[] = [];
  #finished: GeneratedKey | null = null;

  /** Begins with a copy of what is durable. */
  constructor(plan: Plan, durable: DurableKeyGeneration) {
    this.#plan = plan;
    this.#record = copyOf(durable);
  }

  /** The record as it will be once this step is durable. */
  get record(): DurableKeyGeneration {
    return this.#record;
  }

  /** Changes the record. */
  change(change: Partial<DurableKeyGeneration>): void {
    this.#record = { ...this.#record, ...change };
    this.#isRecordChanged = true;
  }

  /** Says something about an attempt to one peer. */
  post(to: NodeId, attempt: number, body: MessageBody): void {
    const { self: from, configuration } = this.#plan;
    this.#send.push({ from, to, configuration, attempt, ...body });
  }

  /** Says the same to every peer. */
  broadcast(attempt: number, body: MessageBody): void {
    for (const peer of this.#plan.peers) this.post(peer, attempt, body);
  }

  /** Tells of an event. */
  report(event: KeyGenerationEvent): void {
    this.#events.push(event);
  }

  /** Hands over the key. */
  finish(key: GeneratedKey): void {
    this.#finished = key;
  }

  /** Everything since the last call. */
  take(): Output {
    const output = {
      persist: this.#isRecordChanged ? copyOf(this.#record) : null,
      send: this.#send,
      finished: this.#finished,
      events: this.#events,
    };
    this.#isRecordChanged = false;
    this.#send = [];
    this.#events = [];
    this.#finished = null;
    return output;
  }
}
