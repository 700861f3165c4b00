/**
 * The consensus core in a cluster with a voter that lies. It does as it should until it says, in
 * between, whatever it likes.
 *
 * @module
 */

import { encodeUtf8 } from "../../../lib/bytes.ts";
import type { Message, TermProof } from "../../../lib/raft/mod.ts";
import { decodeMessage, encodeMessage } from "../../../lib/transport/message_codec.ts";
import { toNodeId } from "../../../lib/types.ts";
import { ELECTION_TIMEOUT_TICKS, propose, TestCluster } from "../../raft/harness.ts";
import { type TestNode, UNREADABLE_COMMAND } from "../../raft/test_node.ts";
import type { Random } from "../../simulator/random.ts";
import { drawMessage, type Surroundings } from "../messages.ts";
import { ACCEPTED, type Outcome, type Target } from "../target.ts";

const VOTERS = ["n1", "n2", "n3"].map(toNodeId);
const [LIAR] = ["n3"].map(toNodeId);
const STEPS_MAX = 60;

/** Every step of every node is checked by the invariants of `lib/raft`. */
export const core: Target = {
  name: "core",
  share: 15,
  open: () => ({
    draw: (random) => {
      const life = new Life(random);
      return { show: () => life.trace.join("\n"), bytes: STEPS_MAX, run: () => life.live() };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
};

/** One cluster, from its beginning to the end of an input. */
class Life {
  readonly trace: string[] = [];
  readonly #random: Random;
  readonly #cluster: TestCluster;
  readonly #commitments: Uint8Array[] = [new Uint8Array(64)];
  readonly #notes: string[] = ["", "floe/election/v1\n\n\u2014 test AAAA\n"];
  readonly #proofs: TermProof[] = [];
  #proposals = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#cluster = new TestCluster({
      size: 3,
      threshold: 2,
      compacts: random.chance(0.5),
      random: () => random.fraction(),
    });
    // The liar hears, and so can repeat, what is really said.
    this.#cluster.intercept = (message) => this.#overhear(message);
  }

  live(): Outcome {
    // Whoever times out first leads, if anybody does by then.
    const ticks = this.#random.chance(0.9) ? 4 * ELECTION_TIMEOUT_TICKS : 0;
    for (let tick = 0; tick < ticks && this.#cluster.findLeader() === null; tick++) {
      this.#cluster.tick();
    }
    for (let steps = this.#random.below(STEPS_MAX); steps > 0; steps--) this.#step();
    this.#cluster.deliver();
    const refusals = [...this.#cluster.nodes.values()].flatMap((node) => [
      ...node.eventsOf("messageRefused"),
      ...node.eventsOf("certificateRefused"),
    ]);
    return refusals.length === 0 ? ACCEPTED : "refused by the core";
  }

  #step(): void {
    const node = this.#cluster.node(this.#random.pick(["n1", "n2"]));
    switch (this.#random.below(10)) {
      case 0:
        return this.#do(`${node.id} proposes`, () => propose(node, "x", ++this.#proposals));
      case 1:
        return this.#do(`${node.id} reads`, () => {
          node.step({ kind: "read", readId: ++this.#proposals, lease: this.#random.chance(0.5) });
        });
      case 2:
        return this.#do("everybody ticks", () => this.#cluster.tick(this.#random.between(1, 15)));
      case 3:
        return this.#do(`${node.id} ticks`, () => node.tick(this.#random.between(1, 25)));
      case 4:
        return this.#do("the network delivers", () => this.#cluster.deliver());
      case 5:
        return this.#restart(node);
      default:
        return this.#lie(node);
    }
  }

  #restart(node: TestNode): void {
    if (this.#random.chance(0.8)) return this.#lie(node);
    this.#do(`${node.id} restarts`, () => node.restart());
  }

  /** As the wire carries it: what no encoding can carry, no liar can say. */
  #lie(node: TestNode): void {
    const said = drawMessage(this.#random, this.#surroundings(node));
    const { from, to } = said;
    const heard = decodeMessage(encodeMessage(said).slice(), { from, to });
    this.#do(`${JSON.stringify(heard)}`, () => node.receive(heard));
  }

  #surroundings(node: TestNode): Surroundings {
    const { state } = node.raft;
    return {
      from: LIAR ?? node.id,
      to: node.id,
      voters: VOTERS,
      near: [state.currentTerm, state.log.last.index, state.commitIndex, state.log.base.index],
      notes: this.#notes,
      proofs: this.#proofs,
      commitments: this.#commitments,
      commands: [encodeUtf8("lie"), UNREADABLE_COMMAND],
    };
  }

  #do(what: string, act: () => void): void {
    this.trace.push(what);
    act();
  }

  #overhear(message: Message): Message {
    if ("commitment" in message && message.commitment !== null) {
      this.#commitments.push(message.commitment);
    }
    if ("proof" in message && message.proof !== null) this.#proofs.push(message.proof);
    if ("share" in message && message.share !== null) this.#commitments.push(message.share);
    if ("certificate" in message && message.certificate !== null) {
      this.#notes.push(message.certificate);
    }
    return message;
  }
}
