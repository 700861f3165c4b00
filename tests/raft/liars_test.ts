/** Up to n - t voters that lie cost time and never the cluster. Real cores at the default times. */

import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { toGrantsProof } from "../../lib/raft/term_proof.ts";
import { type NodeId, plus, Term, toLogIndex, toTerm } from "../../lib/types.ts";
import { proofOf } from "../support/grant_double.ts";
import { propose, seededRandom } from "./harness.ts";
import { proof } from "./messages.ts";
import { SlowNetwork } from "./slow_network.ts";
import type { TestNode } from "./test_node.ts";

const LAN = (random: () => number) => () => 0.2 + random();
const CASES = [[3, 4], [4, 5], [5, 7], [6, 7], [3, 5]] as const;
const SEEDS = [1];
/** How long one leader may take to come: the bound that `mod.ts` argues for, with room. */
const ELECTION_MS_MAX = 20_000;

/** What each liar says in place of its own messages. */
type Lie = (message: Message) => readonly Message[];

const isAnswer = ({ kind }: Message) => kind.endsWith("Response");

const LIES: Readonly<Record<string, Lie>> = {
  "refuses everything with term + 1": (message) => {
    if (!isAnswer(message)) return [];
    const { from, to } = message;
    const term = plus(message.term, 1);
    const none = { granted: false, commitment: null, incarnation: 1, proof: null } as const;
    const refusal = { from, to, term };
    const outcome = { kind: "staleTerm", proof: proof(from, term) } as const;
    switch (message.kind) {
      case "preVoteResponse":
        return [{ ...refusal, ...none, kind: message.kind, grant: null, memberships: [] }];
      case "voteResponse": {
        const { kind, requestTerm, session } = message;
        return [{ ...refusal, ...none, kind, requestTerm, session, share: null }];
      }
      case "appendResponse":
        return [{
          ...refusal,
          kind: message.kind,
          round: message.round,
          promiseTicks: 10,
          outcome,
        }];
      default:
        return [{ ...message, term }];
    }
  },
  "says nothing": () => [],
  "grants everything and signs wrongly": (message) =>
    message.kind === "voteResponse" && message.share !== null
      ? [{ ...message, share: new Uint8Array(32) }]
      : [message],
  "grants everything and never votes": (message) =>
    message.kind === "voteResponse" ? [] : [message],
};

/** When a liar that has the grants for a term opens it, and for whom. */
type Opening = (
  seen: Message | null,
  round: number,
  honest: readonly NodeId[],
) => readonly NodeId[];

/** Liars that ask for grants all the time, and never lead by them. */
const OPENINGS: Readonly<Record<string, Opening>> = {
  "always stand first and never finish": (_seen, _round, honest) => honest,
  "stand when another does, to one voter each": (seen, round, honest) =>
    seen?.kind === "preVoteRequest" ? [honest[round % honest.length] ?? seen.from] : [],
  "hoard grants until there is a leader": (seen, _round, honest) =>
    seen?.kind === "appendRequest" ? honest : [],
  "hoard grants and show each to one voter": (seen, round, honest) =>
    seen?.kind === "appendRequest" ? [honest[round % honest.length] ?? seen.from] : [],
  "ask for grants and use none": () => [],
};

/** One of them. It says nothing else. */
class Stander {
  readonly #self: NodeId;
  readonly #world: () => SlowNetwork;
  readonly #opening: Opening;
  #term = toTerm(0);
  #rounds = 0;
  #grants = new Map<NodeId, { readonly signature: Uint8Array }>();
  #hasOpened = false;

  constructor(self: NodeId, opening: Opening, world: () => SlowNetwork) {
    this.#self = self;
    this.#opening = opening;
    this.#world = world;
  }

  hear(message: Message, isLiar: (id: NodeId) => boolean): void {
    if (message.to !== this.#self || isLiar(message.from)) return;
    const isRequest = message.kind === "preVoteRequest";
    const isGrant = message.kind === "preVoteResponse" && message.granted;
    this.#learn(isRequest || isGrant ? plus(message.term, -1) : message.term);
    if (isGrant && message.term === this.#term + 1 && message.grant !== null) {
      this.#grants.set(message.from, { signature: message.grant });
    }
    this.act(isLiar, message);
  }

  act(isLiar: (id: NodeId) => boolean, seen: Message | null = null): void {
    const { cluster, nowMs } = this.#world();
    const { certifier } = cluster.node(this.#self);
    const honest = certifier.voters.filter((id) => !isLiar(id));
    const term = plus(this.#term, 1);
    const claim = { lastLogIndex: toLogIndex(1_000_000), lastLogTerm: term, transfer: true };
    const from = this.#self;
    const asked = { epoch: certifier.epoch, sequence: 0, membership: null, proof: null };
    if (seen === null && nowMs % 5 === 0) {
      for (const to of honest) {
        this.#world().send({ kind: "preVoteRequest", from, to, term, ...claim, ...asked });
      }
    }
    const opened = { term, candidate: from };
    // Liars grant each other everything.
    for (const liar of certifier.voters.filter(isLiar)) {
      const [grant] = proofOf(certifier, opened, [liar]).grants;
      if (grant !== undefined) this.#grants.set(liar, grant);
    }
    if (this.#grants.size < certifier.threshold || this.#hasOpened) return;
    const chosen = this.#opening(seen, this.#rounds, honest);
    if (chosen.length === 0) return;
    this.#hasOpened = true;
    this.#rounds++;
    const shown = toGrantsProof({ ...opened, certifier, membership: null }, this.#grants);
    for (const to of chosen) {
      const request = { epoch: certifier.epoch, session: 1, commitments: [], proof: shown };
      this.#world().send({ kind: "voteRequest", from, to, term, ...claim, ...request });
    }
  }

  #learn(term: Term): void {
    if (term <= this.#term) return;
    this.#term = term;
    this.#grants = new Map();
    this.#hasOpened = false;
  }
}

interface Liars {
  readonly rewrite: (message: Message, isLiar: (id: NodeId) => boolean) => readonly Message[];
  readonly opening: Opening | null;
}

const LIARS: Readonly<Record<string, Liars>> = {
  ...Object.fromEntries(
    Object.entries(LIES).map(([name, tell]): [string, Liars] => [name, {
      rewrite: (message, isLiar) => isLiar(message.from) ? tell(message) : [message],
      opening: null,
    }]),
  ),
  ...Object.fromEntries(
    Object.entries(OPENINGS).map(([name, opening]): [string, Liars] => [name, {
      rewrite: (message, isLiar) => isLiar(message.from) ? [] : [message],
      opening,
    }]),
  ),
};

function worldOf(
  { rewrite, opening }: Liars,
  { size, threshold, seed }: {
    readonly size: number;
    readonly threshold: number;
    readonly seed: number;
  },
): SlowNetwork {
  const random = seededRandom(seed);
  const liars = size - threshold;
  const isLiar = (id: NodeId) => Number(id.slice(1)) <= liars;
  const standers: Stander[] = [];
  const world = new SlowNetwork({
    size,
    threshold,
    random,
    latencyMs: LAN(random),
    rewrite: (message) => rewrite(message, isLiar),
    overhear: (message) => standers.forEach((stander) => stander.hear(message, isLiar)),
    act: () => standers.forEach((stander) => stander.act(isLiar)),
  });
  if (opening === null) return world;
  for (const id of world.cluster.nodes.keys()) {
    if (isLiar(id)) standers.push(new Stander(id, opening, () => world));
  }
  return world;
}

for (const [lie, liars] of Object.entries(LIARS)) {
  for (const [threshold, size] of CASES) {
    const what = `${size - threshold} of ${size} that ${lie}`;
    Deno.test(`liars, ${what}: elections go on (t = ${threshold})`, () => {
      for (const seed of SEEDS) {
        checkElections(worldOf(liars, { size, threshold, seed }), threshold);
      }
    });
  }
}

/** Three times a leader that takes a write and leads on, until it is cut off for so long that it steps down. */
function checkElections(world: SlowNetwork, threshold: number): void {
  for (let elections = 1; elections <= 3; elections++) {
    const leader = waitForLastingLeader(world, threshold);
    assert.ok(leader !== null, `election ${elections}`);
    propose(leader, `x${elections}`, elections);
    const isApplied = () => leader.appliedCommands.includes(`x${elections}`);
    assert.ok(world.run(500, isApplied), "a write commits");
    const isDeposed = () => leader.raft.state.role.name !== "leader";
    assert.equal(world.run(2_000, isDeposed), false, "it leads on while the liars lie on");
    world.down.add(leader.id);
    world.run(1_200);
    world.down.delete(leader.id);
  }
}

/** A leader for an election timeout. By the grants of one silence, liars may depose one before it. */
function waitForLastingLeader(world: SlowNetwork, threshold: number): TestNode | null {
  for (const untilMs = world.nowMs + ELECTION_MS_MAX; world.nowMs < untilMs;) {
    const leader = world.waitForLeader(threshold, untilMs - world.nowMs);
    if (leader === null) return null;
    if (!world.run(500, () => leader.raft.state.role.name !== "leader")) return leader;
  }
  return null;
}
