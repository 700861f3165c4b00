/**
 * The last round: each voter signs one genesis statement. FROST's KeyGen (ePrint 2020/852, Figure 1,
 * round 1, step 4) asks for a broadcast. In its place, each voter passes on the signed hashes that it
 * received, and signs the transcript. So voters that received different hashes notice it.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { encodeUtf8, equalBytes } from "../bytes.ts";
import {
  describeRosterDifference,
  encodeGenesis,
  encodeGenesisStatement,
  type Genesis,
  type GenesisStatement,
  parseGenesisStatement,
  toGroupPublicKeys,
  verifyGenesis,
  verifyGenesisSignature,
} from "../certificate/mod.ts";
import { InputError } from "../errors.ts";
import { checkSecretShare, verifySignature } from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import {
  encodeHashStatement,
  identityKeyOf,
  KeyGenerationFault,
  type Plan,
} from "./configuration.ts";
import type { DurableKeyGeneration, DurableShare } from "./input_output.ts";
import type { SignedHash } from "./message.ts";

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

  /** This node's own signature. It is always the same: RFC 8032 is deterministic. */
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
   * The genesis, once this node has every voter's signature; null before. It needs no verification: this
   * node computed the statement, and verified each signature when it received it.
   */
  toGenesis(): Genesis | null {
    if (this.#signatures.size < this.#statement.voters.length) return null;
    return { ...this.#statement, note: encodeGenesis(this.#statement, this.#signatures) };
  }
}

/** The signed hashes that this node has received in one attempt. */
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
   * Takes a hash from the voter that signed it.
   *
   * @throws {KeyGenerationFault} `bad-signature` or `equivocation`, with the voter.
   */
  accept(voter: NodeId, signed: SignedHash): void {
    if (this.#knows(voter, signed)) return;
    if (!this.#isSignedBy(voter, signed)) {
      throw new KeyGenerationFault("bad-signature", `${voter} did not sign its hash`, { voter });
    }
    this.#learn(voter, signed);
  }

  /**
   * Compares this node's hashes with those that a peer has received, and takes the missing ones from it.
   *
   * @throws {KeyGenerationFault} `equivocation`, with the voter that signed two hashes, or `false-echo`,
   * with the peer.
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

  /** Takes a hash with a valid signature. Two different ones prove that the voter lies. */
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

/**
 * Checks that the parts of a record belong together, and to the plan.
 *
 * @throws {InputError} when the record is of another configuration, or damaged.
 */
export function checkRecord(plan: Plan, record: DurableKeyGeneration): void {
  const { configuration, attempt, share, genesis } = record;
  if (configuration !== plan.configuration) {
    throw refused(
      `it was begun under configuration ${configuration}, and this is ${plan.configuration}`,
    );
  }
  if (share !== null) {
    if (share.attempt > attempt) {
      throw refused(`its share is of attempt ${share.attempt}, and the last was ${attempt}`);
    }
    checkShare(plan, share);
  }
  if (genesis === null) return;
  const statement = encodeGenesisStatement(verifyGenesis(genesis, plan.roster));
  if (share?.signed && share.statement === statement) return;
  throw refused("its genesis certificate is not of the share that is kept with it");
}

function checkShare({ roster, identifier }: Plan, { statement: text, secret }: DurableShare): void {
  const statement: GenesisStatement = parseGenesisStatement(text);
  const difference = describeRosterDifference(statement, roster);
  if (difference !== null) throw refused(`in the statement of its share, ${difference}`);
  checkSecretShare(toGroupPublicKeys(statement), { identifier, secret });
}

function refused(why: string): InputError {
  return new InputError(`Cannot resume key generation: ${why}`);
}
