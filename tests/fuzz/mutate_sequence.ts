/**
 * Changes sequences of MessagePack values (see `lib/transport/field.ts`) value by value.
 *
 * @module
 */

import { Decoder, Encoder } from "@msgpack/msgpack";
import { concatBytes } from "../../lib/bytes.ts";
import type { Random } from "../simulator/random.ts";
import { drawWildValue, encodeNumber } from "./msgpack.ts";
import { mutateBytes } from "./mutate_bytes.ts";
import { drawCount, drawNumber } from "./values.ts";

const CHANGES_MAX = 3;

const decoder = new Decoder();
const encoder = new Encoder();

type Change = (values: Uint8Array[], random: Random) => void;

const CHANGES: readonly Change[] = [
  (values, random) => replace(values, random, encodeNumber(drawNumber(random), random)),
  (values, random) => replace(values, random, encodeNumber(drawCount(random), random)),
  (values, random) => replace(values, random, drawWildValue(random)),
  (values, random) => values.splice(random.below(values.length + 1), 0, drawWildValue(random)),
  (values, random) => values.splice(random.below(values.length + 1), 1),
  (values, random) => values.splice(random.below(values.length + 1), random.between(1, 5)),
  (values, random) => values.push(...values.slice(random.below(values.length + 1))),
  (values, random) => replace(values, random, random.pick(values)),
];

/**
 * A payload as it is, in another width, with other values, or with other bytes: half of what comes of
 * it is still a sequence.
 */
export function mutateSequence(payload: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.1)) return payload.slice();
  if (random.chance(0.3)) return mutateBytes(payload, random);
  const values = [...decoder.decodeMulti(payload)].map((value) =>
    typeof value === "number" ? encodeNumber(value, random) : encoder.encode(value)
  );
  if (values.length === 0 || random.chance(0.1)) return concatBytes(...values);
  for (let changes = random.between(1, CHANGES_MAX); changes > 0; changes--) {
    if (values.length > 0) random.pick(CHANGES)(values, random);
  }
  return concatBytes(...values);
}

function replace(values: Uint8Array[], random: Random, value: Uint8Array): void {
  values[random.below(values.length)] = value;
}
