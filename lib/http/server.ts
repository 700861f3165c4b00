/**
 * The API on a port.
 *
 * @module
 */

import { isLoopback } from "../config/mod.ts";
import { pause } from "../deadline.ts";
import { EnvironmentError } from "../errors.ts";
import { accept, listen, sendAtOnce } from "../listen.ts";
import type { NodeApi } from "../node/mod.ts";
import { type AppOptions, createApp } from "./app.ts";
import { Door } from "./authorization.ts";
import { type ConnectionLimits, Connections } from "./connections.ts";
import { type TlsKeys, TlsRelays } from "./tls.ts";

/** How long requests under way may take to finish once the server is told to stop. */
const SHUTDOWN_TIMEOUT_MS = 3_000;
/** How long requests are waited for whose connections were cut off. */
const GIVE_UP_MS = 500;
/** How often connections are looked at that are there for nothing. */
const EXPIRE_INTERVAL_MS = 1_000;
/** The pause after no connection could be accepted, for want of descriptors for one. */
const ACCEPT_PAUSE_MS = 100;

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
  /** Settles when the server has stopped. */
  readonly finished: Promise<void>;
  /**
   * Serves HTTPS with these keys from the next connection on. Without TLS it does nothing.
   *
   * @throws {EnvironmentError} when the keys cannot be used. Then those before stay.
   */
  replaceTlsKeys(keys: TlsKeys): void;
}

/**
 * Serves the API until `signal` aborts. Then it takes no new connection, lets the requests under
 * way finish for {@linkcode SHUTDOWN_TIMEOUT_MS}, and cuts off what is left.
 *
 * @throws {EnvironmentError} when the address cannot be listened on, or not with these TLS keys, or is
 * not loopback although it takes that to do without tokens; or where Deno does not let connections be
 * bounded.
 */
export function startApiServer(options: ApiServerOptions): ApiServer {
  const { node, limits = {} } = options;
  const door = options.door ?? new Door({ node, access: { kind: "local" } });
  const app = createApp(node, { ...options, door });
  const http = openHttp();
  const { listener, relays } = open({ ...options, door }, http);
  const connections = new Connections({
    ...limits,
    serve: relays?.serve ?? http,
    answer: (request) => app.fetch(request),
    counters: door.counters,
  });
  const expiring = setInterval(
    () => connections.expire(performance.now()),
    limits.expireIntervalMs ?? EXPIRE_INTERVAL_MS,
  );
  const { hostname, port } = listener.addr;
  const finished = (async () => {
    await acceptAll(listener, { ...options, connections });
    await closeInTime(connections);
    relays?.close();
    clearInterval(expiring);
  })();
  return { hostname, port, finished, replaceTlsKeys: (keys) => relays?.replaceKeys(keys) };
}

/** Accepts connections until `signal` aborts, which also closes the listener. */
async function acceptAll(
  listener: Deno.TcpListener,
  { connections, signal, onError }: ApiServerOptions & { readonly connections: Connections },
): Promise<void> {
  const close = () => listener.close();
  if (signal.aborted) return close();
  signal.addEventListener("abort", close, { once: true });
  while (!signal.aborted) {
    const connection = await acceptOne(listener);
    if (connection === null) {
      await pause(ACCEPT_PAUSE_MS, signal);
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
async function acceptOne(listener: Deno.TcpListener): Promise<Deno.Conn | null> {
  try {
    const connection = await accept(listener);
    sendAtOnce(connection);
    return connection;
  } catch {
    return null;
  }
}

async function closeInTime(connections: Connections): Promise<void> {
  using cutOff = after(SHUTDOWN_TIMEOUT_MS);
  using giveUp = after(SHUTDOWN_TIMEOUT_MS + GIVE_UP_MS);
  await connections.close({ cutOff: cutOff.promise, giveUp: giveUp.promise });
}

function after(milliseconds: number): Disposable & { readonly promise: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  return { promise, [Symbol.dispose]: () => clearTimeout(timer) };
}

interface Listening {
  readonly listener: Deno.TcpListener;
  /** What TLS goes through; null without TLS. */
  readonly relays: TlsRelays | null;
}

function open(
  options: ApiServerOptions & { readonly door: Door },
  http: ServeConnection,
): Listening {
  const { hostname, port, tls } = options;
  const setting = "this node's `api` address in cluster.json, or --api-listen";
  const listener = listen({ hostname, port, purpose: "the API", setting });
  try {
    checkReach(listener, options);
    return { listener, relays: tls === undefined ? null : new TlsRelays(tls, http) };
  } catch (error) {
    listener.close();
    throw error;
  }
}

/**
 * Holds a server to what its door was made for, by the address that it got in the end: a name, `localhost`
 * too, may stand for any.
 */
function checkReach(
  listener: Deno.TcpListener,
  { hostname, door }: { readonly hostname: string; readonly door: Door },
): void {
  const bound = listener.addr.hostname;
  if (door.access !== "local" || isLoopback(bound)) return;
  throw new EnvironmentError(
    `Cannot serve the API on ${hostname} without tokens: others than this machine reach it at ` +
      `${bound}. Listen on 127.0.0.1, or demand tokens with --require-token.`,
  );
}

export type AnswerRequest = (request: Request) => Promise<Response>;

/** A connection whose requests are answered. */
export interface ServedConnection {
  /** Settles when the connection has ended, however that came. Never rejects. */
  readonly finished: Promise<void>;
  /** Takes no further request, and ends the connection once those under way are answered. */
  shutdown(): void;
  /** Ends the connection now. */
  cancel(): void;
}

/** Serves HTTP on a connection, which it takes over. */
export type ServeConnection = (connection: Deno.Conn, answer: AnswerRequest) => ServedConnection;

/**
 * What serves connections. `deno` is where it is looked for.
 *
 * @throws {EnvironmentError} where Deno does not have what it takes.
 */
export function openHttp(deno: object = Deno): ServeConnection {
  const serve = findServe(deno);
  return (connection, answer) => serveWith(serve, connection, answer);
}

function serveWith(
  serve: ServeHttpOnConnection,
  ...[connection, answer]: Parameters<ServeConnection>
): ServedConnection {
  let cancel = () => {};
  // Of an AbortSignal only this is used. A real one would report an error as unhandled where the
  // connection has ended in the same moment.
  const signal = { addEventListener: (_type: string, abort: () => void) => cancel = abort };
  // Deno hands over no request to a function that declares no parameter.
  const handler: AnswerRequest = (request) => answer(request);
  const server = serve(connection, signal, handler, failed, () => {});
  let hasFinished = false;
  // It rejects for a TLS handshake that fails: that is the client's affair.
  const finished = server.finished.catch(() => {}).then(() => void (hasFinished = true));
  return {
    finished,
    shutdown: () => void server.shutdown().catch(() => {}),
    cancel: () => {
      if (!hasFinished) ignoringClosed(cancel);
    },
  };
}

/** What this file needs of `serveHttpOnConnection` in Deno's `ext/http/00_serve.ts`. */
type ServeHttpOnConnection = (
  connection: Deno.Conn,
  signal: { addEventListener(type: string, abort: () => void): void },
  handler: AnswerRequest,
  onError: (error: unknown) => Response,
  onListen: () => void,
) => { readonly finished: Promise<void>; shutdown(): Promise<void> };

/** How many parameters it has: with others, it is another function. */
const SERVE_PARAMETERS = 5;

function findServe(deno: object): ServeHttpOnConnection {
  const internals: unknown = Reflect.get(deno, Reflect.get(deno, "internal"));
  const isObject = typeof internals === "object" && internals !== null;
  const serve: unknown = isObject ? Reflect.get(internals, "serveHttpOnConnection") : null;
  if (typeof serve === "function" && serve.length === SERVE_PARAMETERS) {
    return serve as ServeHttpOnConnection;
  }
  throw new EnvironmentError(
    `Cannot serve the API: Deno ${Deno.version.deno} does not let Floe bound its connections. ` +
      "Run Floe with Deno 2.9.6: npx -y deno@2.9.6",
  );
}

/** The application answers every error itself; this is for one in its own machinery. */
function failed(): Response {
  return new Response(null, { status: 500 });
}

function ignoringClosed(cancel: () => void): void {
  try {
    cancel();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
