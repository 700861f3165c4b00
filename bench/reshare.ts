/**
 * `deno task bench reshare`: what a resharing computes, to the same voters and the same threshold. Each
 * figure is the median of its repeats, with all points of others seen for the first time, as they are on
 * a machine of its own.
 *
 * - `deal`: an old voter draws its polynomial and evaluates it for everybody.
 * - `check`: a new voter checks all n commitments and its n sub-shares.
 * - `combine`: a new voter sums those of t dealers, and computes everybody's verifying share.
 * - `log bytes`: the commitments that go through the log.
 *
 * Then whole resharings of all nodes in this one process, without network and disks: the sum of all
 * nodes' computing, the signatures of entries included, those of the statement not.
 *
 * @module
 */

import { createPublicKey, sign } from "node:crypto";
import { assert, assertDefined } from "../lib/assert.ts";
import { toFirstMembership, toGenesisStatement } from "../lib/certificate/mod.ts";
import {
  checkReshareCommitment,
  checkSubShare,
  combineSubShares,
  dealReshare,
  PrimeOrderPoint,
  trustedDealerKeygen,
} from "../lib/frost/mod.ts";
import { VALIDATED_POINTS_MAX } from "../lib/frost/points.ts";
import { toPrivateKey } from "../lib/native_key.ts";
import {
  type ReshareInput as Input,
  type ReshareOutput as Output,
  Resharing,
} from "../lib/reshare/mod.ts";
import { toClusterName, toEpoch, toNodeId } from "../lib/types.ts";
import { quantile } from "./support/statistics.ts";

const SIZES = [
  { threshold: 2, voters: 3, repeats: 21 },
  { threshold: 3, voters: 5, repeats: 21 },
  { threshold: 4, voters: 7, repeats: 15 },
  { threshold: 8, voters: 15, repeats: 9 },
  { threshold: 67, voters: 100, repeats: 1 },
];
/** Largest group whose whole resharing runs in this one process in bearable time. */
const WHOLE_VOTERS_MAX = 15;

type Size = typeof SIZES[number];

interface Parts {
  readonly dealMs: number;
  readonly checkMs: number;
  readonly combineMs: number;
}

function measureParts({ threshold, voters }: Size): Parts {
  const options = { minParticipants: threshold, maxParticipants: voters, randomBytes };
  const { group, shares } = trustedDealerKeygen(options);
  const receivers = shares.map(({ identifier }) => identifier);
  const parameters = { group, minParticipants: threshold, receivers };
  const dealing = performance.now();
  const [first, ...others] = shares;
  const own = dealReshare(parameters, assertDefined(first, "no shares"), randomBytes);
  const dealMs = performance.now() - dealing;
  const deals = [own, ...others.map((share) => dealReshare(parameters, share, randomBytes))];
  forgetPoints();
  const checking = performance.now();
  const checked = deals.map(({ commitment: said, subShares: [subShare] }) => {
    const commitment = checkReshareCommitment(parameters, said);
    return { commitment, subShare: checkSubShare(commitment, assertDefined(subShare, "none")) };
  });
  const checkMs = performance.now() - checking;
  const selected = checked.slice(0, threshold);
  const combining = performance.now();
  combineSubShares(parameters, {
    identifier: 1,
    commitments: selected.map(({ commitment }) => commitment),
    subShares: selected.map(({ subShare }) => subShare),
  });
  return { dealMs, checkMs, combineMs: performance.now() - combining };
}

/** From `begin` to everybody's share being durable, all nodes' steps summed. */
function measureWhole(size: Size): number {
  const nodes = createNodes(size);
  const queue: { readonly to: string | null; readonly input: Input }[] = [];
  let [totalMs, ready] = [0, 0];
  const step = (id: string, inputs: readonly Input[]) => {
    const { resharing } = assertDefined(nodes.get(id), "no such node");
    const start = performance.now();
    const { send, propose }: Output = resharing.step(inputs);
    totalMs += performance.now() - start;
    for (const message of send) queue.push({ to: message.to, input: { kind: "message", message } });
    for (const entry of propose) {
      queue.push({ to: null, input: { kind: "committed", entry } });
      if (entry.kind === "ready") ready++;
    }
  };
  const [leader] = nodes.keys();
  const members = [...nodes.values()].map(({ member }) => member);
  const proposal = { isResharing: true, threshold: size.threshold, members, absent: [] };
  step(assertDefined(leader, "no nodes"), [
    { kind: "leading", isLeader: true },
    { kind: "propose", proposal },
  ]);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { to, input } = next;
    for (const id of to === null ? nodes.keys() : [to]) step(id, [input]);
  }
  assert(ready === size.voters, "Not every node has its new share");
  return totalMs;
}

function createNodes({ threshold, voters }: Size) {
  const options = { minParticipants: threshold, maxParticipants: voters, randomBytes };
  const { group, shares } = trustedDealerKeygen(options);
  const people = shares.map(({ identifier, secret }) => {
    const key = toPrivateKey("ed25519", randomBytes(32));
    const der = createPublicKey(key).export({ format: "der", type: "spki" });
    const member = {
      id: toNodeId(`server_${identifier}`),
      role: "voter",
      identifier,
      identityKey: new Uint8Array(der).slice(-32),
      channelKey: randomBytes(32),
      peerAddress: `127.0.0.1:${7100 + identifier}`,
      apiAddress: null,
    } as const;
    return { member, key, secret };
  });
  const epoch = toEpoch(1);
  const membership = toFirstMembership(toGenesisStatement(
    {
      cluster: toClusterName("floe-bench"),
      epoch,
      threshold,
      voters: people.map(({ member: { id, identityKey } }) => ({ id, identityKey })),
    },
    group,
    randomBytes(32),
  ));
  return new Map(people.map(({ member, key, secret }) => {
    const signAs = (message: Uint8Array) => new Uint8Array(sign(null, message, key));
    const record = { current: { epoch, change: null, secret }, next: null };
    const config = { self: member.id, membership, sign: signAs, randomBytes };
    return [member.id as string, { member, resharing: new Resharing(config, record) }];
  }));
}

/** Fills the memory of validated points with others, each seen for the first time. */
function forgetPoints(): void {
  for (let count = 0; count < VALIDATED_POINTS_MAX; count++) {
    unknownPoint = unknownPoint.add(PrimeOrderPoint.BASE);
    unknownPoint.toBytes();
  }
}

let unknownPoint = PrimeOrderPoint.BASE;

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

function measure(size: Size) {
  if (size.repeats > 1) measureParts(size);
  const runs = Array.from({ length: size.repeats }, () => measureParts(size));
  const median = (pick: (run: Parts) => number) => quantile(runs.map(pick), 0.5);
  const isWhole = size.voters <= WHOLE_VOTERS_MAX;
  const wholes = isWhole ? Array.from({ length: 5 }, () => measureWhole(size)) : [];
  return {
    group: `${size.threshold} of ${size.voters}`,
    dealMs: median(({ dealMs }) => dealMs),
    checkMs: median(({ checkMs }) => checkMs),
    combineMs: median(({ combineMs }) => combineMs),
    logBytes: size.voters * size.threshold * 32,
    wholeMs: isWhole ? quantile(wholes, 0.5) : null,
  };
}

function printRow(group: string, values: readonly (string | number)[]): void {
  console.log(group.padEnd(12) + values.map((value) => `${value}`.padStart(14)).join(""));
}

printRow("group", ["deal ms", "check ms", "combine ms", "log bytes", "all nodes ms"]);
const figures = SIZES.map((size) => {
  const { group, dealMs, checkMs, combineMs, logBytes, wholeMs } = measure(size);
  const rounded = (value: number) => Number(value.toPrecision(3));
  const whole = wholeMs === null ? null : rounded(wholeMs);
  const row = { group, dealMs: rounded(dealMs), checkMs: rounded(checkMs) };
  const figure = { ...row, combineMs: rounded(combineMs), logBytes, wholeMs: whole };
  printRow(group, [
    figure.dealMs,
    figure.checkMs,
    figure.combineMs,
    logBytes,
    whole ?? "-",
  ]);
  return figure;
});
console.log();
console.log(JSON.stringify({ bench: "reshare", figures }));
