/**
 * `deno task bench dkg`: key generation without a dealer. First real processes on this one machine: from
 * the last node being up to the key being durable everywhere.
 *
 * Then all nodes in this one process, over a network that takes no time and disks that forget
 * nothing. So what is measured is computing, the sum of all nodes'.
 *
 * What one node computes on a machine of its own is measured apart: a point that one node of this
 * process has validated costs the others a look-up only. So one node's whole part is recorded, and
 * played again with all its peers' points forgotten.
 *
 * @module
 */

import { createHash, createPublicKey, sign } from "node:crypto";
import { assert, assertDefined } from "../lib/assert.ts";
import type { GenesisRoster } from "../lib/certificate/mod.ts";
import { PrimeOrderPoint, VALIDATED_POINTS_MAX } from "../lib/frost/points.ts";
import {
  carryOut,
  type Input,
  KeyGeneration,
  type KeyGenerationConfig,
  type Message,
  newDurableKeyGeneration,
} from "../lib/keygen/mod.ts";
import { toPrivateKey } from "../lib/native_key.ts";
import { toClusterName, toEpoch, toNodeId } from "../lib/types.ts";
import { found } from "./support/dkg_processes.ts";
import { quantile } from "./support/statistics.ts";

const SIZES = [
  { threshold: 2, voters: 3, repeats: 21, foundings: 9 },
  { threshold: 3, voters: 5, repeats: 15, foundings: 9 },
  { threshold: 4, voters: 7, repeats: 11, foundings: 5 },
  { threshold: 8, voters: 15, repeats: 7, foundings: 3 },
];

type Size = typeof SIZES[number];

/** One whole key generation. */
interface Run {
  /** Milliseconds that all nodes computed, summed. */
  readonly totalMs: number;
  /** Milliseconds that the first node computed, its peers' points unknown to it. */
  readonly nodeMs: number;
  /** Messages sent. */
  readonly messages: number;
  /** Times that a node waited for its disk. */
  readonly writes: number;
}

function runOnce(size: Size): Run {
  seed++;
  const configs = createConfigs(size);
  const first = assertDefined(configs[0], "no nodes");
  const nodes = new Map(configs.map((config) => [config.self, createNode(config)]));
  const network: Message[] = [];
  const received: Message[] = [];
  let [totalMs, messages, writes, done] = [0, 0, 0, 0];
  const step = (to: Message["to"], inputs: readonly Input[]) => {
    const node = assertDefined(nodes.get(to), "no such node");
    const start = performance.now();
    const output = node.step(inputs);
    totalMs += performance.now() - start;
    carryOut(output, {
      persist: () => writes++,
      send: (message) => network.push(message),
      finish: () => done++,
      report: () => {},
    });
  };
  for (const id of nodes.keys()) step(id, []);
  for (let message = network.shift(); message; message = network.shift()) {
    messages++;
    if (message.to === first.self) received.push(message);
    step(message.to, [{ kind: "message", message }]);
  }
  assert(done === configs.length, "Not every node has its key");
  return { totalMs, nodeMs: replay(first, received), messages, writes };
}

/** Plays one node's part again, as on a machine of its own; its randomness must be the same. */
function replay(config: KeyGenerationConfig, received: readonly Message[]): number {
  forgetPoints();
  const start = performance.now();
  const node = createNode(config);
  node.step([]);
  const outputs = received.map((message) => node.step([{ kind: "message", message }]));
  const nodeMs = performance.now() - start;
  assert(outputs.some(({ finished }) => finished !== null), "The replay made no key");
  return nodeMs;
}

/** Fills the memory of validated points with others, each seen for the first time. */
function forgetPoints(): void {
  for (let count = 0; count < VALIDATED_POINTS_MAX; count++) {
    unknownPoint = unknownPoint.add(PrimeOrderPoint.BASE);
    unknownPoint.toBytes();
  }
}

let unknownPoint = PrimeOrderPoint.BASE;

function createNode(config: KeyGenerationConfig): KeyGeneration {
  const randomBytes = repeatableBytes(config.self);
  return new KeyGeneration({ ...config, randomBytes }, newDurableKeyGeneration(config.roster));
}

function createConfigs({ threshold, voters }: Size): KeyGenerationConfig[] {
  const identities = Array.from({ length: voters }, (_, at) => {
    const key = toPrivateKey("ed25519", randomBytes(32));
    const der = createPublicKey(key).export({ format: "der", type: "spki" });
    const identityKey = new Uint8Array(der).slice(-32);
    return { id: toNodeId(`server_${at + 1}`), identityKey, key };
  });
  const roster: GenesisRoster = {
    cluster: toClusterName("floe-bench"),
    epoch: toEpoch(1),
    threshold,
    voters: identities.map(({ id, identityKey }) => ({ id, identityKey })),
  };
  return identities.map(({ id: self, key }) => ({
    roster,
    self,
    sign: (message) => new Uint8Array(sign(null, message, key)),
    randomBytes,
  }));
}

/** The same bytes for the same node of one run of this program. Fit for a benchmark only. */
function repeatableBytes(node: string): (length: number) => Uint8Array {
  let block = 0;
  return (length) =>
    new Uint8Array(createHash("sha512").update(`${node} ${seed} ${block++}`).digest())
      .slice(0, length);
}

let seed = 0;

function measure(size: Size) {
  runOnce(size);
  const runs = Array.from({ length: size.repeats }, () => runOnce(size));
  const median = (pick: (run: Run) => number) => {
    const sorted = runs.map(pick).toSorted((left, right) => left - right);
    return assertDefined(sorted[sorted.length >> 1], "no runs");
  };
  return {
    group: `${size.threshold} of ${size.voters}`,
    totalMs: median(({ totalMs }) => totalMs),
    nodeMs: median(({ nodeMs }) => nodeMs),
    messages: median(({ messages }) => messages),
    writes: median(({ writes }) => writes),
  };
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Whole clusters of processes; the first is thrown away, as Deno compiles then. */
async function measureProcesses({ threshold, voters: nodes, foundings }: Size) {
  await found({ nodes, threshold });
  const fromUpMs: number[] = [];
  const fromStartMs: number[] = [];
  for (let count = 0; count < foundings; count++) {
    const founding = await found({ nodes, threshold });
    fromUpMs.push(founding.fromUpMs);
    fromStartMs.push(founding.fromStartMs);
  }
  return {
    group: `${threshold} of ${nodes}`,
    fromUpMs: Math.round(quantile(fromUpMs, 0.5)),
    fromUpMaxMs: Math.round(Math.max(...fromUpMs)),
    fromStartMs: Math.round(quantile(fromStartMs, 0.5)),
  };
}

function printRow(group: string, values: readonly (string | number)[]): void {
  console.log(group.padEnd(10) + values.map((value) => `${value}`.padStart(14)).join(""));
}

printRow("\ngroup", ["last up ms", "slowest ms", "last start ms"]);
const processes = [];
for (const size of SIZES) {
  const measured = await measureProcesses(size);
  printRow(measured.group, [measured.fromUpMs, measured.fromUpMaxMs, measured.fromStartMs]);
  processes.push(measured);
}

printRow("\ngroup", ["all nodes ms", "one node ms", "messages", "disk writes"]);
const figures = SIZES.map((size) => {
  const { group, totalMs, nodeMs, messages, writes } = measure(size);
  printRow(group, [totalMs.toFixed(1), nodeMs.toFixed(1), messages, writes]);
  const rounded = (value: number) => Number(value.toPrecision(4));
  return { group, totalMs: rounded(totalMs), nodeMs: rounded(nodeMs), messages, writes };
});
console.log();
console.log(JSON.stringify({ bench: "dkg", processes, figures }));
