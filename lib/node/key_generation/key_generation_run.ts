/**
 * One node's part in key generation while its process runs: the protocol of `lib/keygen`, driven by a clock
 * and by messages from the network.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { sign } from "node:crypto";
import { setImmediate } from "node:timers";
import { type PinnedClusterConfig, toGenesisRoster } from "../../config/mod.ts";
import { EnvironmentError } from "../../errors.ts";
import {
  carryOut,
  type DurableKeyGeneration,
  type GeneratedKey,
  hashConfiguration,
  type Input,
  KeyGeneration,
  type Message,
  newDurableKeyGeneration,
} from "../../keygen/mod.ts";
import type { NodeIdentity } from "../../keys/mod.ts";
import { LogLimiter } from "../../transport/mod.ts";
import type { NodeId } from "../../types.ts";
import type { KeyGenerationNetwork, NetworkUser } from "../network.ts";
import { Journal, type KeyGenerationReport, toReport } from "./report.ts";

/** One tick of the protocol's clock, in milliseconds. */
const KEYGEN_TICK_MS = 100;

/**
 * Most messages of one peer that are handled in a tick. Further ones are dropped, as the network could have
 * dropped them, and are sent again if needed. A whole attempt takes five; a false certificate is the slowest
 * to check.
 */
export const MESSAGES_PER_TICK_MAX = 16;

/** The parts of the node that a run uses. */
export interface KeyGenerationOptions {
  /** The cluster's configuration, with every node's public keys. */
  readonly config: PinnedClusterConfig;
  /** This node. */
  readonly self: NodeId;
  /** Its own keys: each node signs as itself. */
  readonly identity: NodeIdentity;
  /** Its peers. */
  readonly network: KeyGenerationNetwork;
  /** The durable record of an earlier run; null if the node has not joined yet. The run erases its share. */
  readonly record: DurableKeyGeneration | null;
  /** Makes the record durable before it returns, and erases the share in the given copy. */
  readonly persist: (record: DurableKeyGeneration) => void;
  /** Makes the key durable before it returns, and erases the share in the given copy. */
  readonly keep: (key: GeneratedKey) => void;
  /** By default {@linkcode KEYGEN_TICK_MS}. */
  readonly tickMs?: number;
}

/** A node's key generation, from {@linkcode start} to its end. */
export class KeyGenerationRun implements NetworkUser {
  /**
   * Resolves once the key is durable.
   *
   * @throws {EnvironmentError} when the disk failed, or this node can never have its key.
   */
  readonly finished: Promise<void>;

  readonly #options: KeyGenerationOptions;
  readonly #configuration: string;
  readonly #generation: KeyGeneration;
  readonly #journal = new Journal();
  readonly #end = Promise.withResolvers<void>();
  readonly #running = new Set<NodeId>();
  readonly #messageCounts = new Map<NodeId, number>();
  #inputs: Input[] = [];
  /** Whether this node takes part: all voters are connected and agree, or some have already begun. */
  #hasJoined: boolean;
  #timer: ReturnType<typeof setInterval> | null = null;
  #isTurnDue = false;
  #genesis: string | null = null;
  #hasEnded = false;

  /**
   * Takes the durable record of an earlier run; does nothing yet.
   *
   * @throws {InputError} when the record is damaged.
   */
  constructor(options: KeyGenerationOptions) {
    const { config, self, identity, record } = options;
    const roster = toGenesisRoster(config);
    this.#options = options;
    this.#configuration = hashConfiguration(roster);
    this.#hasJoined = record !== null;
    try {
      this.#generation = new KeyGeneration({
        roster,
        self,
        sign: (message) => new Uint8Array(sign(null, message, identity.signingKey)),
        randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      }, record ?? newDurableKeyGeneration(roster));
    } finally {
      // Key generation has its own copy, which it erases; this one would stay in memory as long as the
      // process.
      record?.share?.secret.fill(0);
    }
    this.finished = this.#end.promise;
    // A caller that waits for it learns of a failure. A caller that has stopped the run does not need to.
    this.finished.catch(() => {});
  }

  /** Begins to handle messages and ticks. */
  start(): void {
    const { network, tickMs = KEYGEN_TICK_MS } = this.#options;
    network.use(this);
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#wake();
  }

  /** Ends this node's part, and erases every secret in memory. What is durable stays. */
  stop(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    eraseShares(this.#inputs);
    this.#inputs = [];
    this.#generation.erase();
  }

  /** This node's progress, and the peers that it waits for. */
  get report(): KeyGenerationReport {
    const { config, self, network } = this.#options;
    return toReport({
      config,
      self,
      status: this.#generation.status,
      hasJoined: this.#hasJoined,
      isKeyMade: this.#running.size > 0,
      genesis: this.#genesis,
      viewOf: (peer) => ({
        isConnected: network.isConnected(peer),
        isConfigurationEqual: network.isConfigurationEqual(peer),
      }),
    });
  }

  /** See {@linkcode NetworkUser}: only a node with a key speaks Raft. */
  onMessage({ from }: { readonly from: NodeId }): void {
    if (this.#running.has(from)) return;
    this.#running.add(from);
    this.#wake();
  }

  /** See {@linkcode NetworkUser}. */
  onKeyGenerationMessage(message: Message): void {
    const count = this.#messageCounts.get(message.from) ?? 0;
    if (this.#hasEnded || count >= MESSAGES_PER_TICK_MAX) return eraseShare(message);
    this.#messageCounts.set(message.from, count + 1);
    this.#add({ kind: "message", message });
  }

  /** See {@linkcode NetworkUser}. */
  onConnected(peer: NodeId): void {
    this.#add({ kind: "connected", peer });
  }

  /** See {@linkcode NetworkUser}. The peer can have another configuration when it connects again. */
  onDisconnected(peer: NodeId): void {
    this.#running.delete(peer);
  }

  #tick(): void {
    this.#messageCounts.clear();
    this.#add({ kind: "tick" });
  }

  #add(input: Input): void {
    if (this.#hasEnded) return;
    this.#inputs.push(input);
    this.#wake();
  }

  /** All messages that arrive in one turn of the event loop are handled together, and share one write. */
  #wake(): void {
    if (this.#isTurnDue || this.#hasEnded) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    if (this.#hasEnded) return;
    const inputs = this.#inputs;
    this.#inputs = [];
    try {
      this.#hasJoined ||= this.#mayJoin(inputs);
      if (this.#hasJoined) this.#step(inputs);
      if (!this.#hasEnded) this.#journal.waiting(this.report);
    } catch (error) {
      // After a failed disk or a broken invariant, it is no longer certain what is durable.
      this.#fail(error);
    } finally {
      eraseShares(inputs);
    }
  }

  /**
   * The first attempt begins when all voters are connected and agree, so that no attempt is spent on waiting.
   * A node that comes late, when others have begun, joins at once, to learn their progress.
   */
  #mayJoin(inputs: readonly Input[]): boolean {
    const { network } = this.#options;
    const haveAllMet = this.#generation.status.peers.every(({ id }) =>
      network.isConnected(id) && network.isConfigurationEqual(id) === true
    );
    return haveAllMet || this.#running.size > 0 ||
      inputs.some((input) =>
        input.kind === "message" && input.message.configuration === this.#configuration
      );
  }

  #step(inputs: readonly Input[]): void {
    const { network, persist, keep } = this.#options;
    carryOut(this.#generation.step(inputs), {
      persist,
      send: (message) => {
        network.sendKeyGeneration(message);
        eraseShare(message);
      },
      finish: (key) => {
        this.#genesis = key.genesis.note;
        keep(key);
        this.#finish();
      },
      report: (event) => this.#journal.event(event),
    });
    this.#checkHope();
  }

  /** Ends the run if this node can never get its key. */
  #checkHope(): void {
    const { phase, attempt } = this.#generation.status;
    const { config, self } = this.#options;
    if (phase === "shareLost") this.#fail(shareLost(config, self));
    if (phase === "exhausted") this.#fail(exhausted(attempt));
  }

  #finish(): void {
    this.stop();
    this.#end.resolve();
  }

  #fail(error: unknown): void {
    this.stop();
    this.#end.reject(error);
  }
}

function eraseShares(inputs: readonly Input[]): void {
  for (const input of inputs) if (input.kind === "message") eraseShare(input.message);
}

function eraseShare(message: Message): void {
  if (message.kind === "share") message.share.fill(0);
}

function shareLost({ cluster }: PinnedClusterConfig, self: NodeId): EnvironmentError {
  return new EnvironmentError(
    `Cannot run ${self}: ${cluster} has its key, with ${self}'s signature, but ${self}'s share of ` +
      "it is not on this disk. Put the data folder back as it was; the other nodes go on without " +
      "it as long as enough of them can sign. A lost share cannot be made again.",
  );
}

function exhausted(attempt: number): EnvironmentError {
  return new EnvironmentError(
    `Cannot generate a key: all ${attempt} attempts are used up. The logs name who spoiled them ` +
      "(keygen.fault). Make a cluster.json without that node, and start over with new data folders.",
  );
}

/** A peer gets at most one answer in this time. It asks twice a second. */
export const ANSWER_PAUSE_MS = 250;

/** The parts of the node that a responder uses. */
interface GenesisResponderOptions {
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
  /** This node. */
  readonly self: NodeId;
  /** The genesis certificate; null if a dealer made the key. */
  readonly genesis: string | null;
  /** Sends an answer; false when its receiver is not connected. */
  readonly send: (message: Message) => boolean;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
}

/** Answers each peer at a bounded rate. */
export class GenesisResponder {
  readonly #options: GenesisResponderOptions;
  readonly #configuration: string;
  readonly #answeredMs = new Map<NodeId, number>();
  readonly #limiter: LogLimiter;
  readonly #logger = getLogger(["floe", "node"]);

  /** Begins without any answer sent. */
  constructor(options: GenesisResponderOptions) {
    this.#options = options;
    this.#configuration = hashConfiguration(toGenesisRoster(options.config));
    this.#limiter = new LogLimiter(options.nowMs);
  }

  /** Answers a message, unless the message is an answer itself or its sender has just got one. */
  answer({ kind, from: to }: Message): void {
    const { self: from, genesis: note, send, nowMs } = this.#options;
    if (kind === "genesis") return;
    if (note === null) return this.#cannotAnswer(to);
    const answeredMs = this.#answeredMs.get(to) ?? -Infinity;
    if (nowMs() - answeredMs < ANSWER_PAUSE_MS) return;
    // The certificate belongs to no attempt: its own text says what it certifies.
    const envelope = { from, to, configuration: this.#configuration, attempt: 1 };
    if (send({ ...envelope, kind: "genesis", note })) this.#answeredMs.set(to, nowMs());
  }

  #cannotAnswer(peer: NodeId): void {
    const admitted = this.#limiter.admit("keygen.asked");
    if (admitted === null) return;
    const advice = `${peer} wants to generate a key, but this cluster has one from a dealer. ` +
      `Put ${peer}'s share.json and group.json into its data folder.`;
    this.#logger.warn("keygen.asked", { peer, advice, ...admitted });
  }
}
