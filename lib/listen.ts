/**
 * Taking a TCP port, or saying what stands in the way.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "./errors.ts";

/** Where to listen, and what to say when that fails. */
export interface ListenOptions {
  /** The address. */
  readonly hostname: string;
  /** The port; 0 lets the system choose. */
  readonly port: number;
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
