/**
 * The way from one node to another, as a TCP proxy that can be slow, clogged or cut.
 *
 * A node sends to a peer only over the connection that it dialed itself, so one link carries the
 * messages of one direction, and cutting one of a pair makes a one-way partition.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";

/** What happens to the bytes on a link, and to the answers to them. */
export type LinkState =
  /** They pass. */
  | { readonly kind: "open" }
  /** Each piece passes so much later; what comes meanwhile waits. */
  | { readonly kind: "slow"; readonly delayMs: number }
  /** They wait and pass later, as bytes do that TCP sends again after a partition. */
  | { readonly kind: "clogged" }
  /** Connections end, and new ones end at once. */
  | { readonly kind: "cut" };

/** The most bytes that wait on a link in one direction; the rest waits at the sender. */
const PIECE_BYTES_MAX = 64 * 1024;

const LOOPBACK = "127.0.0.1";

/** See the module. */
export class Link implements AsyncDisposable {
  readonly #listener: Deno.TcpListener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  readonly #targetPort: number;
  readonly #connections = new Set<Deno.Conn>();
  readonly #tunnels = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #accepting: Promise<void>;
  #state: LinkState = { kind: "open" };
  #changed = Promise.withResolvers<void>();

  /** Opens the way to a port on this machine, whether or not anyone listens there yet. */
  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#accepting = this.#accept();
  }

  /** Where the way begins. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Changes what happens to the bytes from now on. */
  set(state: LinkState): void {
    this.#state = state;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
    if (state.kind === "cut") this.reset();
  }

  /** Ends every connection; the next one passes as the state says. */
  reset(): void {
    for (const connection of this.#connections) close(connection);
    this.#connections.clear();
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#listener.close();
    this.set({ kind: "cut" });
    await this.#accepting;
    await Promise.all(this.#tunnels);
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      const tunnel = this.#tunnel(near).finally(() => this.#tunnels.delete(tunnel));
      this.#tunnels.add(tunnel);
    }
  }

  /** One connection from its beginning to its end. Whatever breaks it ends it on both sides. */
  async #tunnel(near: Deno.TcpConn): Promise<void> {
    using connections = new DisposableStack();
    const keep = (connection: Deno.TcpConn) => {
      this.#connections.add(connection);
      connections.defer(() => {
        this.#connections.delete(connection);
        close(connection);
      });
    };
    keep(near);
    if (this.#state.kind === "cut") return;
    try {
      const { signal } = this.#closing;
      const far = await Deno.connect({ hostname: LOOPBACK, port: this.#targetPort, signal });
      keep(far);
      far.setNoDelay();
      near.setNoDelay();
      // While it was made, the link may have been cut.
      if (!this.#connections.has(near)) return;
      await Promise.race([this.#pump(near, far), this.#pump(far, near)]);
    } catch {
      // Nobody listens there, or one side is gone: the other one is told by the end of its own.
    }
  }

  async #pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(PIECE_BYTES_MAX);
    for (;;) {
      const length = await from.read(buffer);
      if (length === null) return;
      await this.#passage();
      for (let left = buffer.subarray(0, length); left.length > 0;) {
        left = left.subarray(await to.write(left));
      }
    }
  }

  async #passage(): Promise<void> {
    while (this.#state.kind === "clogged") await this.#changed.promise;
    if (this.#state.kind === "slow") await pause(this.#state.delayMs, this.#closing.signal);
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
