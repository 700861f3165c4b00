import assert from "node:assert/strict";
import {
  ISSUED_PER_CANDIDATE_MAX,
  NoncePool,
  signingSessionsMax,
  SPARE_NONCES,
} from "../../lib/certificate/nonce_pool.ts";
import type { SchemeSession, SigningScheme } from "../../lib/certificate/signing_scheme.ts";
import { toTerm } from "../../lib/types.ts";
import { nodeId } from "./cluster.ts";
import { assertRefused } from "./refused.ts";

/** A scheme whose nonces count up, so that a test sees which ones were used and erased. */
class CountingScheme implements SigningScheme<Uint8Array> {
  readonly canSign = true;
  /** Every nonce ever made, in order; erased ones are zero. */
  readonly made: Uint8Array[] = [];
  /** The first byte of each nonce that signed. */
  readonly used: number[] = [];

  commit() {
    const nonces = Uint8Array.of(this.made.length + 1);
    this.made.push(nonces);
    return { nonces, commitment: nonces.slice() };
  }

  sign(session: SchemeSession, nonces: Uint8Array): Uint8Array {
    const [nonce = 0] = nonces;
    this.used.push(nonce);
    nonces.fill(0);
    if (session.digest === "bad") throw new Error("signing failed");
    return Uint8Array.of(nonce, 0xff);
  }

  eraseNonces(nonces: Uint8Array): void {
    nonces.fill(0);
  }

  rehearse(): void {}
  eraseShare(): void {}
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

const TAKEN_MAX = signingSessionsMax({ voters: 5, threshold: 3 });
const ELECTION = { term: toTerm(7), candidate: nodeId(1) };

Deno.test("NoncePool.prepare() draws a bounded number ahead, each of them used once", () => {
  const { scheme, pool } = createPool();
  for (let call = 0; call < 2 * SPARE_NONCES; call++) pool.prepare();
  assert.equal(scheme.made.length, SPARE_NONCES);
  assert.equal(pool.spareCount, SPARE_NONCES);

  const elections = Array.from({ length: SPARE_NONCES + 1 }, (_, at) => ({
    candidate: nodeId(1 + at % 5),
    term: toTerm(7 + at),
  }));
  const commitments = elections.map((election) => pool.commit(election).join());
  assert.equal(new Set(commitments).size, elections.length);
  assert.equal(scheme.made.length, SPARE_NONCES + 1);
  assert.equal(pool.spareCount, 0);
});

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

Deno.test("NoncePool.take() refuses a candidate past the limit, and forgets nothing it gave", () => {
  const { scheme, pool } = createPool();
  const given = Array.from({ length: TAKEN_MAX }, (_, at) => {
    const commitment = pool.commit(ELECTION);
    pool.redeem(pool.take(ELECTION, commitment, session(`${at}`)));
    return commitment;
  });
  const further = pool.commit(ELECTION);
  assertRefused("too-many-sessions", () => pool.take(ELECTION, further, session("further")));
  given.forEach((commitment, at) => {
    assertRefused("nonce-reused", () => pool.take(ELECTION, commitment, session("another")));
    const repeated = pool.redeem(pool.take(ELECTION, commitment, session(`${at}`)));
    assert.deepEqual(repeated, Uint8Array.of(at + 1, 0xff));
  });
  assert.equal(scheme.used.length, TAKEN_MAX);
});

Deno.test("NoncePool.take() refuses one candidate past the limit and no other", () => {
  const { pool } = createPool();
  for (let at = 0; at < TAKEN_MAX; at++) {
    pool.take(ELECTION, pool.commit(ELECTION), session(`${at}`));
  }
  const other = { ...ELECTION, candidate: nodeId(2) };
  pool.redeem(pool.take(other, pool.commit(other), session("other")));
});

Deno.test("NoncePool.take() gives a candidate as many again once the earlier term is forgotten", () => {
  const { pool } = createPool();
  for (const term of [7, 8]) {
    const election = { ...ELECTION, term: toTerm(term) };
    pool.forgetBelow(election.term);
    for (let at = 0; at < TAKEN_MAX; at++) {
      pool.take(election, pool.commit(election), session(`${term} ${at}`));
    }
    assertRefused(
      "too-many-sessions",
      () => pool.take(election, pool.commit(election), session("further")),
    );
  }
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

Deno.test("NoncePool.erase() erases all of every term, and what was drawn ahead", () => {
  const { scheme, pool } = createPool();
  const taken = pool.take(ELECTION, pool.commit(ELECTION), session("a"));
  pool.commit({ ...ELECTION, term: toTerm(9) });
  pool.prepare();
  pool.erase();
  assert.deepEqual(scheme.made, [0, 0, 0].map((nonce) => Uint8Array.of(nonce)));
  assertRefused("unknown-nonce", () => pool.redeem(taken));
});

function createPool() {
  const scheme = new CountingScheme();
  return { scheme, pool: new NoncePool(scheme, { takenPerCandidateMax: TAKEN_MAX }) };
}

function session(digest: string): SchemeSession {
  return { message: new Uint8Array(), signers: [], digest };
}
