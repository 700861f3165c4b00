/**
 * The API on a port.
 *
 * @module
 */

import { EnvironmentError } from "../errors.ts";
import type { NodeApi } from "../node/api.ts";
import { type AppOptions, createApp } from "./app.ts";

/** How long requests under way may take to finish once the server is told to stop. */
export const SHUTDOWN_TIMEOUT_MS = 3_000;

/** Where and for whom to serve. */
export interface ApiServerOptions extends AppOptions {
  /** The node behind the API. */
  readonly node: NodeApi;
  /** The address to listen on. */
  readonly hostname: string;
  /** The port to listen on; 0 lets the system choose. */
  readonly port: number;
  /** Aborted when the server shall stop. */
  readonly signal: AbortSignal;
}

/** A server that listens. */
export interface ApiServer {
  /** The address it listens on. */
  readonly hostname: string;
  /** The port it listens on. */
  readonly port: number;
  /** Settles when the server has stopped: no connection is left. */
  readonly finished: Promise<void>;
}

/**
 * Serves the API until `signal` aborts. Then it takes no new connection, lets the requests under
 * way finish for {@linkcode SHUTDOWN_TIMEOUT_MS}, and cuts off what is left.
 *
 * @throws {EnvironmentError} when the address cannot be listened on.
 */
export function startApiServer(options: ApiServerOptions): ApiServer {
  const { hostname, port, signal } = options;
  const app = createApp(options.node, options);
  const cutOff = new AbortController();
  const server = listen({ hostname, port, signal: cutOff.signal }, (request) => app.fetch(request));
  return {
    hostname: server.addr.hostname,
    port: server.addr.port,
    finished: stopOn(signal, server, cutOff),
  };
}

function listen(
  options: { readonly hostname: string; readonly port: number; readonly signal: AbortSignal },
  answer: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ ...options, onListen: () => {} }, answer);
  } catch (cause) {
    const where = `${options.hostname}:${options.port}`;
    throw new EnvironmentError(`Cannot serve the API on ${where}: ${whyNot(cause)}`, { cause });
  }
}

function whyNot(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is in use. Stop the process that uses it, or give this node another " +
      "`api` address in cluster.json";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address. Correct this node's `api` address in cluster.json";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the system does not permit it. Choose a port from 1024 upward as this node's `api` " +
      "address in cluster.json";
  }
  return error instanceof Error ? error.message : String(error);
}

async function stopOn(
  signal: AbortSignal,
  server: Deno.HttpServer<Deno.NetAddr>,
  cutOff: AbortController,
): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) resolve();
  await Promise.race([aborted, server.finished]);
  signal.removeEventListener("abort", onAbort);
  const timer = setTimeout(() => cutOff.abort(), SHUTDOWN_TIMEOUT_MS);
  try {
    await server.shutdown();
    await server.finished;
  } finally {
    clearTimeout(timer);
  }
}
