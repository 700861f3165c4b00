/**
 * The side that listens: accepted connections, over which peers send to this node.
 *
 * @module
 */

import { Deadline, pause } from "../deadline.ts";
import { InputError } from "../errors.ts";
import type { Address } from "../address.ts";
import { accept, listen } from "../listen.ts";
import type { NodeId } from "../types.ts";
import { TcpChannel } from "./channel.ts";
import { Connection, type ConnectionEnd } from "./connection.ts";
import { FRAME_BYTES_MAX } from "./frame.ts";
import { answerHello, type Dialer } from "./handshake.ts";
import type { Reporter } from "./reporter.ts";
import { Tasks, type TransportSettings } from "./settings.ts";

/** The wait after a failure to accept, in milliseconds: most likely too many files are open. */
const ACCEPT_RETRY_MS = 100;

/** The settings of an acceptor. */
interface AcceptorOptions {
  /** Where to listen. */
  readonly listen: Address;
  /** Times, limits and this node's identity. */
  readonly settings: TransportSettings;
  /** The lasting public key of a peer; null for a node that is not a peer. */
  readonly peerKeyOf: (id: NodeId) => Uint8Array | null;
  /**
   * What a node is shown that was a member and is none any more: the frame of the memberships after so many; null
   * for a peer.
   */
  readonly farewellTo: (id: NodeId, membershipsKnown: number) => Uint8Array | null;
  /** A peer has connected. */
  readonly onPeer: (peer: NodeId) => void;
  /**
   * Takes each payload from a peer and returns how much work it made, in the units of
   * `fair_share.ts`. An {@linkcode InputError} that it throws ends the connection.
   */
  readonly onPayload: (payload: Uint8Array, peer: NodeId) => number;
  /** Whether connections are wanted now. Others are closed without an answer. */
  readonly isOpen: () => boolean;
  /** Told what happens. */
  readonly reporter: Reporter;
  /** Aborted when the transport closes. */
  readonly signal: AbortSignal;
}

/**
 * Accepts connections. It keeps one connection per peer, the newest: a peer dials again only when it has
 * given the old one up. It also keeps a limited number of unauthenticated connections, again the newest:
 * a genuine peer authenticates at once, so idle connections are dropped first.
 */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #halfOpen = new Set<Connection>();
  readonly #byPeer = new Map<NodeId, Connection>();
  readonly #tasks = new Tasks();
  readonly #limiter: RateLimiter;
  #listener: Deno.TcpListener | null = null;

  /** Does nothing until {@linkcode listen}. */
  constructor(options: AcceptorOptions) {
    this.#options = options;
    const { acceptBurstMax: burst, acceptsPerSecondMax: perSecond } = options.settings;
    this.#limiter = new RateLimiter({ burst, perSecond, nowMs: () => performance.now() });
    options.signal.addEventListener("abort", () => this.#close(), { once: true });
  }

  /** The address that it listens on; before that, the one that it was given. */
  get address(): Address {
    const { hostname, port } = this.#listener?.addr ?? this.#options.listen;
    return { hostname, port };
  }

  /** Opens the port. @throws {EnvironmentError} when that fails, with what to do. */
  listen(): void {
    const { listen: { hostname, port }, settings: { self } } = this.#options;
    const setting = `${self}'s \`peer\` address in cluster.json on every node`;
    this.#listener = listen({ hostname, port, purpose: `${self}'s peers`, setting });
  }

  /** Accepts connections until the transport closes; resolves once all of them have ended. */
  async run(): Promise<void> {
    const { signal, reporter } = this.#options;
    while (this.#listener !== null && !signal.aborted) {
      try {
        await this.#waitForTurn();
        const socket = await accept(this.#listener);
        if (this.#options.isOpen()) this.#tasks.watch(this.#serve(socket));
        else socket.close();
      } catch (error) {
        if (signal.aborted) break;
        reporter.acceptFailed(error);
        await pause(ACCEPT_RETRY_MS, signal);
      }
    }
    await this.#tasks.ended();
  }

  /** Limits the rate of handshakes: unauthenticated peers can cause them, and they cost time. */
  async #waitForTurn(): Promise<void> {
    const { signal, reporter } = this.#options;
    let delayMs = this.#limiter.take();
    if (delayMs > 0) reporter.acceptingSlowly();
    while (delayMs > 0 && !signal.aborted) {
      await pause(delayMs, signal);
      delayMs = this.#limiter.take();
    }
  }

  /** One connection from its beginning to its end. */
  async #serve(socket: Deno.TcpConn): Promise<void> {
    const connection = new Connection(new TcpChannel(socket), this.#options.settings);
    const dialer = await this.#identify(connection);
    if (dialer === null) return;
    const { peer, memberships } = dialer;
    const farewell = this.#options.farewellTo(peer, memberships);
    if (farewell !== null) return await this.#dismiss(connection, farewell);
    this.#register(dialer, connection);
    const end = await connection.run({
      frameBytesMax: FRAME_BYTES_MAX,
      onFrame: (payload) => this.#options.onPayload(payload, peer),
    });
    if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
    if (end.error instanceof InputError) this.#options.reporter.refused(end.error, peer);
  }

  /** Authenticates the dialer; null when the connection ended before. */
  async #identify(connection: Connection): Promise<Dialer | null> {
    const { settings, peerKeyOf, signal } = this.#options;
    this.#makeRoom();
    this.#halfOpen.add(connection);
    try {
      const dialer = await answerHello(connection, { ...settings, peerKeyOf, signal });
      if (dialer !== null) return dialer;
      this.#reportUnauthenticated(connection.close("closedByPeer"));
    } catch (error) {
      this.#reportUnauthenticated(connection.fail(error));
    } finally {
      this.#halfOpen.delete(connection);
    }
    return null;
  }

  /** Shows a node that it is no member any more, and ends its connection. */
  async #dismiss(connection: Connection, farewell: Uint8Array): Promise<void> {
    const { helloTimeoutMs: timeoutMs } = this.#options.settings;
    using deadline = new Deadline({ timeoutMs, signal: this.#options.signal, what: "a farewell" });
    deadline.onAbort(() => connection.close("timedOut"));
    try {
      await connection.writeFrame(farewell);
      // The dialer ends it once it has read that: what it has sent meanwhile must not reset the connection.
      while (await connection.readFrame() !== null);
      connection.close("closedByPeer");
    } catch (error) {
      connection.fail(error);
    }
  }

  /** Ends the connection of a node that is no peer any more. */
  drop(peer: NodeId): void {
    this.#byPeer.get(peer)?.close("closed");
  }

  /** Ends every connection. */
  dropAll(): void {
    for (const connection of [...this.#halfOpen, ...this.#byPeer.values()]) {
      connection.close("closed");
    }
  }

  #makeRoom(): void {
    const [oldest] = this.#halfOpen;
    if (oldest === undefined || this.#halfOpen.size < this.#options.settings.halfOpenMax) return;
    oldest.close("crowdedOut");
    this.#halfOpen.delete(oldest);
  }

  #register({ peer, configuration }: Dialer, connection: Connection): void {
    this.#byPeer.get(peer)?.close("replaced");
    this.#byPeer.set(peer, connection);
    if (this.#options.signal.aborted) connection.close("closed");
    this.#options.reporter.connectionAccepted(peer, configuration);
    this.#options.onPeer(peer);
  }

  #reportUnauthenticated(end: ConnectionEnd): void {
    const { reporter, signal } = this.#options;
    if (end.error instanceof InputError) reporter.refused(end.error, null);
    else if (!signal.aborted) reporter.connectionDropped(end);
  }

  #close(): void {
    this.#listener?.close();
    for (const connection of this.#byPeer.values()) connection.close("closed");
  }
}

/** The limits of a rate. */
interface RateLimiterOptions {
  /** Most at once, after a time with fewer. */
  readonly burst: number;
  /** Most in a second on average. */
  readonly perSecond: number;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
}

/** A bucket of tokens that fills with time, up to the burst. */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  #tokens: number;
  #filledMs: number;

  /** Starts full. */
  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledMs = options.nowMs();
  }

  /** Takes one token and returns 0, or takes none and returns the milliseconds until the next try. */
  take(): number {
    const { burst, perSecond, nowMs } = this.#options;
    const now = nowMs();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filledMs) * perSecond / 1000);
    this.#filledMs = now;
    if (this.#tokens < 1) return (1 - this.#tokens) * 1000 / perSecond;
    this.#tokens -= 1;
    return 0;
  }
}
