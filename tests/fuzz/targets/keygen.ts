/**
 * Key generation: its messages as bytes, and a voter that sends whatever it likes in between.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { FaultRule, Message, MessageBody } from "../../../lib/keygen/mod.ts";
import {
  decodeKeyGenerationMessage,
  encodeKeyGenerationMessage,
  isKeyGenerationPayload,
} from "../../../lib/transport/keygen_codec.ts";
import { MessageError } from "../../../lib/transport/message_codec.ts";
import type { NodeId } from "../../../lib/types.ts";
import { nodeId } from "../../certificate/cluster.ts";
import { GOOD_POINT } from "../../frost/weak_points.ts";
import { TestKeygen } from "../../keygen/harness.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateSequence } from "../mutate_sequence.ts";
import { ACCEPTED, bytesTarget, type Outcome, refusing, type Target } from "../target.ts";

const ROUTE = { from: nodeId(3), to: nodeId(1) };
const CONFIGURATION = "0".repeat(64);
const RULES: readonly FaultRule[] = ["bad-share", "bad-proof", "equivocation", "false-echo"];
const STEPS_MAX = 20;

/** Messages of every kind. What is read is read the same when it is written again. */
export const keygenMessages: Target = bytesTarget({
  name: "keygen-messages",
  share: 120,
  draw: (random) => {
    const message = drawMessage(random, { ...ROUTE, heard: [] });
    return mutateSequence(encodeKeyGenerationMessage(message).slice(), random);
  },
  give: (payload) =>
    refusing([MessageError], () => {
      const message = decodeKeyGenerationMessage(payload, ROUTE);
      const copy = encodeKeyGenerationMessage(message).slice();
      assert.ok(isKeyGenerationPayload(copy));
      assert.deepEqual(decodeKeyGenerationMessage(copy, ROUTE), message);
    }),
});

/**
 * A whole key generation, in which the third voter lies. Every promise of the two others is checked
 * with every message that they send and every record that they write.
 */
export const keygen: Target = {
  name: "keygen",
  share: 0.6,
  open: () => ({
    draw: (random) => {
      const trace: string[] = [];
      return {
        show: () => trace.join("\n"),
        bytes: STEPS_MAX,
        run: () => live(random, trace),
      };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
};

function live(random: Random, trace: string[]): Outcome {
  const cluster = new TestKeygen(2, 3, random.below(1000));
  cluster.liars.add(ROUTE.from);
  const heard: Message[] = [];
  cluster.intercept = (message) => {
    heard.push(message);
    return message;
  };
  cluster.start();
  for (let steps = random.between(1, STEPS_MAX); steps > 0; steps--) {
    const to = nodeId(random.between(1, 2));
    if (random.chance(0.2)) cluster.tick(random.between(1, 8));
    else if (random.chance(0.3)) deliverSome(cluster, random);
    else lie(cluster, drawMessage(random, { from: ROUTE.from, to, heard }), trace);
  }
  cluster.deliver();
  const honest = [1, 2].map((number) => cluster.node(number));
  if (honest.every(({ key }) => key !== null)) {
    cluster.assertOneKey(honest);
    return ACCEPTED;
  }
  const faults = honest.flatMap((node) => node.eventsOf("faultFound"));
  for (const { voter } of faults) assert.ok(voter === null || voter === ROUTE.from, `${voter}`);
  return faults.length === 0 ? "unfinished" : "liar found";
}

function deliverSome(cluster: TestKeygen, random: Random): void {
  for (let count = random.below(10); count > 0; count--) {
    const message = cluster.network.shift();
    if (message !== undefined) cluster.receive(message);
  }
}

/** As the wire carries it: what no encoding can carry, no liar can say. */
function lie(cluster: TestKeygen, message: Message, trace: string[]): void {
  const { from, to } = message;
  const payload = encodeKeyGenerationMessage(message).slice();
  trace.push(`${to} hears ${payload.toHex()}`);
  const node = cluster.nodes.get(to);
  assert.ok(node !== undefined);
  const heard = decodeKeyGenerationMessage(payload, { from, to });
  cluster.step(node, [{ kind: "message", message: heard }]);
}

interface Liar {
  readonly from: NodeId;
  readonly to: NodeId;
  /** What was really said, to repeat and to change. */
  readonly heard: readonly Message[];
}

function drawMessage(random: Random, { from, to, heard }: Liar): Message {
  const real = heard.length > 0 ? random.pick(heard) : null;
  if (real !== null && random.chance(0.3)) return { ...real, from, to };
  const envelope = {
    from,
    to,
    configuration: real !== null && random.chance(0.95) ? real.configuration : CONFIGURATION,
    attempt: random.chance(0.7) ? real?.attempt ?? 1 : random.pick([0, 1, 2, 3, 999, 1_000_000]),
  };
  return { ...envelope, ...drawBody(random) };
}

function drawBody(random: Random): MessageBody {
  const signedHash = () => ({ hash: random.bytes(64), signature: random.bytes(64) });
  const some = <Item>(draw: () => Item) => Array.from({ length: random.below(5) }, draw);
  switch (random.below(7)) {
    case 0:
      return { kind: "hash", ...signedHash() };
    case 1:
      return {
        kind: "reveal",
        vssCommitment: some(() => random.chance(0.7) ? GOOD_POINT : random.bytes(32)),
        proofOfKnowledge: random.bytes(64),
        hashes: some(signedHash),
      };
    case 2:
      return { kind: "share", share: random.bytes(32) };
    case 3:
      return { kind: "ready", transcriptHash: random.bytes(32) };
    case 4:
      return { kind: "signed", signature: random.bytes(64) };
    case 5:
      return { kind: "genesis", note: random.pick(["", "floe/genesis/v1\n\n\u2014 a b\n"]) };
    default:
      return {
        kind: "abort",
        voter: random.pick([null, nodeId(1), nodeId(2), nodeId(3)]),
        rule: random.pick(RULES),
      };
  }
}
