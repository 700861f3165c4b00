/**
 * The connections of a gRPC server.
 *
 * @module
 */

import type { Socket } from "node:net";

/**
 * All connections of one server, at most so many.
 *
 * At the limit, a new connection takes the place of the oldest one that never had a call, else of the one that
 * has been idle longest. It is refused when all others have a running call. So silent connections keep no
 * client out.
 */
export class GrpcConnections {
  readonly #max: number;
  readonly #open = new Map<Socket, { calls: number }>();
  readonly #byAddress = new Map<string, Socket>();
  /** Connections that never had a call, the oldest first. */
  readonly #silent = new Set<Socket>();
  /** Connections without a running call, the longest idle first. */
  readonly #idle = new Set<Socket>();

  /** At most `max` connections. */
  constructor(max: number) {
    this.#max = max;
  }

  /** The open ones. */
  get sockets(): readonly Socket[] {
    return [...this.#open.keys()];
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes a connection, or ends it; says which. */
  add(socket: Socket): boolean {
    if (this.size >= this.#max && !this.#makeRoom()) {
      socket.destroy();
      return false;
    }
    const address = addressOf(socket);
    this.#open.set(socket, { calls: 0 });
    this.#byAddress.set(address, socket);
    this.#silent.add(socket);
    socket.on("close", () => {
      this.#forget(socket);
      if (this.#byAddress.get(address) === socket) this.#byAddress.delete(address);
    });
    return true;
  }

  /** A call begins on the connection from there. Returns what is called at its end. */
  begin(from: RemoteEnd): () => void {
    const socket = this.#byAddress.get(addressOf(from));
    const place = socket === undefined ? undefined : this.#open.get(socket);
    if (socket === undefined || place === undefined) return () => {};
    place.calls++;
    this.#silent.delete(socket);
    this.#idle.delete(socket);
    return () => {
      if (--place.calls === 0 && this.#open.has(socket)) this.#idle.add(socket);
    };
  }

  #makeRoom(): boolean {
    const [oldest] = this.#silent.size > 0 ? this.#silent : this.#idle;
    if (oldest === undefined) return false;
    this.#forget(oldest);
    oldest.destroy();
    return true;
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket);
    this.#silent.delete(socket);
    this.#idle.delete(socket);
  }
}

/** Where a connection comes from. */
interface RemoteEnd {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

function addressOf({ remoteAddress, remotePort }: RemoteEnd): string {
  return `${remoteAddress} ${remotePort}`;
}
