/**
 * TLS before HTTP, with handshakes that can be ended.
 *
 * Deno does a TLS handshake in a separate task, which keeps the socket until the handshake is complete or
 * the client has left. To close the connection in the meantime has no effect (deno 2.9.6,
 * rustls-tokio-stream 0.8.0). So each silent client would keep a descriptor for ever.
 *
 * So the client's connection is a plain one, which ends when it is closed. Its bytes are forwarded to a TLS
 * listener of this process, on loopback, over another plain connection. When that is closed, the handshake
 * at its other end fails. HTTPS pays for this with one more copy of each byte.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { EnvironmentError, messageOf } from "../errors.ts";
import { accept, sendAtOnce } from "../listen.ts";
import type { AnswerRequest, ServeConnection, ServedConnection } from "./deno_http.ts";

/** A server's certificate chain and private key, both PEM. */
export interface TlsKeys {
  /** The server's own certificate first. */
  readonly cert: string;
  /** The private key of that certificate. SECRET. */
  readonly key: string;
  /** Which certificates of clients are accepted; without it, no client is asked for one. */
  readonly clients?: {
    /** The certificates of the clients' CA, PEM. */
    readonly ca: string;
    /** Whether clients without a certificate are refused. */
    readonly isRequired: boolean;
  };
}

/** Most bytes in the buffer for one direction of a connection. */
const RELAY_BYTES_MAX = 16 * 1024;

/** The internal TLS listener, and the connections that are forwarded to it. */
export class TlsRelays {
  #listener: Deno.TlsListener;
  readonly #serve: ServeConnection;
  /** Links are made one at a time, so that the two ends of each are known. */
  #lastLink: Promise<unknown> = Promise.resolve();

  /**
   * `serve` gets the connections after TLS.
   *
   * @throws {EnvironmentError} when the keys cannot be used.
   */
  constructor(keys: TlsKeys, serve: ServeConnection) {
    this.#serve = serve;
    this.#listener = listenTls(keys);
  }

  /** Serves HTTPS on a plain connection, which it takes over. */
  readonly serve: ServeConnection = (client, answer) => {
    const link = this.#lastLink.then(() => linkTo(this.#listener));
    this.#lastLink = link.catch(() => {});
    return new Relay({ client, link, serve: this.#serve, answer });
  };

  /**
   * Uses these keys for every new connection. Open connections keep theirs.
   *
   * @throws {EnvironmentError} when the keys cannot be used. Then nothing changes.
   */
  replaceKeys(keys: TlsKeys): void {
    const before = this.#listener;
    this.#listener = listenTls(keys);
    // A link that is being made still needs the old listener.
    void this.#lastLink.then(() => before.close());
  }

  /** Accepts no more connections. */
  close(): void {
    this.#listener.close();
  }
}

/** Both ends of a connection within this process. */
interface Link<End extends Deno.Conn> {
  /** The end that takes the client's bytes. */
  readonly plain: Deno.TcpConn;
  /** The end of the listener. */
  readonly other: End;
}

/** A listener on loopback, encrypted or not. */
interface InnerListener<End extends Deno.Conn> {
  readonly addr: Deno.NetAddr;
  accept(): Promise<End>;
}

async function linkTo<End extends Deno.TcpConn | Deno.TlsConn>(
  listener: InnerListener<End>,
): Promise<Link<End>> {
  const { hostname, port } = listener.addr;
  const plain = await Deno.connect({ hostname, port });
  try {
    sendAtOnce(plain);
    while (true) {
      const other = await accept(listener);
      if (other.remoteAddr.port === plain.localAddr.port) return { plain, other };
      // Another program on this machine has connected to the port. It can keep descriptors, as said above.
      other.close();
    }
  } catch (error) {
    plain.close();
    throw error;
  }
}

interface RelayOptions {
  readonly client: Deno.Conn;
  readonly link: Promise<Link<Deno.TlsConn>>;
  readonly serve: ServeConnection;
  readonly answer: AnswerRequest;
}

/** One client's connection, forwarded in both directions. */
class Relay implements ServedConnection {
  readonly finished: Promise<void>;
  readonly #client: Deno.Conn;
  #plain: Deno.TcpConn | null = null;
  #served: ServedConnection | null = null;
  #isCancelled = false;

  constructor(options: RelayOptions) {
    this.#client = options.client;
    // A failure here concerns only this client, which notices it.
    this.finished = this.#run(options).catch(() => {}).then(() => this.cancel());
  }

  shutdown(): void {
    if (this.#served === null) this.cancel();
    else this.#served.shutdown();
  }

  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#served?.cancel();
    this.#client.close();
    this.#plain?.close();
  }

  async #run({ client, link, serve, answer }: RelayOptions): Promise<void> {
    const { plain, other: tls } = await link;
    if (this.#isCancelled) {
      plain.close();
      return tls.close();
    }
    this.#plain = plain;
    this.#served = serve(tls, answer);
    const cancel = () => this.cancel();
    pump(client, plain).catch(cancel);
    const answered = pump(plain, client).catch(cancel);
    await this.#served.finished;
    // The last answer is still being sent.
    await answered;
  }
}

/** The listener for the forwarded connections of {@linkcode TlsRelays}. */
function listenTls({ cert, key }: TlsKeys): Deno.TlsListener {
  try {
    return Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert,
      key,
      // Only HTTP/1.1, with one request at a time on a connection, because the limits count connections.
      alpnProtocols: ["http/1.1"],
    });
  } catch (cause) {
    const message = "Cannot serve the API by HTTPS: the certificate or its key cannot be used: " +
      `${messageOf(cause)}. Give both as PEM with --tls-cert and --tls-key.`;
    throw new EnvironmentError(message, { cause });
  }
}

/** Checks that a certificate and its key can be used together. @throws {EnvironmentError} */
export function checkTlsKeys(keys: TlsKeys): void {
  listenTls(keys).close();
}

/** Connections within this process, for bytes that are not encrypted any more. */
export class PlainLinks {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  /** Links are made one at a time, so that the two ends of each are known. */
  #last: Promise<unknown> = Promise.resolve();

  /** Both ends of a new connection. */
  next(): Promise<{ readonly near: Deno.TcpConn; readonly far: Deno.TcpConn }> {
    const link = this.#last.then(async () => {
      const { plain, other } = await linkTo(this.#listener);
      return { near: plain, far: other };
    });
    this.#last = link.catch(() => {});
    return link;
  }

  /** Makes no more connections. */
  close(): void {
    this.#listener.close();
  }
}

/**
 * Why clients will refuse a certificate chain at this time, and what to do; null if no reason is known.
 * Only the dates are checked: the clients decide which issuers they trust.
 */
export function tlsWarning({ cert }: Pick<TlsKeys, "cert">, now: Date): string | null {
  for (const [pem] of cert.matchAll(CERTIFICATE_PATTERN)) {
    const { subject, validFromDate, validToDate } = new X509Certificate(pem);
    const name = JSON.stringify(subject);
    if (now < validFromDate) {
      return `clients refuse the certificate of ${name}: it is not valid before ` +
        `${validFromDate.toISOString()}. Set this machine's clock, or give the node another one`;
    }
    if (now > validToDate) {
      return `clients refuse the certificate of ${name}: it expired at ` +
        `${validToDate.toISOString()}. Write a new one into its file`;
    }
  }
  return null;
}

/** Each certificate in a text. */
export const CERTIFICATE_PATTERN: RegExp =
  /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/** Forwards the bytes, and then the end of the stream. */
export async function pump(
  from: Deno.Conn,
  to: Pick<Deno.Conn, "write" | "closeWrite">,
): Promise<void> {
  const buffer = new Uint8Array(RELAY_BYTES_MAX);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    for (let written = 0; written < count;) {
      written += await to.write(buffer.subarray(written, count));
    }
  }
  await to.closeWrite();
}
