/**
 * The transport's times and limits, and who it is: what everything in this folder is told.
 *
 * @module
 */

import type { ClusterName, NodeId } from "../types.ts";
import type { NetworkAddress } from "./channel.ts";
import type { QueueLimits } from "./frame_queue.ts";

/** Times in milliseconds. */
export interface TransportTiming {
  /** A connection that is not established by then is given up. */
  readonly connectTimeoutMs: number;
  /** A connection whose hellos are not exchanged by then is dropped. */
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
export interface TransportLimits extends QueueLimits {
  /** Most accepted connections that have not said who they are; the oldest makes room. */
  readonly halfOpenMax: number;
}

/** What the parts of a transport share. */
export interface TransportSettings extends TransportTiming, TransportLimits {
  /** This node. */
  readonly self: NodeId;
  /** The cluster that it belongs to. */
  readonly cluster: ClusterName;
  /** Uniform in [0, 1), for the jitter of reconnecting. */
  readonly random: () => number;
}

/** A peer and where it listens. */
export interface PeerAddress extends NetworkAddress {
  /** The peer. */
  readonly id: NodeId;
}

/**
 * The times and limits of a node in production.
 *
 * The queue takes what the core may have in flight to one peer (256 messages, 16 MiB) with room for
 * everything else; a stranger can hold at most `halfOpenMax` connections, each for the hello's time.
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
};
