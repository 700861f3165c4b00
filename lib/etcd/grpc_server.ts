/**
 * etcd's protocol over gRPC, on its own port. `@grpc/grpc-js` is loaded only when a server starts, so a node
 * without an `etcd` address does not have it in memory.
 *
 * This file accepts the connections and passes them to gRPC. So it can limit their number, and close a
 * connection that is idle for too long.
 *
 * @module
 */

import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import { createServer } from "node:net";
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
  type TLSSocket,
} from "node:tls";
import type { ConnectionInjector } from "@grpc/grpc-js";
import { isLoopback } from "../address.ts";
import { EnvironmentError, messageOf } from "../errors.ts";
import type { AnswerGate } from "./answers.ts";
import type { Admission } from "./cluster.ts";
import { addServices, Calls } from "./grpc_calls.ts";
import { GrpcGate } from "./grpc_admission.ts";
import { GrpcConnections } from "./grpc_connections.ts";
import type { Rpc } from "./rpc.ts";

/** Most connections at once. */
export const GRPC_CONNECTIONS_MAX = 256;
/** Most calls on one connection at once. */
const STREAMS_PER_CONNECTION_MAX = 100;
/** Most bytes in one message of a client: the largest request of etcd, with its frame. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
/** How long a connection may be open without a call. */
const IDLE_MS = 5 * 60_000;
/** How long a TLS handshake may take. */
const HANDSHAKE_MS = 10_000;
/** How often a silent client is asked whether it is still there, and how long it may take to answer. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** How long running calls may take after the server begins to stop. */
const SHUTDOWN_MS = 1_000;

/** A certificate chain and its key, PEM. */
export interface GrpcKeys {
  /** The certificate chain. */
  readonly cert: string;
  /** The private key of the certificate. SECRET. */
  readonly key: string;
  /** Which certificates of clients are accepted; without it, no client is asked for one. */
  readonly clients?: { readonly ca: string; readonly isRequired: boolean };
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
  /** Counts the answers that clients have not read; by default with the limit of `answers.ts`. */
  readonly answers?: AnswerGate;
  /** How long the message of a call may take to arrive; by default as long as `grpc_admission.ts` says. */
  readonly messageTimeoutMs?: number;
  /** Called with every unexpected error. */
  readonly onError?: (error: unknown) => void;
}

/** A gRPC server that listens. */
export interface GrpcServer {
  /** The port it listens on. */
  readonly port: number;
  /** How many connections there are. */
  readonly connections: () => number;
  /** How many calls there are. */
  readonly calls: () => number;
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
  const grpc = await import("./grpc_library.ts");
  const { rpcs, messageTimeoutMs, connectionsMax = GRPC_CONNECTIONS_MAX } = options;
  const stopping = new AbortController();
  const calls = new Calls(options, stopping.signal);
  const connections = new GrpcConnections(connectionsMax);
  const gate = new GrpcGate({
    admit: (rpc, from) => calls.admit(rpc, from),
    begin: (call) => connections.begin(call.getConnectionInfo()),
    ...(messageTimeoutMs === undefined ? {} : { messageTimeoutMs }),
  });
  const byPath = new Map(rpcs.map((rpc) => [`/${rpc.name}`, rpc]));
  const server = new grpc.Server({
    interceptors: [gate.interceptor(byPath)],
    // Nobody asks for these counts.
    "grpc.enable_channelz": 0,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
    "grpc.max_connection_idle_ms": IDLE_MS,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
  });
  addServices(server, rpcs, calls);
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = createListener(options, { connections, injector });
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
    connections: () => connections.size,
    calls: () => gate.calls,
    replaceTlsKeys: (keys) => listener.tls?.setSecureContext(contextOf(keys)),
    // A session ends with its socket. Deno 2.9 crashes where gRPC closes one that its client closes, too.
    close: async () => {
      stopping.abort();
      const closed = new Promise<void>((resolve) => listener.server.close(() => resolve()));
      await new Promise<void>((resolve) => setImmediate(resolve)); // The last answers are written first.
      for (const socket of connections.sockets) socket.end();
      await untilEmpty(connections.sockets, SHUTDOWN_MS);
      for (const socket of connections.sockets) socket.destroy();
      gate.close();
      await closed;
    },
  };
}

interface Listener {
  readonly server: NetServer;
  readonly tls: TlsServer | null;
}

function createListener(
  { tls }: GrpcServerOptions,
  { connections, injector }: {
    readonly connections: GrpcConnections;
    readonly injector: ConnectionInjector;
  },
): Listener {
  const take = (socket: Socket) => {
    // A broken connection concerns only its client. gRPC notices that the socket closes.
    socket.on("error", () => {});
    if (!connections.add(socket)) return;
    socket.setNoDelay(true);
    injector.injectConnection(socket);
  };
  if (tls === undefined) return { server: createServer(take), tls: null };
  try {
    const { clients } = tls;
    const asked = clients === undefined ? {} : { requestCert: true, rejectUnauthorized: false };
    const settings = { ALPNProtocols: ["h2"], handshakeTimeout: HANDSHAKE_MS, ...asked };
    const server = createTlsServer({ ...contextOf(tls), ...settings }, (socket) => {
      if (clients === undefined || isAccepted(socket, clients)) take(socket);
      else socket.destroy();
    });
    server.on("tlsClientError", () => {});
    return { server, tls: server };
  } catch (cause) {
    throw new EnvironmentError(`Cannot serve gRPC with this certificate: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function contextOf({ cert, key, clients }: GrpcKeys): SecureContextOptions {
  return clients === undefined ? { cert, key } : { cert, key, ca: clients.ca };
}

/** Whether a client may go on after the handshake: with a good certificate, or perhaps with none. */
function isAccepted(
  socket: TLSSocket,
  { isRequired }: { readonly isRequired: boolean },
): boolean {
  const hasNone = Object.keys(socket.getPeerCertificate() ?? {}).length === 0;
  return socket.authorized || hasNone && !isRequired;
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

async function untilEmpty(open: readonly Socket[], milliseconds: number): Promise<void> {
  const ended = Promise.all(
    open.map((socket) => new Promise<void>((resolve) => socket.once("close", resolve))),
  );
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, milliseconds);
  await Promise.race([ended, late.promise]);
  clearTimeout(timer);
}
