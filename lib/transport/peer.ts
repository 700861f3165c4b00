/**
 * A peer, as the dialer sees it: one connection over which this node sends. It is kept open.
 *
 * @module
 */

import type { MembershipCertificate } from "../certificate/mod.ts";
import { Deadline, pause } from "../deadline.ts";
import { InputError } from "../errors.ts";
import type { NodeId } from "../types.ts";
import { type Channel, ChannelError, TcpChannel } from "./channel.ts";
import { Connection, type ConnectionEnd } from "./connection.ts";
import { decodeFarewell, FAREWELL_FRAME_BYTES_MAX } from "./farewell.ts";
import { sayHello } from "./handshake.ts";
import type { Reporter } from "./reporter.ts";
import type { PeerEndpoint, TransportSettings } from "./settings.ts";

/** The settings of a peer. */
interface PeerOptions {
  /** Its id, address and key. They are read again at each attempt to connect. */
  readonly address: PeerEndpoint;
  /** Times, limits and this node's identity. */
  readonly settings: TransportSettings;
  /** Takes what the peer shows to a node that is no member any more. */
  readonly onFarewell: (memberships: readonly MembershipCertificate[]) => void;
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
  /** The reasons reported since the peer was last connected. Each reason is logged once. */
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

  /** Sends a frame to a connected peer. Returns how many older frames the queue dropped for it. */
  send(frame: Uint8Array): number {
    return this.#connection?.send(frame) ?? 0;
  }

  /**
   * Ends the wait for the next attempt: the peer has just dialed in. So a node that returns is connected
   * both ways as soon as it dials, however long it was away.
   */
  wake(): void {
    this.#wakeUp?.abort();
  }

  /** Keeps the peer connected until the transport closes. */
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

  /** Serves one connection from its beginning to its end. */
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

  /** Makes the handshake. Returns whether the peer answered and proved its identity. */
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
    const end = await connection.run({
      frameBytesMax: FAREWELL_FRAME_BYTES_MAX,
      onFrame: (payload) => {
        this.#options.onFarewell(decodeFarewell(payload));
        connection.close("farewell");
        return 0;
      },
    });
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

/** The limits of the waits, and the source of jitter. */
interface BackoffOptions {
  /** The longest first wait, in milliseconds. */
  readonly backoffInitialMs: number;
  /** The longest wait, in milliseconds. */
  readonly backoffMaxMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Exponential backoff: the ceiling of the wait doubles each time, up to a maximum. The wait itself is
 * random, between half the ceiling and the ceiling, so that nodes that lost the same peer do not all
 * return at the same moment.
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

  /** Starts again at the initial wait: the last connection was sound. */
  reset(): void {
    this.#ceilingMs = this.#options.backoffInitialMs;
  }
}
