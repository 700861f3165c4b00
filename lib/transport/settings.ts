/**
 * The settings that the parts of the transport share: its times, its limits and this node's identity.
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
  /** How long an attempt to connect may take. */
  readonly connectTimeoutMs: number;
  /** How long a handshake may take. After that the connection is dropped. */
  readonly helloTimeoutMs: number;
  /** How often a connection is checked: was anything read, was anything written? */
  readonly keepaliveIntervalMs: number;
  /** The wait before the first attempt to reconnect; it doubles with each failure. */
  readonly backoffInitialMs: number;
  /** The longest wait between two attempts. */
  readonly backoffMaxMs: number;
  /** A connection that lasted this long was sound: the next backoff starts from the beginning. */
  readonly soundAfterMs: number;
}

/** Limits on memory and on connections. */
export interface TransportLimits extends QueueLimits, RekeyLimits {
  /** Most accepted connections that are not authenticated. Beyond that, the oldest one is dropped. */
  readonly halfOpenMax: number;
  /** Most connections accepted at once, after a time with fewer. */
  readonly acceptBurstMax: number;
  /** Most connections accepted in a second on average. The others wait in the system's queue. */
  readonly acceptsPerSecondMax: number;
}

/** What the parts of a transport share. */
export interface TransportSettings extends TransportTiming, TransportLimits {
  /** This node. */
  readonly self: NodeId;
  /** The cluster that it belongs to. */
  readonly cluster: ClusterName;
  /** This node's lasting X25519 key pair. Its peers have pinned the public key. */
  readonly channelKeys: KeyPair;
  /** This node's configuration. It is compared with each peer's. */
  readonly configuration: Configuration;
  /** How many memberships since the genesis this node knows. */
  readonly membershipsKnown: () => number;
  /** Random numbers, uniform in [0, 1), for the jitter of reconnecting. */
  readonly random: () => number;
}

/** A peer, the address that it listens on, and the key that proves its identity. */
export interface PeerEndpoint extends Address {
  /** The peer's name in the cluster. */
  readonly id: NodeId;
  /** Its lasting X25519 public key, 32 bytes. */
  readonly channelKey: Uint8Array;
}

/**
 * The times and limits of a node in production.
 *
 * The queue has room for all that the core has in flight to one peer (256 messages, 16 MiB), and for
 * everything else. Unauthenticated peers together hold at most `halfOpenMax` connections, each for at most
 * `helloTimeoutMs`. They cause at most `acceptsPerSecondMax` handshakes per second, a few per cent of a
 * processor. The burst lets a cluster of a hundred nodes start at once. Keys are replaced every two
 * minutes, as in WireGuard, or after a few gigabytes.
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

/** Watches promises that no caller awaits. */
export class Tasks {
  readonly #running = new Set<Promise<void>>();

  /** How many have not ended. */
  get size(): number {
    return this.#running.size;
  }

  /**
   * Watches `work`, which handles all expected failures itself. So whatever it throws is a bug in Floe.
   * The error is reported as uncaught, which stops the process.
   */
  watch(work: Promise<void>): void {
    const task = work.catch(reportError).finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Resolves once all have ended, including those that were added meanwhile. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
