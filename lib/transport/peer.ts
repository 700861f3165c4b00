/**
 * A peer as the one who dials sees it: one connection, kept up, over which this node sends.
 *
 * @module
 */

import { Deadline, pause } from "../deadline.ts";
import { InputError } from "../errors.ts";
import type { NodeId } from "../types.ts";
import { type Channel, ChannelError, TcpChannel } from "./channel.ts";
import { Connection, type ConnectionEnd, HELLO_FRAME_BYTES_MAX } from "./connection.ts";
import { FrameError } from "./frame.ts";
import { sayHello } from "./handshake.ts";
import type { Reporter } from "./reporter.ts";
import type { PeerEndpoint, TransportSettings } from "./settings.ts";

/** What a peer is told. */
interface PeerOptions {
  /** Who and where it is; read anew at each attempt. */
  readonly address: PeerEndpoint;
  /** Times, limits and who this node is. */
  readonly settings: TransportSettings;
  /** Told what happens. */
  readonly reporter: Reporter;
  /** Aborted when the transport closes. */
  readonly signal: AbortSignal;
}

/** Keeps a connection to one peer and sends over it. */
export class Peer {
  readonly #options: PeerOptions;
  readonly #backoff: Backoff;
  /** Set exactly while the peer is connected: after the handshake, before the end. */
  #connection: Connection | null = null;
  /** Ends the wait for the next attempt. */
  #wakeUp: AbortController | null = null;
  /** What was reported since the peer was last connected; each reason is logged once. */
  readonly #reported = new Set<string>();

  /** Does nothing until {@linkcode run}. */
  constructor(options: PeerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.settings);
    options.signal.addEventListener("abort", () => this.#connection?.close("closed"), {
      once: true,
    });
  }

  /** The peer. */
  get id(): NodeId {
    return this.#options.address.id;
  }

  /** Whether frames can be sent. */
  get connected(): boolean {
    return this.#connection !== null && this.#connection.end === null;
  }

  /** Sends a frame to a connected peer; returns how many older ones were dropped for it. */
  send(frame: Uint8Array): number {
    return this.#connection?.send(frame) ?? 0;
  }

  /**
   * The peer has just been heard of: an attempt that waits for its time is made now. So a node that
   * comes back is connected both ways as soon as it dials, however long it was away.
   */
  wake(): void {
    this.#wakeUp?.abort();
  }

  /** Connects, again and again, until the transport closes. */
  async run(): Promise<void> {
    const { settings, signal } = this.#options;
    while (!signal.aborted) {
      const startMs = performance.now();
      await this.#connectOnce();
      if (performance.now() - startMs >= settings.soundAfterMs) this.#backoff.reset();
      if (!signal.aborted) await this.#waitForNextAttempt();
    }
  }

  async #waitForNextAttempt(): Promise<void> {
    this.#wakeUp = new AbortController();
    await pause(this.#backoff.next(), AbortSignal.any([this.#options.signal, this.#wakeUp.signal]));
    this.#wakeUp = null;
  }

  /** One connection from its beginning to its end. */
  async #connectOnce(): Promise<void> {
    const channel = await this.#dial();
    if (channel === null) return;
    const connection = new Connection(channel, this.#options.settings);
    if (await this.#greet(connection)) await this.#hold(connection);
  }

  async #dial(): Promise<Channel | null> {
    const { address, settings: { connectTimeoutMs: timeoutMs }, signal } = this.#options;
    using deadline = new Deadline({ timeoutMs, signal, what: "connecting" });
    try {
      return await TcpChannel.connect(address, deadline.signal);
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
      this.#unreachable({ reason: "failed", error });
      return null;
    }
  }

  /** Whether the peer answered the hello and proved that it is there. */
  async #greet(connection: Connection): Promise<boolean> {
    const { address, settings, reporter, signal } = this.#options;
    try {
      const options = { ...settings, signal, peer: address.id, peerKey: address.channelKey };
      if (await sayHello(connection, options)) return true;
      this.#unreachable(connection.close("closedByPeer"));
    } catch (error) {
      this.#unreachable(connection.fail(error));
      if (error instanceof InputError) reporter.refused(error, address.id);
    }
    return false;
  }

  /** Keeps a connection open until it ends. */
  async #hold(connection: Connection): Promise<void> {
    const { address, reporter, signal } = this.#options;
    if (signal.aborted) connection.close("closed");
    this.#reported.clear();
    this.#connection = connection;
    reporter.peerConnected(address.id);
    const end = await connection.run({ frameBytesMax: HELLO_FRAME_BYTES_MAX, onFrame: refuse });
    this.#connection = null;
    reporter.dropped(address.id, { reason: "notConnected", messages: connection.queued });
    if (end.error instanceof InputError) reporter.refused(end.error, address.id);
    reporter.peerDisconnected(address.id, end);
  }

  #unreachable(end: ConnectionEnd): void {
    const { address, reporter, signal } = this.#options;
    const reason = `${end.reason} ${end.error?.name}`;
    if (signal.aborted || this.#reported.has(reason)) return;
    this.#reported.add(reason);
    reporter.peerUnreachable(address.id, end);
  }
}

/** Messages travel from the dialer to the acceptor only, so that each connection has one writer. */
function refuse(payload: Uint8Array): never {
  throw new FrameError(
    `Cannot read frame: ${payload.length} bytes on a connection that carries only keepalives back`,
  );
}

/** Bounds in milliseconds, and the source of jitter. */
interface BackoffOptions {
  /** The longest first wait. */
  readonly backoffInitialMs: number;
  /** The longest wait of all. */
  readonly backoffMaxMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Exponential backoff: each wait may be twice as long as the one before, up to a maximum, and is
 * drawn from the upper half of its range, so that nodes that lost the same peer do not come back in
 * step.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #ceilingMs: number;

  /** Starts at the initial wait. */
  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#ceilingMs = options.backoffInitialMs;
  }

  /** The next wait in milliseconds. */
  next(): number {
    const delayMs = this.#ceilingMs * (0.5 + this.#options.random() / 2);
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, this.#options.backoffMaxMs);
    return delayMs;
  }

  /** Starts over: the last connection was sound. */
  reset(): void {
    this.#ceilingMs = this.#options.backoffInitialMs;
  }
}
