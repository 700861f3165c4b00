/**
 * The API on a port.
 *
 * @module
 */

import { failed, findHttp, type ServeConnection } from "./deno_http.ts";
import { isLoopback } from "../config/mod.ts";
import { pause } from "../deadline.ts";
import { assert, InvariantError } from "../assert.ts";
import { EnvironmentError } from "../errors.ts";
import { accept, listen, sendAtOnce } from "../listen.ts";
import { type AppOptions, createApp, createKeylessApp, type ServedNode } from "./app.ts";
import { Authorizer } from "./authorization.ts";
import { asksClients, MutualRelays } from "./client_certificates.ts";
import { type ConnectionLimits, Connections, CONNECTIONS_MAX } from "./connections.ts";
import { type TlsKeys, TlsRelays } from "./tls.ts";

/** How long running requests may take after the server begins to stop. */
const SHUTDOWN_TIMEOUT_MS = 3_000;
/** How long the server waits for requests whose connections were cut off. */
const GIVE_UP_MS = 500;
/** How often silent and idle connections are checked. */
const EXPIRE_INTERVAL_MS = 1_000;
/** The pause after no connection could be accepted, because there was no free descriptor. */
const ACCEPT_PAUSE_MS = 100;

/** The settings of a server. */
export interface ApiServerOptions extends AppOptions {
  /** The node behind the API. Without a key, it needs an `authorizer`. */
  readonly node: ServedNode;
  /** The address to listen on. */
  readonly hostname: string;
  /** The port to listen on; 0 lets the system choose. */
  readonly port: number;
  /** The certificate and key for HTTPS; without them the server uses HTTP. */
  readonly tls?: TlsKeys;
  /** The limits of connections. */
  readonly limits?: ConnectionLimits & {
    /** How often the time limits are checked. */
    readonly expireIntervalMs?: number;
  };
  /** Called with the reason when connections are ended to make room, or cannot be accepted. */
  readonly onCrowded?: (reason: string) => void;
  /** The object that has Deno's part of the server. Only tests pass another object than Deno. */
  readonly deno?: object;
  /** Aborted to stop the server. */
  readonly signal: AbortSignal;
}

/** A server that listens. */
export interface ApiServer {
  /** The address it listens on. */
  readonly hostname: string;
  /** The port it listens on. */
  readonly port: number;
  /** Most connections at once; null when this Deno cannot limit them. */
  readonly connectionsMax: number | null;
  /** Settles when the server has stopped. */
  readonly finished: Promise<void>;
  /**
   * Serves HTTPS with these keys from the next connection on. Without TLS it does nothing.
   *
   * @throws {EnvironmentError} when the keys cannot be used. The old keys then stay in use.
   */
  replaceTlsKeys(keys: TlsKeys): void;
  /** Serves this node from the next request on. It is the same node, which now has its key. */
  replaceNode(node: ServedNode): void;
}

/**
 * Serves the API until `signal` aborts. Then it accepts no new connection, gives running requests
 * {@linkcode SHUTDOWN_TIMEOUT_MS} to finish, and cuts off the rest.
 *
 * If this Deno does not have the function that limits connections, `Deno.serve` replaces it, and
 * `connectionsMax` is null: every route works, without the limits of `connections.ts`.
 *
 * @throws {EnvironmentError} when it cannot listen on the address, cannot use the TLS keys, or would serve without
 * tokens on an address that is not loopback.
 */
export function startApiServer(options: ApiServerOptions): ApiServer {
  const { node, deno = Deno } = options;
  const authorizer = options.authorizer ?? localAuthorizer(node);
  const open = (served: ServedNode) =>
    typeof served === "function"
      ? createKeylessApp(served, { ...options, authorizer })
      : createApp(served, { ...options, authorizer });
  let app = open(node);
  const http = findHttp(deno);
  const serving = { ...options, authorizer, answer: (request: Request) => app.fetch(request) };
  const server = http === null ? serveUnbounded(serving) : serveBounded(serving, http);
  return { ...server, replaceNode: (served) => void (app = open(served)) };
}

function localAuthorizer(node: ServedNode): Authorizer {
  assert(typeof node !== "function", "A node without a key needs an authorizer");
  return new Authorizer({ node, access: { kind: "local" } });
}

type Listener = Omit<ApiServer, "replaceNode">;

type Serving = ApiServerOptions & {
  readonly authorizer: Authorizer;
  readonly answer: (request: Request) => Response | Promise<Response>;
};

function serveBounded(options: Serving, http: ServeConnection): Listener {
  const { authorizer, answer, limits = {}, onCrowded } = options;
  const { listener, relays } = open(options, http);
  const connectionsMax = connectionsAffordable(limits.connectionsMax ?? CONNECTIONS_MAX, {
    isTls: relays !== null,
  });
  const connections = new Connections({
    ...limits,
    connectionsMax,
    serve: relays?.serve ?? http,
    answer,
    counters: authorizer.counters,
    ...(onCrowded === undefined ? {} : { onCrowded }),
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
  const replaceTlsKeys = (keys: TlsKeys) => relays?.replaceKeys(keys);
  return { hostname, port, connectionsMax, finished, replaceTlsKeys };
}

/** Descriptors that are left to the peers' connections, the node's files and the runtime. */
const DESCRIPTORS_RESERVED = 256;
/** The limit is never below this number of connections, however few descriptors there are. */
const CONNECTIONS_LEAST = 16;
/** A client's socket; with TLS, also both ends of the internal connection (`tls.ts`). */
const DESCRIPTORS_EACH = { plain: 1, tls: 3 };

/** How many connections this process has descriptors for, at most `most`, with a reserve for other uses. */
function connectionsAffordable(most: number, { isTls }: { readonly isTls: boolean }): number {
  const each = isTls ? DESCRIPTORS_EACH.tls : DESCRIPTORS_EACH.plain;
  const free = countFreeDescriptors(most * each + DESCRIPTORS_RESERVED);
  return connectionsWithin(free, { each, most });
}

/** How many connections fit into `free` descriptors, at most `most`, when each connection takes `each`. */
export function connectionsWithin(
  free: number,
  { each, most }: { readonly each: number; readonly most: number },
): number {
  const affordable = Math.floor((free - DESCRIPTORS_RESERVED) / each);
  return Math.min(most, Math.max(CONNECTIONS_LEAST, affordable));
}

/**
 * How many files this process can still open, up to `enough`. It opens the null device so often to find out,
 * and closes it again before anything else happens: for some milliseconds at the start a node has up to
 * {@linkcode CONNECTIONS_MAX} and {@linkcode DESCRIPTORS_RESERVED} descriptors more. Reading
 * `/proc/self/limits` needs all of Deno's permissions.
 */
function countFreeDescriptors(enough: number): number {
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < enough) opened.push(Deno.openSync("/dev/null"));
    return enough;
  } catch (error) {
    // If the file does not exist or cannot be opened, the number is unknown.
    return isOutOfDescriptors(error) ? opened.length : enough;
  } finally {
    for (const file of opened) file.close();
  }
}

function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    (error.code === "EMFILE" || error.code === "ENFILE");
}

/** Serves with `Deno.serve`, on a Deno where Floe cannot limit connections. */
function serveUnbounded(options: Serving): Listener {
  const { answer, signal, tls } = options;
  if (tls !== undefined && asksClients(tls)) {
    throw new EnvironmentError(
      `Cannot ask clients for certificates: Deno ${Deno.version.deno} does not let Floe. Run Floe with ` +
        "Deno 2.9.6, or without --client-ca.",
    );
  }
  // Listens once before, for Floe's own error messages and to know the bound address.
  const { listener, relays } = open(options, serveNothing);
  const { hostname, port } = listener.addr;
  listener.close();
  relays?.close();
  const cutOff = new AbortController();
  const server = Deno.serve({
    hostname,
    port,
    ...tls,
    signal: cutOff.signal,
    onListen: () => {},
    onError: failed,
  }, (request) => answer(request));
  const finished = (async () => {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    using timer = after(SHUTDOWN_TIMEOUT_MS);
    void timer.promise.then(() => cutOff.abort());
    await server.shutdown();
  })();
  return { hostname, port, connectionsMax: null, finished, replaceTlsKeys: refuseTlsKeys };
}

function serveNothing(): never {
  throw new InvariantError("Deno.serve has connections of its own");
}

function refuseTlsKeys(): never {
  throw new EnvironmentError(
    `Cannot take another certificate: Deno ${Deno.version.deno} does not let Floe. Restart the node.`,
  );
}

/** Accepts connections until `signal` aborts, which also closes the listener. */
async function acceptAll(
  listener: Deno.TcpListener,
  { connections, signal, authorizer, onError, onCrowded }: Serving & {
    readonly connections: Connections;
  },
): Promise<void> {
  const close = () => listener.close();
  if (signal.aborted) return close();
  signal.addEventListener("abort", close, { once: true });
  while (!signal.aborted) {
    const connection = await acceptOne(listener);
    if (connection instanceof Error) {
      if (!signal.aborted) {
        authorizer.counters.count("api.accept_failed");
        onCrowded?.(`no connection can be accepted: ${connection.message}`);
      }
      await pause(ACCEPT_PAUSE_MS, signal);
      continue;
    }
    try {
      connections.add(connection);
    } catch (error) {
      // The error concerns only this connection. The next one is accepted.
      onError?.(error);
    }
  }
}

/** The next connection, or why none can be accepted now. */
async function acceptOne(listener: Deno.TcpListener): Promise<Deno.Conn | Error> {
  try {
    const connection = await accept(listener);
    sendAtOnce(connection);
    return connection;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
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
  /** The relays of TLS; null without TLS. */
  readonly relays: Relays | null;
}

/** Serves HTTPS on plain connections. */
type Relays = Pick<TlsRelays, "serve" | "replaceKeys" | "close">;

function open(
  options: ApiServerOptions & { readonly authorizer: Authorizer },
  http: ServeConnection,
): Listening {
  const { hostname, port, tls } = options;
  const setting = "this node's `api` address in cluster.json, or --api-listen";
  const listener = listen({ hostname, port, purpose: "the API", setting });
  try {
    checkReach(listener, options);
    return { listener, relays: tls === undefined ? null : openRelays(tls, http) };
  } catch (error) {
    listener.close();
    throw error;
  }
}

function openRelays(tls: TlsKeys, http: ServeConnection): Relays {
  return asksClients(tls) ? new MutualRelays(tls, http) : new TlsRelays(tls, http);
}

/**
 * Checks the access by the bound address. The name alone is not enough: even `localhost` can have any
 * address.
 */
function checkReach(
  listener: Deno.TcpListener,
  { hostname, authorizer }: { readonly hostname: string; readonly authorizer: Authorizer },
): void {
  const bound = listener.addr.hostname;
  if (authorizer.access !== "local" || isLoopback(bound)) return;
  throw new EnvironmentError(
    `Cannot serve the API on ${hostname} without tokens: others than this machine reach it at ` +
      `${bound}. Listen on 127.0.0.1, or demand tokens with --require-token.`,
  );
}
