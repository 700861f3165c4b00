/**
 * How a running node answers those who still generate a key: with the genesis certificate, which is
 * all that they need. Whoever has signed finishes with it; whoever has lost its share learns that.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { hashConfiguration, type Message } from "../../keygen/mod.ts";
import { LogLimiter } from "../../transport/log_limiter.ts";
import type { NodeId } from "../../types.ts";
import type { PinnedClusterConfig } from "../cluster_config.ts";
import { toGenesisRoster } from "../genesis_roster.ts";

/** A peer is answered once in so many milliseconds. It asks twice a second. */
export const ANSWER_PAUSE_MS = 250;

/** What a responder is given. */
export interface GenesisResponderOptions {
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
  /** This node. */
  readonly self: NodeId;
  /** The genesis certificate; null where a dealer made the key. */
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

  /** Answers nobody yet. */
  constructor(options: GenesisResponderOptions) {
    this.#options = options;
    this.#configuration = hashConfiguration(toGenesisRoster(options.config));
    this.#limiter = new LogLimiter(options.nowMs);
  }

  /** Answers a message, unless it is an answer itself or its sender was answered just now. */
  answer({ kind, from: to }: Message): void {
    const { self: from, genesis: note, send, nowMs } = this.#options;
    if (kind === "genesis") return;
    if (note === null) return this.#cannotAnswer(to);
    const answeredMs = this.#answeredMs.get(to) ?? -Infinity;
    if (nowMs() - answeredMs < ANSWER_PAUSE_MS) return;
    // The certificate is about no attempt: it says itself what it is about.
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
