/**
 * TLS with certificates of clients.
 *
 * `Deno.listenTls` asks no client for a certificate, whatever it is given (deno 2.9.6). `node:tls` of Deno does,
 * so it does the handshakes here, on the client's connection itself. The decrypted bytes go to a listener of this
 * process on loopback, over a connection whose two ends are known, because Deno's HTTP serves only its own
 * connections. A `TLSSocket` that is made by itself verifies nothing in Deno: only a server's
 * `secureConnection` event comes after the check, so each connection has a server that never listens.
 *
 * @module
 */

import { Duplex } from "node:stream";
import { createServer, type TLSSocket } from "node:tls";
import { X509Certificate } from "node:crypto";
import { EnvironmentError, messageOf } from "../errors.ts";
import { Problem, problemResponse } from "./problem.ts";
import type { AnswerRequest, ServeConnection } from "./deno_http.ts";
import { CERTIFICATE_PATTERN, checkTlsKeys, Links, pump, Relay, type TlsKeys } from "./tls.ts";

/** Which certificates of clients a server accepts. */
type ClientTrust = NonNullable<TlsKeys["clients"]>;

/** The name in an accepted certificate, by request. */
const names = new WeakMap<Request, string>();

/** The common name of the certificate that the sender of a request has shown; null for none. */
export function certificateNameOf(request: Request): string | null {
  return names.get(request) ?? null;
}

/** The judgement on a client's certificate. */
type ShownCertificate =
  /** The certificate's common name; null for a client without one. */
  | { readonly kind: "accepted"; readonly name: string | null }
  | { readonly kind: "refused"; readonly reason: string };

/** Judges a connection after the handshake. */
function judge(socket: TLSSocket, { isRequired }: ClientTrust): ShownCertificate {
  if (socket.authorized) return { kind: "accepted", name: commonNameOf(socket) };
  const hasCertificate = Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
  if (hasCertificate) return { kind: "refused", reason: String(socket.authorizationError) };
  return isRequired
    ? { kind: "refused", reason: "there is none" }
    : { kind: "accepted", name: null };
}

function commonNameOf(socket: TLSSocket): string | null {
  const { subject } = socket.getPeerCertificate();
  // A subject with several common names is ambiguous, so it counts as a subject without one.
  return typeof subject?.CN === "string" && subject.CN !== "" ? subject.CN : null;
}

/** Checks a CA. @throws {EnvironmentError} unless it has certificates, all of them valid. */
function checkTrust({ ca }: ClientTrust): void {
  const certificates = [...ca.matchAll(CERTIFICATE_PATTERN)];
  try {
    if (certificates.length === 0) throw new EnvironmentError("it holds no certificate");
    for (const [pem] of certificates) new X509Certificate(pem);
  } catch (cause) {
    const message =
      `Cannot ask clients for certificates: the CA cannot be used: ${messageOf(cause)}. ` +
      "Give its certificates as PEM with --client-ca.";
    throw new EnvironmentError(message, { cause });
  }
}

/** The keys of a server that asks clients for certificates. */
type MutualKeys = Required<TlsKeys>;

/** Whether a server with these keys asks clients for certificates. */
export function asksClients(keys: TlsKeys): keys is MutualKeys {
  return keys.clients !== undefined;
}

/** Serves connections whose clients are asked for a certificate. */
export class MutualRelays {
  #keys: MutualKeys;
  readonly #serve: ServeConnection;
  /** For bytes that are not encrypted any more. */
  readonly #links = new Links<Deno.TcpConn>(Deno.listen({ hostname: "127.0.0.1", port: 0 }));

  /**
   * `serve` gets the decrypted connections.
   *
   * @throws {EnvironmentError} when the keys or the CA cannot be used.
   */
  constructor(keys: MutualKeys, serve: ServeConnection) {
    checkMutualKeys(keys);
    this.#keys = keys;
    this.#serve = serve;
  }

  /** Serves HTTPS on a plain connection, which it takes over. */
  readonly serve: ServeConnection = (client, answer) => {
    const keys = this.#keys;
    const stream = duplexOf(client);
    return new Relay({
      serve: this.#serve,
      hangUp: () => stream.destroy(),
      open: async () => {
        const socket = await handshake(stream, keys);
        const { near, far } = await this.#links.next();
        return {
          ...{ near, far, answer: answerFor(judge(socket, keys.clients), answer) },
          receive: () => receive(socket, near),
          send: () => pump(near, writerOf(socket)),
        };
      },
    });
  };

  /**
   * Uses these keys and this CA for every new connection.
   *
   * @throws {EnvironmentError} when they cannot be used. Then nothing changes.
   */
  replaceKeys(keys: TlsKeys): void {
    if (!asksClients(keys)) return;
    checkMutualKeys(keys);
    this.#keys = keys;
  }

  /** Accepts no more connections. */
  close(): void {
    this.#links.close();
  }
}

function checkMutualKeys(keys: MutualKeys): void {
  checkTlsKeys(keys);
  checkTrust(keys.clients);
}

/** Resolves after the handshake. Rejects when it fails or the client leaves. */
function handshake(stream: Duplex, { cert, key, clients }: MutualKeys): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // The certificate is judged after the handshake, so that a refused client learns the reason.
    const server = createServer({
      ...{ cert, key, ca: clients.ca, requestCert: true, rejectUnauthorized: false },
      ...{ ALPNProtocols: ["http/1.1"], allowHalfOpen: true },
    });
    server.once("secureConnection", (socket) => {
      socket.on("error", () => {});
      resolve(socket);
    });
    server.once("tlsClientError", reject);
    stream.once("close", () => reject(new Error("The client has left")));
    server.emit("connection", stream);
  });
}

/** Records the sender's name for each request, or refuses all requests. */
function answerFor(shown: ShownCertificate, answer: AnswerRequest): AnswerRequest {
  if (shown.kind === "refused") {
    // deno-lint-ignore require-await -- an answer is a promise
    return async (request) => problemResponse(refusal(shown.reason), request);
  }
  const { name } = shown;
  if (name === null) return answer;
  return (request) => {
    names.set(request, name);
    return answer(request);
  };
}

function refusal(reason: string): Problem {
  return new Problem(
    "unauthorized",
    `This API does not accept the client's certificate: ${reason}. Show one of its operators' CA ` +
      "(floe: --client-cert and --client-key)",
    { headers: { connection: "close" } },
  );
}

/** Most bytes that are read from a client at once. */
const READ_BYTES_MAX = 16 * 1024;

/** A connection as `node:tls` takes it. */
function duplexOf(connection: Deno.Conn): Duplex {
  return new Duplex({
    read() {
      const buffer = new Uint8Array(READ_BYTES_MAX);
      connection.read(buffer).then(
        (count) => this.push(count === null ? null : buffer.subarray(0, count)),
        (error) => this.destroy(error),
      );
    },
    write(bytes: Uint8Array, _encoding, done) {
      writeAll(connection, bytes).then(() => done(), done);
    },
    final(done) {
      connection.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      connection.close();
      done(error);
    },
  }).on("error", () => {});
}

async function receive(socket: TLSSocket, to: Deno.TcpConn): Promise<void> {
  for await (const bytes of socket) await writeAll(to, bytes);
  await to.closeWrite();
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await to.write(bytes.subarray(written));
  }
}

/** The encrypted side as {@linkcode pump} writes to it. */
function writerOf(socket: TLSSocket): Pick<Deno.Conn, "write" | "closeWrite"> {
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        // A copy, because the caller reads into the same buffer again.
        socket.write(bytes.slice(), (error) => error ? reject(error) : resolve(bytes.length));
      }),
    closeWrite: () => new Promise((resolve) => socket.end(() => resolve())),
  };
}
