/**
 * A man in the middle: it stands between two nodes, sees every frame on the wire, and hands on what a
 * test tells it to.
 *
 * @module
 */

import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "../../lib/transport/frame.ts";
import { Inbox } from "./harness.ts";
import { writeAll } from "./raw_peer.ts";

/** A frame on its way. */
export interface Passing {
  /** How many connections came before this one. */
  readonly connection: number;
  /** Whether it goes to the node that accepted. */
  readonly forward: boolean;
  /** How many frames went this way before, on this connection: 0 is the hello, or the answer. */
  readonly index: number;
  /** All of its bytes, the length before it included. */
  readonly bytes: Uint8Array;
}

/** What becomes of a frame: bytes to hand on instead; null cuts the connection after them. */
export type Tamper = (frame: Passing) => readonly (Uint8Array | null)[];

/** Hands everything on as it is. */
export function honest({ bytes }: Passing): readonly Uint8Array[] {
  return [bytes];
}

/** Listens on a port of its own and forwards to another. */
export class Proxy implements AsyncDisposable {
  /** Every frame that came by, before anything was done to it. */
  readonly recorded: Passing[] = [];
  /** The same, for those who wait for one. */
  readonly passing = new Inbox<Passing>();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: () => number;
  readonly #tamper: Tamper;
  readonly #sockets = new Set<Deno.TcpConn>();
  readonly #tasks: Promise<void>[] = [];

  /** `target` is the port to forward to. */
  constructor(target: () => number, tamper: Tamper) {
    this.#target = target;
    this.#tamper = tamper;
    this.#tasks.push(this.#run());
  }

  /** Where it listens. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Cuts everything and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const socket of this.#sockets) close(socket);
    await Promise.all(this.#tasks);
  }

  async #run(): Promise<void> {
    for (let connection = 0;; connection++) {
      try {
        const dialer = await this.#listener.accept();
        this.#tasks.push(this.#join(connection, dialer));
      } catch {
        return;
      }
    }
  }

  async #join(connection: number, dialer: Deno.TcpConn): Promise<void> {
    this.#sockets.add(dialer);
    try {
      const acceptor = await Deno.connect({ hostname: "127.0.0.1", port: this.#target() });
      this.#sockets.add(acceptor);
      await Promise.all([
        this.#carry(dialer, acceptor, { connection, forward: true }),
        this.#carry(acceptor, dialer, { connection, forward: false }),
      ]);
    } catch {
      close(dialer);
    }
  }

  async #carry(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    where: Pick<Passing, "connection" | "forward">,
  ): Promise<void> {
    try {
      let index = 0;
      for await (const bytes of framesOf(from)) {
        const frame = { ...where, index, bytes };
        this.recorded.push(frame);
        this.passing.put(frame);
        for (const changed of this.#tamper(frame)) {
          if (changed === null) return;
          await writeAll(to, changed);
        }
        index += 1;
      }
    } catch {
      // One side has gone; so goes the other.
    } finally {
      for (const socket of [from, to]) close(socket);
    }
  }
}

async function* framesOf(socket: Deno.TcpConn): AsyncGenerator<Uint8Array> {
  const decoder = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  for await (const chunk of socket.readable) {
    decoder.push(chunk);
    for (let payload = decoder.next(); payload !== null; payload = decoder.next()) {
      yield encodeFrame(payload);
    }
  }
}

function close(socket: Deno.TcpConn): void {
  try {
    socket.close();
  } catch {
    // It has ended already.
  }
}
