/**
 * A channel: two streams of bytes, one each way, between this node and one other. Frames use the network
 * only through a channel. After the handshake, the connection puts an encrypting {@linkcode Channel}
 * around the {@linkcode TcpChannel}.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../errors.ts";
import type { Address } from "../address.ts";
import { sendAtOnce } from "../listen.ts";

/** A channel failed, because of the network or the other end. */
export class ChannelError extends EnvironmentError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "ChannelError";
}

/** A bidirectional stream of bytes with one reader and one writer. */
export interface Channel {
  /**
   * The next bytes in order, at least one; null when the other end has finished. The next call uses their
   * buffer again.
   *
   * @throws {ChannelError} when the channel broke or was closed.
   */
  read(): Promise<Uint8Array | null>;

  /**
   * Writes all of `bytes`, which must not change until the promise settles. The first write to the network
   * starts before the call returns. The caller never starts a write during another one.
   *
   * @throws {ChannelError} when the channel broke or was closed.
   */
  write(bytes: Uint8Array): Promise<void>;

  /** Ends both streams; reads and writes under way fail. Calling it again does nothing. */
  close(): void;
}

/** Most bytes in one read. */
const RECEIVE_BYTES_MAX = 64 * 1024;

/** A TCP connection, with Nagle's algorithm off: a vote must not wait for an acknowledgement. */
export class TcpChannel implements Channel {
  readonly #connection: Deno.TcpConn;
  readonly #received = new Uint8Array(RECEIVE_BYTES_MAX);
  #closed = false;

  /** Takes over a connection that is established. */
  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    sendAtOnce(connection);
  }

  /** Connects. @throws {ChannelError} when the connection is refused, or `signal` aborts it. */
  static async connect(address: Address, signal: AbortSignal): Promise<TcpChannel> {
    const { hostname, port } = address;
    try {
      return new TcpChannel(await Deno.connect({ hostname, port, signal }));
    } catch (cause) {
      throw toChannelError(`connect to ${hostname}:${port}`, cause);
    }
  }

  async read(): Promise<Uint8Array | null> {
    try {
      const length = await this.#connection.read(this.#received);
      return length === null ? null : this.#received.subarray(0, length);
    } catch (cause) {
      throw toChannelError("read from the connection", cause);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      // Deno starts the system call within conn.write(), so everything up to the first await, and
      // with it the usual whole write, has happened when this method returns its promise.
      let written = await this.#connection.write(bytes);
      while (written < bytes.length) {
        written += await this.#connection.write(bytes.subarray(written));
      }
    } catch (cause) {
      throw toChannelError("write to the connection", cause);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#connection.close();
    } catch {
      // Deno closes a connection by itself on some errors, and refuses to close it twice.
    }
  }
}

function toChannelError(what: string, cause: unknown): ChannelError {
  const reason = messageOf(cause);
  return new ChannelError(`Cannot ${what}: ${reason}`, { cause });
}
