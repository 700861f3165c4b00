/**
 * The API on a port.
 *
 * @module
 */

import { EnvironmentError } from "../errors.ts";
import { isLoopback } from "../node/address.ts";
import type { NodeApi } from "../node/api.ts";
import { type AppOptions, createApp } from "./app.ts";
import { type ConnectionLimits, Connections } from "./connections.ts";
import { Door } from "./door.ts";

/** How long requests under way may take to finish once the server is told to stop. */
export const SHUTDOWN_TIMEOUT_MS = 3_000;
/** How often connections are looked at that are there for nothing. */
const EXPIRE_INTERVAL_MS = 1_000;
/** The pause after no connection could be accepted, for want of descriptors for one. */
const ACCEPT_PAUSE_MS = 100;

/** A server's certificate chain and private key, both PEM. */
export interface TlsKeys {
  /** The server's own certificate first. */
  readonly cert: string;
  /** The key of that certificate: secret. */
  readonly key: string;
}

/** Where and for whom to serve. */
export interface ApiServerOptions extends AppOptions {
  /** The node behind the API. */
  readonly node: NodeApi;
  /** The address to listen on. */
  readonly hostname: string;
  /** The port to listen on; 0 lets the system choose. */
  readonly port: number;
  /** Makes it HTTPS. */
  readonly tls?: TlsKeys;
  /** How many connections there may be, and how slow. */
  readonly limits?: ConnectionLimits & {
    /** How often the limits in time are looked at. */
    readonly expireIntervalMs?: number;
  };
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
 * @throws {EnvironmentError} when the address cannot be listened on, or not with these TLS keys, or is
 * not loopback although it takes that to do without tokens.
 */
export function startApiServer(options: ApiServerOptions): ApiServer {
  const { node, limits = {} } = options;
  const door = options.door ?? new Door({ node, access: { kind: "local" } });
  const app = createApp(node, { ...options, door });
  const connections = new Connections({
    ...limits,
    answer: (request) => app.fetch(request),
    counters: door.counters,
  });
  const listener = listen(options);
  checkReach(listener, { ...options, door });
  const expiring = setInterval(
    () => connections.expire(performance.now()),
    limits.expireIntervalMs ?? EXPIRE_INTERVAL_MS,
  );
  const { hostname, port } = listener.addr;
  const finished = (async () => {
    await acceptAll(listener, { ...options, connections });
    await closeInTime(connections);
    clearInterval(expiring);
  })();
  return { hostname, port, finished };
}

type Listener = Deno.TcpListener | Deno.TlsListener;

/** Accepts connections until `signal` aborts, which also closes the listener. */
async function acceptAll(
  listener: Listener,
  { connections, signal, onError }: ApiServerOptions & { readonly connections: Connections },
): Promise<void> {
  const close = () => listener.close();
  if (signal.aborted) return close();
  signal.addEventListener("abort", close, { once: true });
  while (!signal.aborted) {
    const connection = await acceptOne(listener);
    if (connection === null) {
      await pause(signal);
      continue;
    }
    try {
      connections.add(connection);
    } catch (error) {
      // Whatever is wrong with this one, the next one is accepted.
      onError?.(error);
    }
  }
}

/** The next connection, or null when there could be none. */
async function acceptOne(listener: Listener): Promise<Deno.Conn | null> {
  try {
    const connection = await listener.accept();
    // Answers are small and whole: they are sent at once.
    if ("setNoDelay" in connection) connection.setNoDelay(true);
    return connection;
  } catch {
    return null;
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, ACCEPT_PAUSE_MS);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

async function closeInTime(connections: Connections): Promise<void> {
  const { promise: cutOff, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, SHUTDOWN_TIMEOUT_MS);
  await connections.close(cutOff);
  clearTimeout(timer);
}

function listen({ hostname, port, tls }: ApiServerOptions): Listener {
  try {
    if (tls === undefined) return Deno.listen({ hostname, port });
    // One request at a time on a connection: what is counted by connection is counted by HTTP/1.1.
    return Deno.listenTls({ hostname, port, ...tls, alpnProtocols: ["http/1.1"] });
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot serve the API on ${hostname}:${port}: ${whyNot(cause)}`,
      { cause },
    );
  }
}

/**
 * Holds a server to what its door was made for, by the address that it got in the end: a name, `localhost`
 * too, may stand for any.
 */
function checkReach(
  listener: Listener,
  { hostname, door }: { readonly hostname: string; readonly door: Door },
): void {
  const bound = listener.addr.hostname;
  if (door.access !== "local" || isLoopback(bound)) return;
  listener.close();
  throw new EnvironmentError(
    `Cannot serve the API on ${hostname} without tokens: others than this machine reach it at ` +
      `${bound}. Listen on 127.0.0.1, or demand tokens with --require-token.`,
  );
}

function whyNot(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is in use. Stop the process that uses it, or give this node another " +
      "`api` address in cluster.json";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address. Correct this node's `api` address in cluster.json, or " +
      "name one of this machine with --api-listen";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the system does not permit it. Choose a port from 1024 upward as this node's `api` " +
      "address in cluster.json";
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof Deno.errors.InvalidData) {
    return `the certificate or its key cannot be used: ${reason}. Give both as PEM with --tls-cert ` +
      "and --tls-key";
  }
  return reason;
}
