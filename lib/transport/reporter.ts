/**
 * The one place where the transport counts, logs and tells its owner what happened.
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

/** What is counted since the start. */
export const TRANSPORT_COUNTERS = [
  /** Messages handed to a connection. */
  "message.sent",
  /** Messages received and valid. */
  "message.received",
  /** Messages that were not sent: no connection, a full queue, or above a limit. */
  "message.dropped",
  /** Messages that did not fit their schema. */
  "message.refused",
  /** Frames above the limit, or where none is allowed. */
  "frame.refused",
  /** Hellos refused, by this node or by the peer it dialed. */
  "hello.refused",
  /** Encrypted messages that were altered, repeated, out of order or not from the peer. */
  "channel.refused",
  /** Connections accepted from peers. */
  "connection.accepted",
  /** Accepted connections that ended before it was known who is there. */
  "connection.dropped",
  /** Times when so many connected that the next had to wait. */
  "connection.delayed",
  /** Connections accepted from peers whose configuration differs from this node's. */
  "configuration.different",
  /** Connections established to peers. */
  "peer.connected",
  /** Of those, the ones that ended. */
  "peer.disconnected",
] as const;

/** Something that came from outside and was refused; its connection is dropped. */
export interface TransportRefusal {
  /** What was refused. */
  readonly what: "hello" | "channel" | "frame" | "message";
  /** The peer that it came from; null before that was proved. */
  readonly peer: NodeId | null;
  /** What was wrong with it. */
  readonly error: InputError;
}

/** What the transport's owner is told. Called from socket callbacks: to return at once. */
export interface TransportEvents {
  /** Messages to this peer are sent from now on. */
  readonly onPeerConnected?: ((peer: NodeId) => void) | undefined;
  /** Messages to this peer may have been lost, and are dropped from now on. */
  readonly onPeerDisconnected?: ((peer: NodeId) => void) | undefined;
  /**
   * A peer has connected and has the same configuration, or one that differs: then its text, which
   * comes from the peer and is not checked.
   */
  readonly onConfiguration?: ((peer: NodeId, different: Uint8Array | null) => void) | undefined;
  /** Something was refused. */
  readonly onRefused?: ((refusal: TransportRefusal) => void) | undefined;
}

/** Why messages were not sent. */
type DropReason = "notConnected" | "queueFull" | "aboveLimit";

/** Messages that were not sent. */
interface Drop {
  /** Why. */
  readonly reason: DropReason;
  /** How many. */
  readonly messages: number;
  /** Which limit, where there is more to say. */
  readonly error?: string;
}

/** Counts, logs and reports. Logs changes of state, and of all else only so many records a time. */
export class Reporter extends Counters<typeof TRANSPORT_COUNTERS[number]> {
  readonly #events: TransportEvents;
  readonly #logger = getLogger(["floe", "transport"]);
  readonly #limiter = new LogLimiter(() => performance.now());

  /** `events` are called as things happen. */
  constructor(events: TransportEvents) {
    super(TRANSPORT_COUNTERS);
    this.#events = events;
  }

  /** A peer has connected to this node. */
  connectionAccepted(peer: NodeId, differentConfiguration: Uint8Array | null): void {
    this.count("connection.accepted");
    if (differentConfiguration !== null) this.count("configuration.different");
    this.#events.onConfiguration?.(peer, differentConfiguration);
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

  /** A peer cannot be reached, for a reason that was not reported since it last was. */
  peerUnreachable(peer: NodeId, end: ConnectionEnd): void {
    this.#logger.info("peer.unreachable", { peer, ...describeEnd(end) });
  }

  /** Something was refused; the error's class says what. */
  refused(error: InputError, peer: NodeId | null): void {
    const what = refusedWhat(error);
    this.count(`${what}.refused`);
    this.#warn(`${what}.refused`, { peer, error: error.message });
    this.#events.onRefused?.({ what, peer, error });
  }

  /** Messages to a peer were not sent. Without a connection that is not worth a record. */
  dropped(peer: NodeId, drop: Drop): void {
    this.count("message.dropped", drop.messages);
    if (drop.reason !== "notConnected") this.#warn("message.dropped", { peer, ...drop });
  }

  /** An accepted connection ended before it was known who is there. */
  connectionDropped(end: ConnectionEnd): void {
    this.count("connection.dropped");
    this.#warn("connection.dropped", describeEnd(end));
  }

  /** So many have connected that the next must wait. */
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

/** Lets through so many records of each event in each window and counts the others. */
export class LogLimiter {
  readonly #nowMs: () => number;
  readonly #windows = new Map<string, Window>();

  /** `nowMs` is a monotonic clock in milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Whether a record of `event` may be written now. Null if not; else how many were suppressed since
   * the last one that was. The set of events must be a small fixed one.
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
