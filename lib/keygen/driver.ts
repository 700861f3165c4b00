/**
 * The seam to the world: what a driver provides, and the one order in which it does what a step
 * wants. The node and the tests' harness run this same code over different ports.
 *
 * @module
 */

import type { DurableKeyGeneration } from "./durable.ts";
import type { GeneratedKey, KeyGenerationEvent, Output } from "./input_output.ts";
import type { Message } from "./message.ts";

/** What key generation needs done by others. All of it happens synchronously, in the order called. */
export interface KeyGenerationPorts {
  /**
   * Makes the record durable before it returns, in place of the one before, and erases the share in
   * the copy that it was given.
   *
   * @throws when that is not certain; the node must then stop, as nobody knows what the disk holds.
   */
  persist(record: DurableKeyGeneration): void;
  /** Puts a message on its way to its receiver alone, encrypted; it may be lost. */
  send(message: Message): void;
  /** The cluster has its key. Called once, when the certificate is durable. */
  finish(key: GeneratedKey): void;
  /** Tells logs and counters. */
  report(event: KeyGenerationEvent): void;
}

/** Does what a step's output says: persists, then sends, then finishes. */
export function carryOut(output: Output, ports: KeyGenerationPorts): void {
  if (output.persist !== null) ports.persist(output.persist);
  for (const message of output.send) ports.send(message);
  if (output.finished !== null) ports.finish(output.finished);
  for (const event of output.events) ports.report(event);
}
