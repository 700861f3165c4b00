/**
 * The simulated network: every message may be lost, doubled, late or out of order, and every link
 * may be cut in one direction or clogged.
 *
 * @module
 */

import type { LeaseMessage } from "../../lib/kv/mod.ts";
import type { Message } from "../../lib/raft/mod.ts";
import { decodeLeaseMessage, encodeLeaseMessage } from "../../lib/transport/lease_codec.ts";
import { decodeMessage, encodeMessage } from "../../lib/transport/message_codec.ts";
import type { NodeId } from "../../lib/types.ts";
import type { Counters } from "./counters.ts";
import type { EventQueue } from "./event_queue.ts";
import type { Random } from "./random.ts";
import type { NetworkScenario } from "./scenario.ts";

/** What travels from node to node. */
export type Carried = Message | LeaseMessage;

/** What the network needs of the rest of the world. */
export interface NetworkOptions {
  /** Time. */
  readonly queue: EventQueue;
  /** Chance. */
  readonly random: Random;
  /** Rates. */
  readonly scenario: NetworkScenario;
  /** Whether messages travel as bytes. */
  readonly encodes: boolean;
  /** Counts what befalls messages. */
  readonly counters: Counters;
  /** Whether a node stands far away from the others. */
  readonly isFar: (node: NodeId) => boolean;
  /** Hands a message to its receiver. */
  readonly deliver: (message: Carried) => void;
  /** Told of each message that is lost. */
  readonly lost: (message: Carried, why: string) => void;
}

/** One direction between two nodes. */
interface Link {
  /** By how many faults it is cut just now. */
  cuts: number;
  /** Nothing arrives before; then all that was sent does. */
  cloggedUntilUs: number;
  /** When the newest message in order arrives. */
  lastArrivalUs: number;
}

/** How many messages to one node are kept for an echo: the newest. */
const ECHOES_MAX = 8;

/** Carries messages, in a manner of speaking. */
export class Network {
  readonly #options: NetworkOptions;
  readonly #links = new Map<string, Link>();
  readonly #echoes = new Map<NodeId, Carried[]>();
  #isHealed = false;

  /** A network in which nothing is cut. */
  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Puts a message on its way at `atUs`. */
  send(message: Carried, atUs: number): void {
    const { random, scenario, counters, lost } = this.#options;
    const link = this.#link(message.from, message.to);
    if (link.cuts > 0) return lost(message, "cut");
    if (!this.#isHealed && random.chance(scenario.dropRate)) {
      counters.count("network.drop");
      return lost(message, "dropped");
    }
    this.#schedule(message, link, atUs);
    if (!this.#isHealed && random.chance(scenario.duplicateRate)) {
      counters.count("network.duplicate");
      this.#schedule(message, link, atUs);
    }
    if (isForLeader(message) && random.chance(scenario.echoRate)) this.#keep(message);
  }

  /** A node leads: what it was sent when it led before may reach it once more. */
  echo(leader: NodeId): void {
    const { counters, queue } = this.#options;
    if (this.#isHealed) return;
    for (const message of this.#echoes.get(leader) ?? []) {
      counters.count("network.echo");
      this.#schedule(message, this.#link(message.from, leader), queue.nowUs);
    }
    this.#echoes.delete(leader);
  }

  /** Cuts one direction until it is mended as often. */
  cut(from: NodeId, to: NodeId): void {
    this.#link(from, to).cuts++;
  }

  /** Undoes one {@linkcode cut}. */
  mend(from: NodeId, to: NodeId): void {
    const link = this.#link(from, to);
    link.cuts = Math.max(0, link.cuts - 1);
  }

  /** Holds back everything in one direction until then. */
  clog(from: NodeId, to: NodeId, untilUs: number): void {
    const link = this.#link(from, to);
    link.cloggedUntilUs = Math.max(link.cloggedUntilUs, untilUs);
  }

  /** Mends every link and from now on loses and delays nothing. */
  heal(): void {
    this.#isHealed = true;
    this.#links.clear();
  }

  #keep(message: Carried): void {
    const kept = [...this.#echoes.get(message.to) ?? [], message];
    this.#echoes.set(message.to, kept.slice(-ECHOES_MAX));
  }

  #schedule(message: Carried, link: Link, sentUs: number): void {
    const { queue, encodes } = this.#options;
    const atUs = this.#arrivalUs(link, sentUs + this.#distanceUs(message));
    const carried = encodes ? recode(message) : message;
    queue.at(atUs, () => this.#arrive(carried));
  }

  /** A link that was cut meanwhile loses what is on its way. */
  #arrive(message: Carried): void {
    if (this.#link(message.from, message.to).cuts > 0) {
      return this.#options.lost(message, "cut on its way");
    }
    this.#options.deliver(message);
  }

  /** Two nodes that are both far away stand together. */
  #distanceUs({ from, to }: Carried): number {
    const { isFar, scenario } = this.#options;
    return isFar(from) === isFar(to) ? 0 : scenario.farUs;
  }

  #arrivalUs(link: Link, sentUs: number): number {
    const { random, scenario, counters } = this.#options;
    let delayUs = scenario.latencyUsMin + random.exponential(scenario.latencyUsMean);
    if (this.#isHealed) return sentUs + delayUs;
    let mayOvertake = random.chance(scenario.reorderRate);
    if (random.chance(scenario.longTailRate)) {
      counters.count("network.longTail");
      delayUs += random.exponential(scenario.longTailUsMean);
      mayOvertake = true;
    }
    const atUs = Math.max(sentUs + delayUs, link.cloggedUntilUs);
    if (mayOvertake) {
      counters.count("network.reorder");
      return atUs;
    }
    link.lastArrivalUs = Math.max(link.lastArrivalUs, atUs);
    return link.lastArrivalUs;
  }

  #link(from: NodeId, to: NodeId): Link {
    const name = `${from}>${to}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { cuts: 0, cloggedUntilUs: 0, lastArrivalUs: 0 };
      this.#links.set(name, link);
    }
    return link;
  }
}

function isForLeader({ kind }: Carried): boolean {
  return kind === "leaseRequest" || kind === "appendResponse" || kind === "proposeRequest";
}

/** Whether a message is about a lease. */
export function isLeaseMessage(message: Carried): message is LeaseMessage {
  return message.kind === "leaseRequest" || message.kind === "leaseResponse";
}

function recode(message: Carried): Carried {
  const route = { from: message.from, to: message.to };
  if (isLeaseMessage(message)) {
    return decodeLeaseMessage(encodeLeaseMessage(message).slice(), route);
  }
  // The encoder hands out a shared buffer.
  return decodeMessage(encodeMessage(message).slice(), route);
}
