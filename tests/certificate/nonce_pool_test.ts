import assert from "node:assert/strict";
import {
  ISSUED_PER_CANDIDATE_MAX,
  NoncePool,
  TAKEN_PER_CANDIDATE_MAX,
} from "../../lib/certificate/nonce_pool.ts";
import type { Session, SigningScheme } from "../../lib/certificate/signing_scheme.ts";
import { toTerm } from "../../lib/types.ts";
import { nodeId } from "./cluster.ts";
import { assertRefused } from "./refused.ts";

/** A scheme whose nonces count up, so that a test sees which ones were used and erased. */
class CountingScheme implements SigningScheme<Uint8Array> {
  /** Every nonce ever made, in order; erased ones are zero. */
  readonly made: Uint8Array[] = [];
  /** The first byte of each nonce that signed. */
  readonly used: number[] = [];

  commit() {
    const nonces = Uint8Array.of(this.made.length + 1);
    this.made.push(nonces);
    return { nonces, commitment: nonces.slice() };
  }

  sign(session: Session, nonces: Uint8Array): Uint8Array {
    const [nonce = 0] = nonces;
    this.used.push(nonce);
    nonces.fill(0);
    if (session.digest === "bad") throw new Error("signing failed");
    return Uint8Array.of(nonce, 0xff);
  }

  eraseNonces(nonces: Uint8Array): void {
    nonces.fill(0);
  }

  checkCommitment(): void {}
  aggregate() {
    return { kind: "cheaters", identifiers: [] } as const;
  }
  keyId(): Uint8Array {
    return new Uint8Array(4);
  }
  verify(): boolean {
    return false;
  }
}

const ELECTION = { term: toTerm(7), candidate: nodeId(1) };

Deno.test("NoncePool.redeem() uses a nonce once, and erases it", () => {
  const { scheme, pool } = createPool();
  const ticket = pool.take(ELECTION, pool.commit(ELECTION), session("a"));
  assert.deepEqual(pool.redeem(ticket), Uint8Array.of(1, 0xff));
  assert.deepEqual(pool.redeem(ticket), Uint8Array.of(1, 0xff));
  assert.deepEqual(scheme.used, [1]);
  assert.deepEqual(scheme.made, [Uint8Array.of(0)]);
});

Deno.test("NoncePool.redeem() never tries a nonce again whose signing failed", () => {
  const { scheme, pool } = createPool();
  const commitment = pool.commit(ELECTION);
  const ticket = pool.take(ELECTION, commitment, session("bad"));
  assert.throws(() => pool.redeem(ticket), /signing failed/);
  assertRefused("unknown-nonce", () => pool.redeem(ticket));
  const repeated = pool.take(ELECTION, commitment, session("bad"));
  assertRefused("unknown-nonce", () => pool.redeem(repeated));
  assertRefused("nonce-reused", () => pool.take(ELECTION, commitment, session("good")));
  assert.deepEqual(scheme.used, [1]);
});

Deno.test("NoncePool.take() refuses a nonce before its candidate was given any", () => {
  const { pool } = createPool();
  assertRefused("unknown-nonce", () => pool.take(ELECTION, Uint8Array.of(1), session("a")));
});

Deno.test("NoncePool.commit() erases a candidate's oldest unused nonce past the limit", () => {
  const { scheme, pool } = createPool();
  const election = (term: number) => ({ term: toTerm(term), candidate: nodeId(1) });
  const first = pool.commit(election(1));
  for (let term = 2; term <= ISSUED_PER_CANDIDATE_MAX + 1; term++) pool.commit(election(term));
  assert.deepEqual(scheme.made[0], Uint8Array.of(0));
  assert.ok(scheme.made.slice(1).every(([nonce]) => nonce !== 0));
  assertRefused("unknown-nonce", () => pool.take(election(1), first, session("a")));
  pool.take(election(2), Uint8Array.of(2), session("a"));
});

Deno.test("NoncePool.commit() for one candidate pushes out nothing of another's", () => {
  const { pool } = createPool();
  const other = { term: toTerm(7), candidate: nodeId(2) };
  const commitment = pool.commit(other);
  for (let term = 1; term <= 100; term++) {
    pool.commit({ term: toTerm(term), candidate: nodeId(1) });
  }
  assert.deepEqual(pool.commit(other), commitment);
});

Deno.test("NoncePool.take() forgets a candidate's oldest request past the limit, and erases it", () => {
  const { scheme, pool } = createPool();
  const first = pool.commit(ELECTION);
  const ticket = pool.take(ELECTION, first, session("0"));
  for (let count = 1; count <= TAKEN_PER_CANDIDATE_MAX; count++) {
    pool.take(ELECTION, pool.commit(ELECTION), session(`${count}`));
  }
  assert.deepEqual(scheme.made[0], Uint8Array.of(0));
  assertRefused("unknown-nonce", () => pool.redeem(ticket));
  assertRefused("unknown-nonce", () => pool.take(ELECTION, first, session("0")));
  assert.deepEqual(scheme.used, []);
});

Deno.test("NoncePool.forgetBelow() erases unused, taken and signed nonces of earlier terms", () => {
  const { scheme, pool } = createPool();
  const signed = pool.take(ELECTION, pool.commit(ELECTION), session("a"));
  pool.redeem(signed);
  const taken = pool.take(ELECTION, pool.commit(ELECTION), session("b"));
  pool.commit(ELECTION);
  const kept = { ...ELECTION, term: toTerm(8) };
  pool.commit(kept);
  pool.forgetBelow(toTerm(8));
  assert.deepEqual(scheme.made, [0, 0, 0, 4].map((nonce) => Uint8Array.of(nonce)));
  for (const ticket of [signed, taken]) assertRefused("unknown-nonce", () => pool.redeem(ticket));
  pool.redeem(pool.take(kept, Uint8Array.of(4), session("c")));
  assert.deepEqual(scheme.used, [1, 4]);
});

function createPool() {
  const scheme = new CountingScheme();
  return { scheme, pool: new NoncePool(scheme) };
}

function session(digest: string): Session {
  return { message: new Uint8Array(), signers: [], digest };
}
