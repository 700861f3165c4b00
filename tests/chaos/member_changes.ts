/**
 * Changes of the members while everything else happens: nodes join, leave and take the place of others whose disk
 * is lost, shares are dealt anew, and the threshold rises and falls. One at a time, as an operator would, who
 * gives a change up when it takes too long.
 *
 * @module
 */

import { FreshConnections } from "../../lib/cli/process_context.ts";
import { ApiClient, systemClock } from "../../lib/client/client.ts";
import { ClientError, MembersClient } from "../../lib/client/mod.ts";
import { pause } from "../../lib/deadline.ts";
import { messageOf } from "../../lib/errors.ts";
import { majorityOf } from "../../lib/margins.ts";
import { verifyCluster } from "../../lib/node/join.ts";
import { toNodeId } from "../../lib/types.ts";
import type { MembersBody, MembersRequestBody } from "../../lib/wire/mod.ts";
import type { Random } from "../simulator/random.ts";
import type { ChaosCluster, Joiner } from "./chaos_cluster.ts";
import type { ChaosNode } from "./chaos_node.ts";

/** The fewest members, and the most. */
const MEMBERS = { least: 5, most: 7 } as const;
/** How many nodes of a lane of faults are out of order at once. */
const BROKEN_MAX = 2;
/** How long a node may take to answer. */
const ANSWER_TIMEOUT_MS = 2_500;
const LOOK_PAUSE_MS = 250;
/** After so long an operator gives a change up, and after so long more something is wrong. */
const PATIENCE_MS = 60_000;
const HARD_TIMEOUT_MS = 150_000;
/** So long a leader must say that there is no change any more of which nobody knows how it ended. */
const FORGOTTEN_MS = 6_000;
/** How often a lost disk is replaced at the end until that is a violation. */
const REPLACEMENTS_MAX = 5;

/** What the changes are made with. */
interface MemberChangesOptions {
  readonly cluster: ChaosCluster;
  readonly random: Random;
  /** Told of what must not be. */
  readonly onViolation: (violation: string) => void;
}

/** A change, and what is to be done for it. */
interface Wanted {
  /** What it is counted as. */
  readonly name: string;
  readonly request: MembersRequestBody;
  readonly joiner: Joiner | null;
}

/** See the module. */
export class MemberChanges implements Disposable {
  readonly #options: MemberChangesOptions;
  readonly #connections = new FreshConnections();
  #deck: string[] = [];

  /** Changes nothing yet. */
  constructor(options: MemberChangesOptions) {
    this.#options = options;
  }

  /** Makes one change, to its end. Returns what it is counted as. */
  async change(): Promise<string> {
    const members = await this.#read();
    if (members === null) return "members: nobody answered";
    const wanted = await this.#draw(members);
    return await this.#make(wanted, members);
  }

  /** At the end: whoever lost its disk is replaced. */
  async finish(): Promise<void> {
    for (let times = 0; times < REPLACEMENTS_MAX; times++) {
      if (this.#lost() === undefined) return;
      await this.change();
    }
    const lost = this.#lost();
    if (lost !== undefined) this.#options.onViolation(`${lost.id} could not be replaced`);
  }

  /** Ends its connections. */
  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }

  #lost(): ChaosNode | undefined {
    return this.#options.cluster.everyone.find(({ standing }) => standing === "lost");
  }

  async #draw(members: MembersBody): Promise<Wanted> {
    const { random } = this.#options;
    const lost = this.#lost();
    if (lost !== undefined) return this.#replace("a lost disk is replaced", lost);
    if (this.#deck.length === 0) {
      this.#deck = [...random.shuffled(["add", "replace", "remove", "refresh", "threshold"])];
    }
    const victim = this.#victim();
    const count = members.members.filter(({ role }) => role !== "removed").length;
    switch (this.#deck.shift()) {
      case "add":
        return count < MEMBERS.most ? this.#add() : refresh();
      case "remove":
        if (victim === null || count <= MEMBERS.least) return refresh();
        return { name: "a node leaves", request: { remove: [victim.id] }, joiner: null };
      case "replace":
        if (victim === null) return refresh();
        if (random.chance(0.5) || !canSpareShare(members)) {
          return this.#replace("a node is replaced", victim);
        }
        await victim.loseDisk();
        return this.#replace("a lost disk is replaced", victim);
      case "threshold":
        return otherThreshold(members);
      default:
        return refresh();
    }
  }

  /** One that nobody spares, and that is on no disk of its own. */
  #victim(): ChaosNode | null {
    const { cluster, random } = this.#options;
    const candidates = cluster.mortals.filter(({ disk }) => disk === null);
    return candidates.length === 0 ? null : random.pick(candidates);
  }

  #add(): Wanted {
    const joiner = this.#options.cluster.prepare();
    if (joiner === null) return refresh();
    return { name: "a node joins", request: { add: [{ card: joiner.card }] }, joiner };
  }

  #replace(name: string, { id }: ChaosNode): Wanted {
    const joiner = this.#options.cluster.prepare();
    if (joiner === null) return { name: "a node leaves", request: { remove: [id] }, joiner };
    return { name, request: { add: [{ card: joiner.card }], remove: [id] }, joiner };
  }

  async #make({ name, request, joiner }: Wanted, before: MembersBody): Promise<string> {
    const begun = await this.#begin(request, before);
    if (typeof begun === "string") {
      this.#settle(before);
      return `${name} (${begun})`;
    }
    const sinceMs = performance.now();
    let waits = joiner;
    let overSinceMs = Infinity;
    for (;; await wait()) {
      const members = await this.#read();
      const passedMs = performance.now() - sinceMs;
      if (members !== null) {
        if (waits !== null && await this.#admit(waits)) waits = null;
        const { id, leader, change, lastChange } = members;
        const isOver = id === leader && change?.id !== begun.id;
        overSinceMs = isOver ? Math.min(overSinceMs, passedMs) : Infinity;
        const isEnded = (lastChange?.id ?? 0) >= begun.id;
        if (isEnded || passedMs - overSinceMs > FORGOTTEN_MS) {
          this.#settle(members);
          const outcome = isEnded ? lastChange?.outcome : "nobody remembers how it ended";
          return outcome === "completed" ? name : `${name} (${outcome})`;
        }
      }
      if (passedMs > HARD_TIMEOUT_MS) {
        this.#options.onViolation(
          `Change ${begun.id} (${name}) has not ended within ${HARD_TIMEOUT_MS} ms: ` +
            JSON.stringify(members?.change ?? null),
        );
        return `${name} (without end)`;
      }
      if (passedMs > PATIENCE_MS) await this.#quietly((client) => client.cancel("it takes long"));
    }
  }

  /** The change's id; or why there is none. What is not known to have begun is looked for. */
  async #begin(
    request: MembersRequestBody,
    before: MembersBody,
  ): Promise<{ readonly id: number } | string> {
    const known = before.lastChange?.id ?? 0;
    const sinceMs = performance.now();
    for (;; await wait()) {
      try {
        return await this.#client().change(request);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        const { change = null, lastChange = null } = await this.#read() ?? {};
        if (change !== null) return change;
        if (lastChange !== null && lastChange.id > known) return lastChange;
        const isLate = performance.now() - sinceMs > PATIENCE_MS;
        if (error.kind !== "unavailable") return `refused: ${messageOf(error)}`;
        if (isLate) return "nobody took it";
      }
    }
  }

  /** Starts a node once it is a member. Whether it is, its own check of the chain says. */
  async #admit({ id }: Joiner): Promise<boolean> {
    const { cluster } = this.#options;
    const chain = await this.#quietly((client) => client.chain());
    if (chain === null || chain.memberships.length === 0) return false;
    const verified = verifyCluster(chain, cluster.group);
    if (!verified.membership.members.some((member) => member.id === id)) return false;
    await cluster.admit(id, verified);
    return true;
  }

  #settle({ members }: MembersBody): void {
    const present = members.filter(({ role }) => role !== "removed");
    this.#options.cluster.settle(present.map(({ id }) => toNodeId(id)));
  }

  async #read(): Promise<MembersBody | null> {
    return await this.#quietly((client) => client.read());
  }

  /** Null when no node can say. */
  async #quietly<Answer>(ask: (client: MembersClient) => Promise<Answer>): Promise<Answer | null> {
    try {
      return await ask(this.#client());
    } catch (error) {
      if (error instanceof ClientError) return null;
      throw error;
    }
  }

  #client(): MembersClient {
    const { endpoints } = this.#options.cluster;
    const { fetch } = this.#connections;
    const timeoutMs = ANSWER_TIMEOUT_MS;
    return new MembersClient(new ApiClient({ endpoints, timeoutMs, fetch, clock: systemClock }));
  }
}

function refresh(): Wanted {
  return { name: "all shares are dealt anew", request: { refresh: true }, joiner: null };
}

/** Whether a share may be lost. A node that was down when shares were dealt has none, so few may be left. */
function canSpareShare({ members, threshold }: MembersBody): boolean {
  return members.filter(({ hasShare }) => hasShare).length > threshold;
}

/** From a bare majority one up, and back. As many may be down as the faults break, or nobody would be led. */
function otherThreshold({ members, threshold }: MembersBody): Wanted {
  const voters = members.filter(({ role }) => role === "voter").length;
  const least = majorityOf(voters);
  const mayRise = threshold === least && voters - (least + 1) >= BROKEN_MAX;
  const request = { threshold: mayRise ? least + 1 : least };
  if (request.threshold === threshold) return refresh();
  return {
    name: `the threshold ${request.threshold > threshold ? "rises" : "falls"}`,
    request,
    joiner: null,
  };
}

async function wait(): Promise<void> {
  await pause(LOOK_PAUSE_MS, new AbortController().signal);
}
