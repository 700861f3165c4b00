/**
 * What stands in frames: sequences, Raft messages, hellos and introductions.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NOTE_LENGTH_MAX } from "../../../lib/certificate/certifier.ts";
import { InputError } from "../../../lib/errors.ts";
import { encodeCommand } from "../../../lib/kv/mod.ts";
import { encodeSequence, type Scalar, SequenceReader } from "../../../lib/transport/field.ts";
import {
  decodeHello,
  decodeIntroduction,
  encodeHello,
  encodeIntroduction,
  type Greeting,
  HelloError,
} from "../../../lib/transport/hello.ts";
import {
  decodeMessage,
  encodeMessage,
  MessageError,
  SHARE_BYTES_MAX,
} from "../../../lib/transport/message_codec.ts";
import type { Random } from "../../simulator/random.ts";
import { ALPHA, BETA, CLUSTER, GAMMA } from "../../transport/harness.ts";
import { drawMessage } from "../messages.ts";
import { drawWildValue } from "../msgpack.ts";
import { mutateSequence } from "../mutate_sequence.ts";
import { bytesTarget, refusing, type Target } from "../target.ts";
import { drawCount, drawText } from "../values.ts";
import { putCommand } from "../../kv/support.ts";

const ROUTE = { from: BETA, to: ALPHA };

/** Any values, read one by one. */
export const sequences: Target = bytesTarget({
  name: "sequences",
  share: 150,
  draw: (random) => mutateSequence(encodeSequence(drawScalars(random)).slice(), random),
  give: (payload) =>
    refusing([InputError], () => {
      const values = readAll(payload);
      const scalars = values.filter(isScalar);
      if (scalars.length < values.length) throw new InputError("more than scalars");
      assert.deepEqual(readAll(encodeSequence(scalars).slice()), values);
    }),
});

/** Messages of every kind. What is read is read the same when it is written again. */
export const messages: Target = bytesTarget({
  name: "messages",
  share: 200,
  draw: (random) =>
    random.chance(0.02)
      ? drawWildValue(random)
      : mutateSequence(encodeMessage(drawMessage(random, SURROUNDINGS)).slice(), random),
  give: (payload) =>
    refusing([MessageError], () => {
      const message = decodeMessage(payload, ROUTE);
      const copy = encodeMessage(message).slice();
      assert.deepEqual(decodeMessage(copy, ROUTE), message);
    }),
});

/** The first frames of a connection, which anybody may send. One greeting has one form. */
export const greetings: Target = bytesTarget({
  name: "greetings",
  share: 120,
  draw: (random) => mutateSequence(encodeHello(drawGreeting(random)).slice(), random),
  give: (payload) =>
    refusing([HelloError], () => {
      assert.deepEqual(encodeHello(decodeHello(payload)).slice(), payload);
    }),
});

/** The first frame within the channel. */
export const introductions: Target = bytesTarget({
  name: "introductions",
  share: 60,
  draw: (random) => {
    const configuration = random.chance(0.3) ? null : random.bytes(random.below(300));
    return mutateSequence(encodeIntroduction({ configuration, memberships: 0 }).slice(), random);
  },
  give: (payload) =>
    refusing([HelloError], () => {
      const introduction = decodeIntroduction(payload);
      assert.deepEqual(decodeIntroduction(encodeIntroduction(introduction).slice()), introduction);
    }),
});

const SURROUNDINGS = {
  ...ROUTE,
  voters: [ALPHA, BETA, GAMMA],
  near: [1, 7, 1000],
  proofs: [],
  notes: ["", "floe/election/v1\n", "\u2014 \u{1f600}", "x".repeat(NOTE_LENGTH_MAX)],
  commitments: [new Uint8Array(64).fill(3), new Uint8Array(SHARE_BYTES_MAX)],
  commands: [encodeCommand(putCommand("k", "v")), new Uint8Array(0)],
};

function drawScalars(random: Random): Scalar[] {
  return Array.from({ length: random.below(20) }, (): Scalar => {
    switch (random.below(5)) {
      case 0:
        return null;
      case 1:
        return random.chance(0.5);
      case 2:
        return drawText(random).toWellFormed().slice(0, 1000);
      case 3:
        return random.bytes(random.below(40));
      default:
        return drawCount(random);
    }
  });
}

function readAll(payload: Uint8Array): unknown[] {
  const reader = new SequenceReader(payload);
  const values: unknown[] = [];
  try {
    // A value takes a byte at least.
    for (let left = payload.length; left > 0; left--) {
      try {
        values.push(reader.next());
      } catch (error) {
        if (error instanceof InputError && error.message.startsWith("missing")) return values;
        throw error;
      }
    }
    reader.end();
    return values;
  } finally {
    reader.close();
  }
}

function isScalar(value: unknown): value is Scalar {
  return typeof value !== "object" || value === null || value instanceof Uint8Array;
}

function drawGreeting(random: Random): Greeting {
  const noise = random.bytes(random.pick([0, 48, 80, 96, 128]));
  switch (random.below(3)) {
    case 0:
      return { kind: "answer", noise };
    case 1:
      return { kind: "refusal", refusal: "wrongKey", cluster: CLUSTER, from: BETA };
    default:
      return { kind: "hello", cluster: CLUSTER, from: BETA, to: ALPHA, noise };
  }
}
