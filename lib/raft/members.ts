/**
 * Who counts. Every question for a quorum or for who takes part is put to {@linkcode Members}, as the
 * answer changes with the configuration: the newest one in the log counts (dissertation §4.1), and while
 * it is not committed the one before counts as well.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { majorityOf } from "../margins.ts";
import type { Epoch, NodeId } from "../types.ts";

/** Who takes part, and how many must agree. */
export interface Configuration {
  /** The dealing of shares that signs. */
  readonly epoch: Epoch;
  /** How many voters must sign. */
  readonly threshold: number;
  /** Who votes, in the order of their signing identifiers. */
  readonly voters: readonly NodeId[];
}

/** The configurations that count. */
export class Members {
  readonly #inForce: Configuration;

  /** Begins with one that is committed. */
  constructor(inForce: Configuration) {
    this.#inForce = inForce;
  }

  /** The newest one in the log: elections are held under it. */
  get newest(): Configuration {
    return this.#inForce;
  }

  /** Everyone who takes part. */
  get all(): readonly NodeId[] {
    return this.newest.voters;
  }

  /** Whether this node takes part. */
  has(node: NodeId): boolean {
    return this.all.includes(node);
  }

  /** The largest value that more than half of the voters reach. */
  quorumValue<Value extends number>(valueOf: (voter: NodeId) => Value): Value {
    return valueOfMost(this.#inForce, valueOf);
  }
}

function valueOfMost<Value extends number>(
  { voters }: Configuration,
  valueOf: (voter: NodeId) => Value,
): Value {
  const descending = voters.map(valueOf).sort((left, right) => right - left);
  return assertDefined(descending[majorityOf(voters.length) - 1], "There are voters");
}
