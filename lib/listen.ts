/**
 * Taking a TCP port, or saying what stands in the way, and the connections that come to it.
 *
 * @module
 */

import type { Address } from "./address.ts";
import { EnvironmentError, messageOf } from "./errors.ts";

/** Where to listen, and what to say when that fails. */
export interface ListenOptions extends Address {
  /** What the port is for, as in `the API`. */
  readonly purpose: string;
  /** Where the operator wrote the address down, as in ``the `api` address in cluster.json``. */
  readonly setting: string;
}

/** Takes a port. @throws {EnvironmentError} when that fails, with what to do about it. */
export function listen(options: ListenOptions): Deno.TcpListener {
  const { hostname, port, purpose } = options;
  try {
    return Deno.listen({ hostname, port });
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot listen on ${hostname}:${port} for ${purpose}: ${explain(cause, options)}.`,
      { cause },
    );
  }
}

/**
 * The next connection that can be used. A connection that was reset while it waited is skipped: a caller
 * pauses when it cannot accept, so a peer that resets connections could keep all others waiting.
 *
 * @throws whatever else the listener's `accept` throws.
 */
export async function accept<Connection>(
  listener: { accept(): Promise<Connection> },
): Promise<Connection> {
  while (true) {
    try {
      return await listener.accept();
    } catch (error) {
      if (!isReset(error)) throw error;
    }
  }
}

/** Has what is written leave at once: for small messages that are whole. */
export function sendAtOnce(connection: Deno.TcpConn): void {
  try {
    connection.setNoDelay(true);
  } catch {
    // The other end is gone already; the first read says so.
  }
}

function isReset(error: unknown): boolean {
  const { NotConnected, ConnectionReset, ConnectionAborted } = Deno.errors;
  return [NotConnected, ConnectionReset, ConnectionAborted].some((kind) => error instanceof kind);
}

function explain(cause: unknown, { setting }: ListenOptions): string {
  if (cause instanceof Deno.errors.AddrInUse) {
    return "the port is in use. Stop the process that uses it (is this node running already?), or " +
      `change ${setting}`;
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return "this machine does not have that address. Start the node on the machine that does, or " +
      `change ${setting}`;
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return `it is not permitted. Choose a port from 1024 upward for ${setting}, or allow the ` +
      "network with --allow-net";
  }
  return `${messageOf(cause)}. Check ${setting}`;
}
