/**
 * An attacker on the path changes any frame in any way, as a seed says, in both directions at once, and gains
 * nothing but delay.
 *
 * @module
 */

import assert from "node:assert/strict";
import { concatBytes } from "../../lib/bytes.ts";
import { mutateBytes } from "../fuzz/mutate_bytes.ts";
import { Random } from "../simulator/random.ts";
import { ALPHA, BETA, Directory, readIndexRequest, startNode, type TestNode } from "./harness.ts";
import { type Passing, Proxy, type Tamper } from "./proxy.ts";

/** A time that no test waits for. */
const NEVER_MS = 1_000_000;
const SEEDS = 30;
/** How many frames the attacker tampers with before it stops. */
const TAMPERED_FRAMES = 120;

/** What the attacker does to a frame; `held` are frames that it kept. */
type Trick = (
  bytes: Uint8Array,
  held: Uint8Array[],
  random: Random,
) => readonly (Uint8Array | null)[];

const TRICKS: Readonly<Record<string, Trick>> = {
  drop: () => [],
  hold: (bytes, held) => {
    held.push(bytes);
    return [];
  },
  release: (bytes, held) => [bytes, ...held.splice(0)],
  releaseBefore: (bytes, held) => [...held.splice(0), bytes],
  repeat: (bytes) => [bytes, bytes],
  repeatOlder: (bytes, held, random) => held.length === 0 ? [bytes] : [bytes, random.pick(held)],
  alter: (bytes, _, random) => [mutateBytes(bytes, random)],
  inject: (bytes, _, random) => [random.bytes(random.below(100)), bytes],
  join: (bytes, held) => [concatBytes(...held, bytes)],
  split: (bytes, _, random) => {
    const at = random.below(bytes.length + 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  },
  cut: () => [null],
  cutInside: (bytes, _, random) => [bytes.subarray(0, random.below(bytes.length)), null],
};

/** One man, who sees both directions, and can say to one side what the other said. */
class Tamperer {
  readonly #random: Random;
  readonly #held: Uint8Array[] = [];
  #frames = 0;

  constructor(seed: number) {
    this.#random = new Random(`man in the middle/${seed}`);
  }

  get isTired(): boolean {
    return this.#frames >= TAMPERED_FRAMES;
  }

  readonly tamper: Tamper = ({ bytes }: Passing) => {
    this.#frames += 1;
    if (this.isTired || this.#random.chance(0.7)) return [bytes];
    const trick = this.#random.pick(Object.values(TRICKS));
    return trick(bytes, this.#held, this.#random);
  };
}

/** Sends numbered messages for as long as there is a connection, and then on the next. */
class Speaker {
  readonly #from: TestNode;
  readonly #route: readonly [typeof ALPHA, typeof BETA];
  #said = 0;

  constructor(from: TestNode, route: readonly [typeof ALPHA, typeof BETA]) {
    this.#from = from;
    this.#route = route;
  }

  /** Says the next number, which may be lost. */
  speak(): void {
    const [from, to] = this.#route;
    this.#from.transport.send(readIndexRequest(from, to, ++this.#said));
  }

  /** Takes what the other one has heard: each word as it was said, none twice, all in order. */
  async check(hearer: TestNode, heardBefore: number): Promise<number> {
    const [from, to] = this.#route;
    let last = heardBefore;
    while (hearer.messages.length > 0) {
      const message = await hearer.messages.take();
      assert.ok(message.kind === "readIndexRequest");
      const { batchId } = message;
      assert.deepEqual(message, readIndexRequest(from, to, batchId));
      assert.ok(batchId > last && batchId <= this.#said, `${batchId} after ${last}`);
      last = batchId;
    }
    return last;
  }
}

/** Both nodes reach each other through the man alone. */
function startPair(tamper: Tamper) {
  const timing = {
    backoffInitialMs: 1,
    backoffMaxMs: 5,
    soundAfterMs: NEVER_MS,
    helloTimeoutMs: 100,
    acceptBurstMax: Infinity,
  };
  const [alphas, betas] = [new Directory(ALPHA, BETA), new Directory(ALPHA, BETA)];
  const [toAlpha, toBeta] = [
    new Proxy(() => alphas.port(ALPHA), tamper),
    new Proxy(() => betas.port(BETA), tamper),
  ];
  alphas.setPort(BETA, toBeta.port);
  betas.setPort(ALPHA, toAlpha.port);
  const alpha = startNode(ALPHA, alphas, timing);
  const beta = startNode(BETA, betas, timing);
  const stop = async () => {
    await Promise.all([alpha.transport.close(), beta.transport.close()]);
    await Promise.all([toAlpha, toBeta].map((proxy) => proxy[Symbol.asyncDispose]()));
  };
  return { alpha, beta, stop };
}

/** Lets the event loop come round, so that what is on its way arrives. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test(`an attacker that does anything to anything on its way gains nothing but delay, ${SEEDS} seeds`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const man = new Tamperer(seed);
    const { alpha, beta, stop } = startPair(man.tamper);
    try {
      const speakers = [
        { speaker: new Speaker(alpha, [ALPHA, BETA]), hearer: beta, heard: 0 },
        { speaker: new Speaker(beta, [BETA, ALPHA]), hearer: alpha, heard: 0 },
      ];
      const hear = async () => {
        for (const each of speakers) {
          each.heard = await each.speaker.check(each.hearer, each.heard);
        }
      };
      while (!man.isTired) {
        for (const { speaker } of speakers) speaker.speak();
        await turn();
        await hear();
      }
      const before = speakers.map(({ heard }) => heard);
      // The attacker now forwards everything, so both are heard again.
      while (speakers.some(({ heard }, at) => heard <= (before[at] ?? 0))) {
        for (const { speaker } of speakers) speaker.speak();
        await turn();
        await hear();
      }
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    } finally {
      await stop();
    }
  }
});
