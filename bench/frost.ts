/**
 * Floe's FROST against stock `ed25519_FROST` of `@noble/curves`, both in this run, on the same keys,
 * commitments and message. Each figure is the median of its repeats; the two sides take turns, so
 * that what else the machine does falls on both.
 *
 * A voter's share is measured twice: with the other signers' points validated before, and with all
 * of them seen for the first time, as they are when a signing request brings them.
 *
 * @module
 */

import { ed25519_FROST as stock } from "@noble/curves/ed25519.js";
import { assert, assertDefined } from "../lib/assert.ts";
import { encodeUtf8 } from "../lib/bytes.ts";
import {
  aggregate,
  checkNonceCommitment,
  commit,
  type GroupPublicKeys,
  type RoundOne,
  type SecretShare,
  type SigningSession,
  signShare,
  trustedDealerKeygen,
  verifySignature,
  verifySignatureShare,
} from "../lib/frost/mod.ts";

const MESSAGE = encodeUtf8(
  "floe/election/v1\ncluster floe-demo\nepoch 1\nterm 7\nleader server_4\nlog 42 6\n",
);

const SIZES = [
  { threshold: 3, participants: 5, repeats: 101 },
  { threshold: 67, participants: 100, repeats: 11 },
];

type Size = typeof SIZES[number];

/** One row of the table: milliseconds on both sides. */
interface Row {
  readonly name: string;
  readonly floeMs: number;
  readonly stockMs: number;
}

/** A group as both sides see it. */
interface Bench {
  readonly group: GroupPublicKeys;
  readonly shares: readonly SecretShare[];
  readonly stockGroup: Parameters<typeof stock.aggregate>[0];
}

/** One signing session as both sides see it, with the nonces of each signer. */
interface Signing {
  readonly session: SigningSession;
  readonly roundOnes: readonly RoundOne[];
  readonly stockCommitments: Parameters<typeof stock.aggregate>[1];
}

function measure({ threshold, participants, repeats }: Size): Row[] {
  const bench = createBench(threshold, participants);
  return [
    measureCommit(bench, repeats),
    ...measureShare(bench, repeats),
    ...measureAggregate(bench, repeats),
    measureVerifyShare(bench, repeats),
    measureVerify(bench, repeats),
  ];
}

function measureCommit(bench: Bench, repeats: number): Row {
  const share = first(bench.shares);
  return compare("commit to nonces", repeats, () => ({
    floe: () => commit(share, randomBytes),
    stock: () => stock.commit(toStockShare(share)),
  }));
}

function measureShare(bench: Bench, repeats: number): Row[] {
  const share = first(bench.shares);
  const sign = ({ session, roundOnes }: Signing) => {
    const roundOne = copyOf(first(roundOnes));
    return () => signShare(session, { share, roundOne });
  };
  const signWithStock = ({ roundOnes, stockCommitments }: Signing) => {
    const { nonces } = copyOf(first(roundOnes));
    return () => {
      stock.signShare(toStockShare(share), bench.stockGroup, nonces, stockCommitments, MESSAGE);
    };
  };
  return [
    compare("share, points validated before", repeats, () => {
      const signing = createSigning(bench);
      signing.session.commitments.forEach(checkNonceCommitment);
      return { floe: sign(signing), stock: signWithStock(signing) };
    }),
    compare("share, points first seen", repeats, () => {
      const signing = createSigning(bench);
      // A voter has made its own commitment itself.
      checkNonceCommitment(first(signing.session.commitments));
      return { floe: sign(signing), stock: signWithStock(signing) };
    }),
  ];
}

function measureAggregate(bench: Bench, repeats: number): Row[] {
  const { session, stockCommitments, signatureShares, groupCommitment } = createShares(bench);
  const stockShares = Object.fromEntries(
    [...signatureShares].map(([identifier, share]) => [toStockIdentifier(identifier), share]),
  );
  const withStock = () => {
    stock.aggregate(bench.stockGroup, stockCommitments, MESSAGE, stockShares);
  };
  return [
    compare("aggregate and verify, candidate signed", repeats, () => ({
      floe: () => assertSigned(aggregate(session, { signatureShares, groupCommitment })),
      stock: withStock,
    })),
    compare("aggregate and verify, by anybody", repeats, () => ({
      floe: () => assertSigned(aggregate(session, { signatureShares })),
      stock: withStock,
    })),
  ];
}

function measureVerifyShare(bench: Bench, repeats: number): Row {
  const { session, stockCommitments, signatureShares } = createShares(bench);
  const identifier = first(bench.shares).identifier;
  const signatureShare = assertDefined(signatureShares.get(identifier), "no share");
  const name = toStockIdentifier(identifier);
  return compare("verify one share", repeats, () => ({
    floe: () => verifySignatureShare(session, { identifier, signatureShare }),
    stock: () => {
      stock.verifyShare(bench.stockGroup, stockCommitments, MESSAGE, name, signatureShare);
    },
  }));
}

function measureVerify(bench: Bench, repeats: number): Row {
  const { session, signatureShares } = createShares(bench);
  const signature = assertSigned(aggregate(session, { signatureShares }));
  const { groupPublicKey } = bench.group;
  return compare("verify the signature", repeats, () => ({
    floe: () => verifySignature(groupPublicKey, MESSAGE, signature),
    stock: () => stock.verify(signature, MESSAGE, groupPublicKey),
  }));
}

/** Times both sides in turn, each on what `prepare` made anew, after a few rounds to warm up. */
function compare(
  name: string,
  repeats: number,
  prepare: () => { readonly floe: () => unknown; readonly stock: () => unknown },
): Row {
  const floeTimes: number[] = [];
  const stockTimes: number[] = [];
  const warmUps = Math.ceil(repeats / 5);
  for (let repeat = -warmUps; repeat < repeats; repeat++) {
    const sides = prepare();
    const [floeMs, stockMs] = [time(sides.floe), time(sides.stock)];
    if (repeat < 0) continue;
    floeTimes.push(floeMs);
    stockTimes.push(stockMs);
  }
  return { name, floeMs: median(floeTimes), stockMs: median(stockTimes) };
}

function time(act: () => unknown): number {
  const start = performance.now();
  act();
  return performance.now() - start;
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((left, right) => left - right);
  return assertDefined(sorted[sorted.length >> 1], "no times");
}

function createBench(minParticipants: number, maxParticipants: number): Bench {
  const { group, shares } = trustedDealerKeygen({ minParticipants, maxParticipants, randomBytes });
  const verifyingShares = Object.fromEntries(
    [...group.verifyingShares].map(([identifier, key]) => [toStockIdentifier(identifier), key]),
  );
  const signers = { min: minParticipants, max: maxParticipants };
  const stockGroup = { signers, commitments: [group.groupPublicKey], verifyingShares };
  return { group, shares, stockGroup };
}

/** A session of the first t participants, made by stock noble: Floe has seen none of its points. */
function createSigning({ group, shares }: Bench): Signing {
  const signers = shares.slice(0, group.minParticipants);
  const roundOnes = signers.map((share) => {
    const { nonces, commitments: { hiding, binding } } = stock.commit(toStockShare(share));
    return { nonces, commitment: { identifier: share.identifier, hiding, binding } };
  });
  const commitments = roundOnes.map(({ commitment }) => commitment);
  const stockCommitments = commitments.map(({ identifier, hiding, binding }) => {
    return { identifier: toStockIdentifier(identifier), hiding, binding };
  });
  return { session: { group, message: MESSAGE, commitments }, roundOnes, stockCommitments };
}

function createShares(bench: Bench) {
  const { session, roundOnes, stockCommitments } = createSigning(bench);
  const made = roundOnes.map((roundOne, at) => {
    const share = assertDefined(bench.shares[at], "no share");
    return { share, ...signShare(session, { share, roundOne }) };
  });
  const signatureShares = new Map(
    made.map(({ share, signatureShare }) => [share.identifier, signatureShare]),
  );
  const { groupCommitment } = first(made);
  return { session, stockCommitments, signatureShares, groupCommitment };
}

/** Round two erases its nonces; a copy leaves the other side its own. */
function copyOf({ nonces: { hiding, binding }, commitment }: RoundOne) {
  const nonces = { hiding: new Uint8Array(hiding), binding: new Uint8Array(binding) };
  return { nonces, commitment };
}

function assertSigned(result: ReturnType<typeof aggregate>): Uint8Array {
  assert(result.kind === "signature", "The shares made no signature");
  return result.signature;
}

function toStockShare({ identifier, secret }: SecretShare) {
  return { identifier: toStockIdentifier(identifier), signingShare: new Uint8Array(secret) };
}

function toStockIdentifier(identifier: number): string {
  return stock.Identifier.fromNumber(identifier);
}

function first<Item>(items: readonly Item[]): Item {
  return assertDefined(items[0], "nothing there");
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

function printTable(title: string, rows: readonly Row[]): void {
  console.log(`\n${title.padEnd(42)}${"Floe ms".padStart(10)}${"stock ms".padStart(10)}   ratio`);
  for (const { name, floeMs, stockMs } of rows) {
    const columns = [floeMs, stockMs].map((ms) => ms.toFixed(3).padStart(10)).join("");
    console.log(`${name.padEnd(42)}${columns}${(stockMs / floeMs).toFixed(1).padStart(8)}`);
  }
}

const figures = SIZES.map((size) => {
  const title = `${size.threshold} of ${size.participants}`;
  const rows = measure(size);
  printTable(title, rows);
  return { title, rows };
});
const rounded = (value: number) => Number(value.toPrecision(4));
console.log();
console.log(JSON.stringify({
  bench: "frost",
  figures: figures.flatMap(({ title, rows }) =>
    rows.map(({ name, floeMs, stockMs }) => ({
      group: title,
      what: name,
      floeMs: rounded(floeMs),
      stockMs: rounded(stockMs),
      ratio: rounded(stockMs / floeMs),
    }))
  ),
}));
