/**
 * etcd's protocol over gRPC, on its own port. `@grpc/grpc-js` is loaded only when a server starts, so a node
 * without an `etcd` address does not have it in memory.
 *
 * This file accepts the connections and passes them to gRPC. So it can limit their number, and close a
 * connection that is idle for too long.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import { createServer } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import type {
  ConnectionInjector,
  handleBidiStreamingCall,
  handleUnaryCall,
  Metadata,
  Server,
  ServerDuplexStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { isLoopback } from "../address.ts";
import { EnvironmentError, messageOf } from "../errors.ts";
import type { Call } from "./call.ts";
import { type Admission, callerOf } from "./cluster.ts";
import { CODES, EtcdError, refuse, toEtcdError } from "./errors.ts";
import type { Answer, Request, Rpc } from "./rpcs.ts";

/** Most connections at once. */
export const GRPC_CONNECTIONS_MAX = 256;
/** Most calls on one connection at once. */
const STREAMS_PER_CONNECTION_MAX = 1_000;
/** Most calls at once, including streams. */
const CALLS_MAX = 4_096;
/** Most bytes in one message of a client: the largest request of etcd, with its frame. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
/** How long a connection may be open without a call. */
const IDLE_MS = 5 * 60_000;
/** How long a TLS handshake may take. */
const HANDSHAKE_MS = 10_000;
/** How often a silent client is asked whether it is still there, and how long it may take to answer. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** How long a client may take to read one answer of a stream. */
const STALLED_MS = 60_000;
/** How long running calls may take after the server begins to stop. */
const SHUTDOWN_MS = 1_000;

/** A certificate chain and its key, PEM. */
export interface GrpcKeys {
  /** The certificate chain. */
  readonly cert: string;
  /** The private key of the certificate. SECRET. */
  readonly key: string;
}

/** The settings of a gRPC server. */
export interface GrpcServerOptions {
  /** The calls that it serves. */
  readonly rpcs: readonly Rpc[];
  /** The authorization of requests. */
  readonly admission: Admission;
  /** The address to listen on. */
  readonly hostname: string;
  /** The port to listen on; 0 lets the system choose. */
  readonly port: number;
  /** The certificate for TLS; without it, connections are not encrypted. */
  readonly tls?: GrpcKeys;
  /** Refuses an address that other machines can reach. Set when requests need no token. */
  readonly isLoopbackOnly?: boolean;
  /** Most connections; by default {@linkcode GRPC_CONNECTIONS_MAX}. */
  readonly connectionsMax?: number;
  /** Called with every unexpected error. */
  readonly onError?: (error: unknown) => void;
}

/** A gRPC server that listens. */
export interface GrpcServer {
  /** The port it listens on. */
  readonly port: number;
  /** How many connections there are. */
  readonly connections: () => number;
  /** Replaces the certificate for new connections. */
  replaceTlsKeys(keys: GrpcKeys): void;
  /** Ends all calls and connections. Resolves when they have ended. */
  close(): Promise<void>;
}

/**
 * Serves etcd's protocol until it is closed.
 *
 * @throws {EnvironmentError} when it cannot listen on the address, or cannot use the certificate.
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const grpc = await import("@grpc/grpc-js");
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
    "grpc.max_connection_idle_ms": IDLE_MS,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
  });
  const stopping = new AbortController();
  const calls = new Calls(options, stopping.signal);
  addServices(server, options.rpcs, calls);
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = createListener(options, injector);
  await listen(listener.server, options);
  const { address, port } = listener.server.address() as AddressInfo;
  if (options.isLoopbackOnly === true && !isLoopback(address)) {
    listener.server.close();
    throw new EnvironmentError(
      `Cannot serve etcd's clients on ${options.hostname} without tokens: other machines reach it at ` +
        `${address}. Listen on 127.0.0.1, or demand tokens with --require-token.`,
    );
  }
  return {
    port,
    connections: () => listener.open.size,
    replaceTlsKeys: (keys) => listener.tls?.setSecureContext({ ...keys }),
    close: async () => {
      stopping.abort();
      const closed = new Promise<void>((resolve) => listener.server.close(() => resolve()));
      injector.drain(SHUTDOWN_MS);
      await untilEmpty(listener.open, SHUTDOWN_MS);
      for (const socket of listener.open) socket.destroy();
      server.forceShutdown();
      await closed;
    },
  };
}

interface Listener {
  readonly server: NetServer;
  readonly tls: TlsServer | null;
  readonly open: ReadonlySet<Socket>;
}

function createListener(
  { tls, connectionsMax = GRPC_CONNECTIONS_MAX }: GrpcServerOptions,
  injector: ConnectionInjector,
): Listener {
  const open = new Set<Socket>();
  const take = (socket: Socket) => {
    if (open.size >= connectionsMax) return void socket.destroy();
    open.add(socket);
    socket.setNoDelay(true);
    // A broken connection concerns only its client. gRPC notices that the socket closes.
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    injector.injectConnection(socket);
  };
  if (tls === undefined) return { server: createServer(take), tls: null, open };
  try {
    const settings = { ...tls, ALPNProtocols: ["h2"], handshakeTimeout: HANDSHAKE_MS };
    const server = createTlsServer(settings, take);
    server.on("tlsClientError", () => {});
    return { server, tls: server, open };
  } catch (cause) {
    throw new EnvironmentError(`Cannot serve gRPC with this certificate: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function listen(server: NetServer, { hostname, port }: GrpcServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new EnvironmentError(
          `Cannot listen on ${hostname}:${port} for etcd's clients: ${messageOf(cause)}. ` +
            "Stop whatever listens there, or change this node's `etcd` address in cluster.json",
          { cause },
        ),
      );
    });
    server.listen(port, hostname, () => resolve());
  });
}

async function untilEmpty(open: ReadonlySet<Socket>, milliseconds: number): Promise<void> {
  const ended = Promise.all(
    [...open].map((socket) => new Promise<void>((resolve) => socket.once("close", resolve))),
  );
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, milliseconds);
  await Promise.race([ended, late.promise]);
  clearTimeout(timer);
}

/** Messages stay bytes until a handler reads them, so that a malformed message gets etcd's own error. */
function addServices(server: Server, rpcs: readonly Rpc[], calls: Calls): void {
  const services = new Map<string, [ServiceDefinition, UntypedServiceImplementation]>();
  for (const rpc of rpcs) {
    const [service = "", method = ""] = rpc.name.split("/");
    const [definition, implementation] = services.get(service) ?? [{}, {}];
    services.set(service, [
      {
        ...definition,
        [method]: {
          path: `/${rpc.name}`,
          requestStream: rpc.kind === "stream",
          responseStream: rpc.kind === "stream",
          requestSerialize: asBuffer,
          requestDeserialize: asBytes,
          responseSerialize: asBuffer,
          responseDeserialize: asBytes,
        },
      },
      { ...implementation, [method]: calls.handlerOf(rpc) },
    ]);
  }
  for (const [definition, implementation] of services.values()) {
    server.addService(definition, implementation);
  }
}

type Handler =
  | handleUnaryCall<Uint8Array, Uint8Array>
  | handleBidiStreamingCall<
    Uint8Array,
    Uint8Array
  >;

/** The running calls. */
class Calls {
  readonly #options: GrpcServerOptions;
  readonly #stopping: AbortSignal;
  #count = 0;

  constructor(options: GrpcServerOptions, stopping: AbortSignal) {
    this.#options = options;
    this.#stopping = stopping;
  }

  handlerOf(rpc: Rpc): Handler {
    if (rpc.kind === "unary") return this.#unary(rpc);
    return (stream: ServerDuplexStream<Uint8Array, Uint8Array>) => void this.#stream(rpc, stream);
  }

  #unary(rpc: Extract<Rpc, { kind: "unary" }>): handleUnaryCall<Uint8Array, Uint8Array> {
    return async (from, answer) => {
      const call = this.#toCall(from.metadata);
      from.on("cancelled", () => call.end());
      try {
        this.#enter();
        answer(null, rpc.encode(await rpc.answer(rpc.decode(from.request), call)));
      } catch (error) {
        answer(this.#toStatus(error));
      } finally {
        this.#count--;
      }
    };
  }

  async #stream(
    rpc: Extract<Rpc, { kind: "stream" }>,
    stream: ServerDuplexStream<Uint8Array, Uint8Array>,
  ): Promise<void> {
    const call = this.#toCall(stream.metadata);
    stream.on("cancelled", () => call.end());
    stream.on("close", () => call.end());
    try {
      this.#enter();
      const answers = rpc.answer(received(rpc, stream), call);
      await sendAll(rpc, stream, { answers, signal: call.signal });
      if (this.#stopping.aborted) throw refuse("stopped");
      stream.end();
    } catch (error) {
      stream.emit("error", this.#toStatus(error));
    } finally {
      this.#count--;
    }
  }

  /** Counts a call, also one above the limit, because every call is uncounted at its end. */
  #enter(): void {
    this.#count++;
    if (this.#count > CALLS_MAX) throw refuse("tooManyRequests");
    if (this.#stopping.aborted) throw refuse("stopped");
  }

  #toCall(metadata: Metadata): GrpcCall {
    const token = textOf(metadata, "token") ?? textOf(metadata, "authorization");
    return new GrpcCall({
      caller: () => callerOf(this.#options.admission, token),
      requiresLeader: textOf(metadata, "hasleader") === "true",
      stopping: this.#stopping,
    });
  }

  #toStatus(error: unknown): { readonly code: number; readonly details: string } {
    const refusal = toEtcdError(error);
    if (refusal.code === "internal") this.#options.onError?.(error);
    return { code: CODES[refusal.code], details: refusal.message };
  }
}

class GrpcCall implements Call {
  readonly way = "grpc";
  readonly caller: Call["caller"];
  readonly requiresLeader: boolean;
  readonly #stopping: AbortSignal;
  #ended: AbortController | null = null;
  #signal: AbortSignal | null = null;
  #isOver = false;

  constructor({ caller, requiresLeader, stopping }: {
    readonly caller: Call["caller"];
    readonly requiresLeader: boolean;
    readonly stopping: AbortSignal;
  }) {
    this.caller = caller;
    this.requiresLeader = requiresLeader;
    this.#stopping = stopping;
  }

  get signal(): AbortSignal {
    if (this.#signal !== null) return this.#signal;
    this.#ended = new AbortController();
    if (this.#isOver) this.#ended.abort();
    return this.#signal = AbortSignal.any([this.#ended.signal, this.#stopping]);
  }

  /** Its client is gone. */
  end(): void {
    this.#isOver = true;
    this.#ended?.abort();
  }
}

function textOf(metadata: Metadata, name: string): string | null {
  const [value] = metadata.get(name);
  return typeof value === "string" ? value : null;
}

/** The messages of a client, one at a time: the next one is read when the last one was taken. */
async function* received(
  rpc: Rpc,
  stream: ServerDuplexStream<Uint8Array, Uint8Array>,
): AsyncGenerator<Request, void> {
  const waiting: Uint8Array[] = [];
  let isOver = false;
  let wake = Promise.withResolvers<void>();
  const end = () => {
    isOver = true;
    wake.resolve();
  };
  for (const event of ["end", "error", "close", "cancelled"]) stream.on(event, end);
  stream.on("data", (bytes: Uint8Array) => {
    waiting.push(bytes);
    stream.pause();
    wake.resolve();
  });
  while (true) {
    const bytes = waiting.shift();
    if (bytes !== undefined) yield rpc.decode(bytes);
    else if (isOver) return;
    else {
      wake = Promise.withResolvers();
      stream.resume();
      await wake.promise;
    }
  }
}

/** Sends answers as fast as the client reads them. */
async function sendAll(
  rpc: Rpc,
  stream: ServerDuplexStream<Uint8Array, Uint8Array>,
  { answers, signal }: {
    readonly answers: AsyncGenerator<Answer, void>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for await (const answer of answers) {
    if (signal.aborted) return;
    if (!stream.write(rpc.encode(answer))) await drained(stream, signal);
  }
}

function drained(
  stream: ServerDuplexStream<Uint8Array, Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      settle();
      reject(new EtcdError("deadlineExceeded", "etcdserver: the client does not read its answers"));
    }, STALLED_MS);
    const onEnd = () => {
      settle();
      resolve();
    };
    const settle = () => {
      clearTimeout(timer);
      stream.off("drain", onEnd);
      signal.removeEventListener("abort", onEnd);
    };
    stream.once("drain", onEnd);
    signal.addEventListener("abort", onEnd, { once: true });
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A plain Uint8Array: unlike a Buffer's, its slices are copies. */
function asBytes({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
