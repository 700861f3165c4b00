/**
 * The gate's share of fuzzing, and tests of what does it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { InputError } from "../../lib/errors.ts";
import { Random } from "../simulator/random.ts";
import { fuzz, FuzzFailure, replay } from "./fuzz.ts";
import { GROWTH_BYTES_MAX, growthOf } from "./memory.ts";
import { bytesTarget, type OpenTarget, refusing, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

/** How many inputs the gate gives from each seed. */
const INPUTS = 102_000;
const ROUNDS = 6;

const SEEDS = ["1", Deno.env.get("FLOE_FUZZ_SEED")].filter((seed) => seed !== undefined);

for (const seed of SEEDS) {
  Deno.test(`${INPUTS} hostile inputs break nothing and are not kept, from seed ${seed}`, async () => {
    const report = await fuzz({
      targets: TARGETS,
      seed,
      inputsPerRound: Math.ceil(INPUTS / ROUNDS),
      more: ({ heap }) => heap.length < ROUNDS,
    });
    assert.ok(report.inputs >= INPUTS);
    for (const [name, { accepted, inputs }] of report.tallies) {
      assert.ok(
        accepted > 0,
        `${name} accepts nothing: its inputs are all refused at the authorizer`,
      );
      assert.ok(accepted < inputs, `${name} refuses nothing: its inputs are not hostile`);
    }
    const growth = growthOf(report.heap);
    assert.ok(growth <= GROWTH_BYTES_MAX, `memory grew by ${growth} bytes: ${report.heap}`);
  });
}

/** A target that does with each input what a test says. */
function targetOf(give: (bytes: Uint8Array) => string): Target {
  return bytesTarget({ name: "test", share: 1, draw: (random) => random.bytes(4), give });
}

function run(target: Target, inputs = 100) {
  return fuzz({
    targets: [target],
    seed: "7",
    inputsPerRound: inputs / 4,
    more: ({ heap }) => heap.length < 4,
  });
}

Deno.test("fuzz() draws the same inputs from the same seed, and others from another", async () => {
  const drawn = async (seed: string) => {
    const inputs: string[] = [];
    const target = targetOf((bytes) => {
      inputs.push(bytes.toHex());
      return "accepted";
    });
    await fuzz({
      targets: [target],
      seed,
      inputsPerRound: 50,
      more: ({ heap }) => heap.length < 1,
    });
    return inputs;
  };
  assert.deepEqual(await drawn("1"), await drawn("1"));
  assert.notDeepEqual(await drawn("1"), await drawn("2"));
});

Deno.test("fuzz() stops at the first input that breaks something, which replay() gives again", async () => {
  const target = targetOf((bytes) =>
    refusing([InputError], () => {
      if (bytes[0] === 0x40) throw new TypeError("it was 0x40");
      if ((bytes[0] ?? 0) > 0x80) throw new InputError("above 0x80");
    })
  );
  const failure = await run(target, 4000).then(() => null, (error) => error);
  assert.ok(failure instanceof FuzzFailure);
  assert.match(failure.input, /^40[0-9a-f]{6}$/);
  assert.match(
    failure.message,
    new RegExp(`deno task fuzz --target test --seed 7 --input ${failure.number}$`),
  );
  const { seed, number } = failure;
  await assert.rejects(replay(target, { seed, number }), { name: "FuzzFailure" });
  const { outcome } = await replay(target, { seed, number: number === 0 ? 1 : 0 });
  assert.ok(["accepted", "InputError"].includes(outcome));
});

Deno.test("fuzz() counts what becomes of inputs by class of refusal", async () => {
  let number = 0;
  const target = targetOf(() =>
    refusing([InputError], () => {
      if (number++ % 4 === 0) throw new InputError("every fourth");
    })
  );
  const tally = (await run(target)).tallies.get("test");
  assert.deepEqual(tally?.outcomes, new Map([["InputError", 25], ["accepted", 75]]));
});

Deno.test("fuzz() takes a rejection that nobody handles for a failure", async () => {
  const target: Target = {
    name: "test",
    share: 1,
    open: (): OpenTarget => ({
      draw: () => ({
        show: () => "",
        bytes: 0,
        run: async () => {
          void Promise.reject(new Error("nobody looks"));
          // Unhandled rejections are told when the event loop comes round.
          await new Promise((resolve) => setTimeout(resolve, 0));
          return "accepted";
        },
      }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  };
  await assert.rejects(run(target), /nobody looks/);
});

Deno.test("refusing() lets no exhausted stack pass for a refusal", () => {
  const overflow = new RangeError("Maximum call stack size exceeded");
  assert.throws(() => {
    refusing([InputError], () => {
      throw new InputError("not valid", { cause: overflow });
    });
  }, InputError);
});

Deno.test("growthOf() sees what is kept of every input", async () => {
  const [inputs, inputsPerRound] = [40, 10];
  const kept: Uint8Array[] = [];
  const target = targetOf(() => {
    // Three times the bound in each round: garbage that goes meanwhile must not hide it.
    kept.push(new Uint8Array(3 * GROWTH_BYTES_MAX / inputsPerRound));
    return "accepted";
  });
  const { heap } = await run(target, inputs);
  assert.equal(kept.length, inputs);
  assert.ok(growthOf(heap) > 2 * GROWTH_BYTES_MAX, `${heap}`);
});

Deno.test("every target has a name of its own and shows its inputs", async () => {
  assert.equal(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length);
  for (const target of TARGETS) {
    await using open = await target.open();
    const attempt = open.draw(new Random(`names/${target.name}`));
    await attempt.run();
    assert.equal(typeof attempt.show(), "string");
  }
});
