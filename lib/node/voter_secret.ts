/**
 * A voter's part of the group's secret key, as it is handed from a file to a certifier.
 *
 * @module
 */

import type { NodeId } from "../types.ts";

/**
 * One voter's secret: a FROST share, or, for a cluster of one, an Ed25519 private key. Read once
 * at start and held by the node's certifier alone; the file keeps it between runs. Nothing that prints
 * or serialises an object shows the secret, and no copy of the object by its fields has it.
 */
export class VoterSecret {
  /** The voter. */
  readonly node: NodeId;
  readonly #secret: Uint8Array;

  /** Takes over `secret`, 32 bytes: a scalar (RFC 9591), or for a single voter a seed (RFC 8032 §5.1.5). */
  constructor(node: NodeId, secret: Uint8Array) {
    this.node = node;
    this.#secret = secret;
  }

  /** The secret itself, not a copy: SECRET. */
  reveal(): Uint8Array {
    return this.#secret;
  }

  /** Fills the secret with zeros. */
  erase(): void {
    this.#secret.fill(0);
  }
}
