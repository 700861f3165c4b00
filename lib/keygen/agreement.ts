/**
 * The last round: signatures over one genesis statement, until there is one of every voter.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { encodeUtf8 } from "../bytes.ts";
import {
  encodeGenesis,
  type Genesis,
  type GenesisStatement,
  parseGenesisStatement,
  verifyGenesisSignature,
} from "../certificate/mod.ts";
import type { NodeId } from "../types.ts";
import type { Plan } from "./configuration.ts";

/** The signatures over one statement that this node has a durable share for. */
export class Agreement {
  /** The attempt that made the share. */
  readonly attempt: number;
  /** The statement's text. */
  readonly text: string;
  readonly #plan: Plan;
  readonly #statement: GenesisStatement;
  readonly #signatures = new Map<NodeId, Uint8Array>();

  /** An agreement without signatures, on the statement of an attempt. */
  constructor(plan: Plan, { attempt, statement }: { attempt: number; statement: string }) {
    this.attempt = attempt;
    this.text = statement;
    this.#plan = plan;
    this.#statement = parseGenesisStatement(statement);
  }

  /** Whether the voter's signature is here. */
  hasFrom(voter: NodeId): boolean {
    return this.#signatures.has(voter);
  }

  /** This node's own signature: made once, and the same ever after (RFC 8032 is deterministic). */
  sign(): Uint8Array {
    const { self, sign } = this.#plan;
    const signature = this.#signatures.get(self) ?? sign(encodeUtf8(this.text));
    assert(this.take(self, signature), "This node's identity key is not the roster's");
    return signature;
  }

  /** Takes a voter's signature; false when it does not verify. */
  take(voter: NodeId, signature: Uint8Array): boolean {
    if (this.#signatures.has(voter)) return true;
    const found = this.#statement.voters.find(({ id }) => id === voter);
    const signer = assertDefined(found, `${voter} is not in the statement`);
    if (!verifyGenesisSignature(this.#statement, signer, signature)) return false;
    this.#signatures.set(voter, signature.slice());
    return true;
  }

  /**
   * The genesis, once every voter's signature is here; null before. It needs no verification: this
   * node computed the statement, and verified each signature as it came.
   */
  toGenesis(): Genesis | null {
    if (this.#signatures.size < this.#statement.voters.length) return null;
    return { ...this.#statement, note: encodeGenesis(this.#statement, this.#signatures) };
  }
}
