/**
 * Round one's first half: everybody's signed hash, and whether everybody was told the same.
 *
 * A voter that reveals also passes on all the signed hashes that made it do so. Where one of them is
 * not the one that this node was given, the signature tells who lies: if it verifies, the voter
 * signed two hashes for one attempt; if not, the one who passed it on made it up. So an equivocator
 * is named, and an honest voter never is.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { verifySignature } from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import { encodeHashStatement, identityKeyOf, type Plan } from "./configuration.ts";
import { KeyGenerationFault } from "./fault.ts";
import type { SignedHash } from "./message.ts";

/** The signed hashes of one attempt. */
export class SignedHashes {
  readonly #plan: Plan;
  readonly #attempt: number;
  readonly #hashes = new Map<NodeId, SignedHash>();

  /** Begins with this node's own hash, which it signs here. */
  constructor(plan: Plan, attempt: number, ownHash: Uint8Array) {
    this.#plan = plan;
    this.#attempt = attempt;
    const signature = plan.sign(encodeHashStatement(plan, { attempt, hash: ownHash }));
    const own = { hash: ownHash, signature };
    assert(this.#isSignedBy(plan.self, own), "This node's identity key is not the roster's");
    this.#hashes.set(plan.self, own);
  }

  /** A voter's hash, or null. */
  of(voter: NodeId): SignedHash | null {
    return this.#hashes.get(voter) ?? null;
  }

  /** All of them in the roster's order, once they are complete. */
  list(): readonly SignedHash[] {
    return this.#plan.roster.voters.map(({ id }) =>
      assertDefined(this.#hashes.get(id), `No hash of ${id}`)
    );
  }

  /**
   * Takes a voter's own word.
   *
   * @throws {KeyGenerationFault} `bad-signature` or `equivocation`, naming the voter.
   */
  accept(voter: NodeId, signed: SignedHash): void {
    if (this.#knows(voter, signed)) return;
    if (!this.#isSignedBy(voter, signed)) {
      throw new KeyGenerationFault("bad-signature", `${voter} did not sign its hash`, { voter });
    }
    this.#learn(voter, signed);
  }

  /**
   * Compares with what a peer was told, and learns from it what this node was not told yet.
   *
   * @throws {KeyGenerationFault} `equivocation`, naming whoever signed two hashes, or `false-echo`,
   * naming the peer.
   */
  compare(peer: NodeId, echoed: readonly SignedHash[]): void {
    const { voters } = this.#plan.roster;
    if (echoed.length !== voters.length) {
      throw falseEcho(peer, `${echoed.length} hashes, not ${voters.length}`);
    }
    voters.forEach(({ id }, at) => {
      const signed = assertDefined(echoed[at], "A list shorter than its length");
      if (this.#knows(id, signed)) return;
      if (!this.#isSignedBy(id, signed)) throw falseEcho(peer, `a hash that ${id} did not sign`);
      this.#learn(id, signed);
    });
  }

  #knows(voter: NodeId, { hash }: SignedHash): boolean {
    const known = this.#hashes.get(voter);
    return known !== undefined && equalBytes(known.hash, hash);
  }

  /** Takes a hash whose signature is good. A second one is the proof of a lie. */
  #learn(voter: NodeId, signed: SignedHash): void {
    if (this.#hashes.has(voter)) {
      throw new KeyGenerationFault("equivocation", `${voter} signed two hashes`, { voter });
    }
    this.#hashes.set(voter, { hash: signed.hash.slice(), signature: signed.signature.slice() });
  }

  #isSignedBy(voter: NodeId, { hash, signature }: SignedHash): boolean {
    const statement = encodeHashStatement(this.#plan, { attempt: this.#attempt, hash });
    return verifySignature(identityKeyOf(this.#plan, voter), statement, signature);
  }
}

function falseEcho(peer: NodeId, what: string): KeyGenerationFault {
  return new KeyGenerationFault("false-echo", `${peer} passed on ${what}`, { voter: peer });
}
