/**
 * The reporter counts and logs what happens in the transport, and tells the transport's owner.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { Counters } from "../counters.ts";
import type { InputError } from "../errors.ts";
import type { NodeId } from "../types.ts";
import type { ConnectionEnd } from "./connection.ts";
import { HelloError } from "./hello.ts";
import { MessageError } from "./message_codec.ts";
import { NoiseError } from "./noise_primitives.ts";

/** The counters. They count from the start of the process. */
export const TRANSPORT_COUNTERS = [
  /** Messages handed to a connection. */
  "message.sent",
  /** Messages received and valid. */
  "message.received",
  /** Messages that were not sent: no connection, a full queue, or above a limit. */
  "message.dropped",
  /** Messages that did not match their schema. */
  "message.refused",
  /** Frames that were above the limit, or that the sender may not send. */
  "frame.refused",
  /** Hellos refused, by this node or by the peer it dialed. */
  "hello.refused",
  /** Encrypted messages that were altered, repeated, out of order or not from the peer. */
  "channel.refused",
  /** Connections accepted from peers. */
  "connection.accepted",
  /** Accepted connections that ended before the peer was authenticated. */
  "connection.dropped",
  /** How often the next connection had to wait, because too many were accepted. */
  "connection.delayed",
  /** Connections accepted from peers whose configuration differs from this node's. */
  "configuration.different",
  /** Connections established to peers. */
  "peer.connected",
  /** Connections to peers that ended. */
  "peer.disconnected",
] as const;

/** A refused input from outside. Its connection is dropped. */
export interface TransportRefusal {
  /** What was refused. */
  readonly what: "hello" | "channel" | "frame" | "message";
  /** The peer that sent it; null when the peer was not authenticated yet. */
  readonly peer: NodeId | null;
  /** The reason. */
  readonly error: InputError;
}

/** The owner's callbacks. The transport calls them from socket callbacks, so they return at once. */
export interface TransportEvents {
  /** From now on the transport sends messages to this peer. */
  readonly onPeerConnected?: ((peer: NodeId) => void) | undefined;
  /** Messages to this peer may have been lost. From now on the transport drops them. */
  readonly onPeerDisconnected?: ((peer: NodeId) => void) | undefined;
  /**
   * A peer has connected. `different` is null when it has the same configuration as this node. Otherwise
   * it is the peer's configuration, as the peer sent it: nothing has checked it. Returns whether the
   * difference counts: not once the log says who the members are.
   */
  readonly onConfiguration?: ((peer: NodeId, different: Uint8Array | null) => boolean) | undefined;
  /** An input was refused. */
  readonly onRefused?: ((refusal: TransportRefusal) => void) | undefined;
}

/** Why messages were not sent. */
type DropReason = "notConnected" | "queueFull" | "aboveLimit";

/** Messages that were not sent. */
interface Drop {
  readonly reason: DropReason;
  /** How many messages. */
  readonly messages: number;
  /** What exceeded which limit; only for `aboveLimit`. */
  readonly error?: string;
}

/**
 * Counts, logs and reports. Every change of state is logged. For all other events the log records in a
 * window of time are limited ({@linkcode LogLimiter}).
 */
export class Reporter extends Counters<typeof TRANSPORT_COUNTERS[number]> {
  readonly #events: TransportEvents;
  readonly #logger = getLogger(["floe", "transport"]);
  readonly #limiter = new LogLimiter(() => performance.now());

  /** `events` are the owner's callbacks. */
  constructor(events: TransportEvents) {
    super(TRANSPORT_COUNTERS);
    this.#events = events;
  }

  /** A peer has connected to this node. */
  connectionAccepted(peer: NodeId, differentConfiguration: Uint8Array | null): void {
    this.count("connection.accepted");
    const counts = this.#events.onConfiguration?.(peer, differentConfiguration) ?? true;
    if (counts && differentConfiguration !== null) this.count("configuration.different");
  }

  /** A connection to a peer is established. */
  peerConnected(peer: NodeId): void {
    this.count("peer.connected");
    this.#logger.info("peer.connected", { peer });
    this.#events.onPeerConnected?.(peer);
  }

  /** That connection ended. */
  peerDisconnected(peer: NodeId, end: ConnectionEnd): void {
    this.count("peer.disconnected");
    this.#logger.info("peer.disconnected", { peer, ...describeEnd(end) });
    this.#events.onPeerDisconnected?.(peer);
  }

  /** A peer cannot be reached. The caller reports each reason once, until the peer is connected again. */
  peerUnreachable(peer: NodeId, end: ConnectionEnd): void {
    this.#logger.info("peer.unreachable", { peer, ...describeEnd(end) });
  }

  /** An input was refused. The class of the error says what kind of input. */
  refused(error: InputError, peer: NodeId | null): void {
    const what = refusedWhat(error);
    this.count(`${what}.refused`);
    this.#warn(`${what}.refused`, { peer, error: error.message });
    this.#events.onRefused?.({ what, peer, error });
  }

  /** Messages to a peer were not sent. When the peer is not connected, they are only counted. */
  dropped(peer: NodeId, drop: Drop): void {
    this.count("message.dropped", drop.messages);
    if (drop.reason !== "notConnected") this.#warn("message.dropped", { peer, ...drop });
  }

  /** An accepted connection ended before the peer was authenticated. */
  connectionDropped(end: ConnectionEnd): void {
    this.count("connection.dropped");
    this.#warn("connection.dropped", describeEnd(end));
  }

  /** Too many connections were accepted; the next one must wait. */
  acceptingSlowly(): void {
    this.count("connection.delayed");
    this.#warn("connection.delayed", {});
  }

  /** The listener could not accept a connection. */
  acceptFailed(error: unknown): void {
    this.#warn("connection.failed", { error: String(error) });
  }

  #warn(event: string, properties: Record<string, unknown>): void {
    const admitted = this.#limiter.admit(event);
    if (admitted !== null) this.#logger.warn(event, { ...properties, ...admitted });
  }
}

function refusedWhat(error: InputError): TransportRefusal["what"] {
  if (error instanceof HelloError) return "hello";
  if (error instanceof NoiseError) return "channel";
  return error instanceof MessageError ? "message" : "frame";
}

function describeEnd(end: ConnectionEnd): Record<string, unknown> {
  return { reason: end.reason, error: end.error?.message ?? null };
}

/** Most records of one event in one window. */
export const LOG_RECORDS_MAX = 10;
/** Length of a window in milliseconds. */
export const LOG_WINDOW_MS = 10_000;

interface Window {
  readonly startMs: number;
  readonly records: number;
  readonly suppressed: number;
}

/** Limits the log records of each event in each window, and counts the suppressed ones. */
export class LogLimiter {
  readonly #nowMs: () => number;
  readonly #windows = new Map<string, Window>();

  /** `nowMs` is a monotonic clock in milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Decides whether a record of `event` is written now. Returns null when it is suppressed. Otherwise it
   * returns how many records were suppressed since the last written one. The set of events must be small
   * and fixed.
   */
  admit(event: string): { readonly suppressed: number } | null {
    const nowMs = this.#nowMs();
    const window = this.#windows.get(event) ?? { startMs: nowMs, records: 0, suppressed: 0 };
    const expired = nowMs - window.startMs >= LOG_WINDOW_MS;
    if (!expired && window.records >= LOG_RECORDS_MAX) {
      this.#windows.set(event, { ...window, suppressed: window.suppressed + 1 });
      return null;
    }
    const { startMs, records } = expired ? { startMs: nowMs, records: 0 } : window;
    this.#windows.set(event, { startMs, records: records + 1, suppressed: 0 });
    return { suppressed: window.suppressed };
  }
}
