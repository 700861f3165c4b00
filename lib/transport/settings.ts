/**
 * The transport's times and limits, and who it is: what everything in this folder is told.
 *
 * @module
 */

import type { ClusterName, NodeId } from "../types.ts";
import type { Address } from "../address.ts";
import type { QueueLimits } from "./frame.ts";
import type { Configuration } from "./hello.ts";
import type { RekeyLimits } from "./noise_channel.ts";
import type { KeyPair } from "./noise_primitives.ts";

/** Times in milliseconds. */
export interface TransportTiming {
  /** A connection that is not established by then is given up. */
  readonly connectTimeoutMs: number;
  /** A connection whose handshake is not done by then is dropped. */
  readonly helloTimeoutMs: number;
  /** Between two looks at a connection: was anything read, was anything written? */
  readonly keepaliveIntervalMs: number;
  /** The wait before the first attempt to reconnect; it doubles with each failure. */
  readonly backoffInitialMs: number;
  /** The longest wait between two attempts. */
  readonly backoffMaxMs: number;
  /** A connection that lasted this long was sound: the next backoff starts from the beginning. */
  readonly soundAfterMs: number;
}

/** Bounds on memory and on connections. */
export interface TransportLimits extends QueueLimits, RekeyLimits {
  /** Most accepted connections that have not shown who they are; the oldest makes room. */
  readonly halfOpenMax: number;
  /** Most connections accepted at once, after a time with fewer. */
  readonly acceptBurstMax: number;
  /** Most connections accepted in a second on average; the others wait with the system. */
  readonly acceptsPerSecondMax: number;
}

/** What the parts of a transport share. */
export interface TransportSettings extends TransportTiming, TransportLimits {
  /** This node. */
  readonly self: NodeId;
  /** The cluster that it belongs to. */
  readonly cluster: ClusterName;
  /** This node's lasting X25519 keys: the public one is what its peers have pinned. */
  readonly channelKeys: KeyPair;
  /** What is compared with each peer's. */
  readonly configuration: Configuration;
  /** Uniform in [0, 1), for the jitter of reconnecting. */
  readonly random: () => number;
}

/** A peer, where it listens, and how it proves that it is there. */
export interface PeerEndpoint extends Address {
  /** The peer. */
  readonly id: NodeId;
  /** Its lasting X25519 public key, 32 bytes. */
  readonly channelKey: Uint8Array;
}

/**
 * The times and limits of a node in production.
 *
 * The queue takes what the core may have in flight to one peer (256 messages, 16 MiB) with room for
 * everything else. An unauthenticated peer can hold at most `halfOpenMax` connections, each for the hello's
 * time, and cause at most `acceptsPerSecondMax` handshakes computed, a few per cent of a processor; the burst
 * lets a cluster of a hundred nodes start at once. Keys are replaced every two minutes, as WireGuard
 * does, or after some gigabytes.
 */
export const TRANSPORT_DEFAULTS: TransportTiming & TransportLimits = {
  connectTimeoutMs: 3_000,
  helloTimeoutMs: 3_000,
  keepaliveIntervalMs: 2_000,
  backoffInitialMs: 20,
  backoffMaxMs: 1_000,
  soundAfterMs: 1_000,
  queueMessagesMax: 1_024,
  queueBytesMax: 32 * 1024 * 1024,
  halfOpenMax: 64,
  acceptBurstMax: 256,
  acceptsPerSecondMax: 100,
  rekeyAfterMessages: 65_536,
  rekeyAfterMs: 120_000,
};

/** Keeps track of promises that nobody awaits one by one. */
export class Tasks {
  readonly #running = new Set<Promise<void>>();

  /** How many have not ended. */
  get size(): number {
    return this.#running.size;
  }

  /**
   * Watches `work`. What it throws is a bug of Floe's own, since everything else is handled within
   * it: it is reported as uncaught, which stops the process.
   */
  watch(work: Promise<void>): void {
    const task = work.catch(reportError).finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Resolves once all have ended, those included that are added meanwhile. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
