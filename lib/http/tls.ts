/**
 * TLS before HTTP, with handshakes that can be ended.
 *
 * Deno does a TLS handshake in a task of its own, which holds the socket until the client is through with
 * it or gone: to close the connection meanwhile closes nothing (deno 2.9.6, rustls-tokio-stream 0.8.0).
 * Each silent client would cost a descriptor without end.
 *
 * So a client's connection is a plain one, which ends when it is closed. What comes over it is handed on to
 * a TLS listener of this process, on loopback, over another plain connection; when that is closed, the
 * handshake at its end has lost its client. HTTPS pays for it with one more copy of each byte.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { EnvironmentError, messageOf } from "../errors.ts";
import { accept, sendAtOnce } from "../listen.ts";
import type { AnswerRequest, ServeConnection, ServedConnection } from "./server.ts";

/** A server's certificate chain and private key, both PEM. */
export interface TlsKeys {
  /** The server's own certificate first. */
  readonly cert: string;
  /** The key of that certificate: secret. */
  readonly key: string;
}

/** Most bytes that are on their way in one direction of a connection. */
const RELAY_BYTES_MAX = 16 * 1024;

/** The listener within the process, and the connections that are handed on to it. */
export class TlsRelays {
  #listener: Deno.TlsListener;
  readonly #serve: ServeConnection;
  /** One link is made at a time, so that each end finds its other. */
  #lastLink: Promise<unknown> = Promise.resolve();

  /**
   * Connections that are through with TLS go to `serve`.
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
   * Shows these keys to every connection that comes from now on; those that are there keep theirs.
   *
   * @throws {EnvironmentError} when the keys cannot be used. Then nothing changes.
   */
  replaceKeys(keys: TlsKeys): void {
    const before = this.#listener;
    this.#listener = listenTls(keys);
    // A link that is being made has both its ends at the listener before.
    void this.#lastLink.then(() => before.close());
  }

  /** Takes no connection any more. */
  close(): void {
    this.#listener.close();
  }
}

/** Both ends of a connection within this process. */
interface Link {
  /** Where what the client sends goes in. */
  readonly plain: Deno.TcpConn;
  /** Where it comes out, without TLS. */
  readonly tls: Deno.TlsConn;
}

async function linkTo(listener: Deno.TlsListener): Promise<Link> {
  const { hostname, port } = listener.addr;
  const plain = await Deno.connect({ hostname, port });
  try {
    sendAtOnce(plain);
    while (true) {
      const tls = await accept(listener);
      if (tls.remoteAddr.port === plain.localAddr.port) return { plain, tls };
      // Another program on this machine found the port; it can hold descriptors, as said above.
      tls.close();
    }
  } catch (error) {
    plain.close();
    throw error;
  }
}

interface RelayOptions {
  readonly client: Deno.Conn;
  readonly link: Promise<Link>;
  readonly serve: ServeConnection;
  readonly answer: AnswerRequest;
}

/** One client's connection, handed on both ways. */
class Relay implements ServedConnection {
  readonly finished: Promise<void>;
  readonly #client: Deno.Conn;
  #plain: Deno.TcpConn | null = null;
  #served: ServedConnection | null = null;
  #isCancelled = false;

  constructor(options: RelayOptions) {
    this.#client = options.client;
    // A failure here concerns this client alone, and it sees it.
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
    const { plain, tls } = await link;
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
    // What was answered last is still on its way.
    await answered;
  }
}

/** The listener for what {@linkcode TlsRelays} hands on. */
function listenTls(keys: TlsKeys): Deno.TlsListener {
  try {
    return Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      ...keys,
      // One request at a time on a connection: what is counted by connection is counted by HTTP/1.1.
      alpnProtocols: ["http/1.1"],
    });
  } catch (cause) {
    const message = "Cannot serve the API by HTTPS: the certificate or its key cannot be used: " +
      `${messageOf(cause)}. Give both as PEM with --tls-cert and --tls-key.`;
    throw new EnvironmentError(message, { cause });
  }
}

/**
 * Why clients will refuse a certificate chain at this time, and what to do; null if nothing is known. Only
 * its dates are checked: which issuers to trust is the clients' decision.
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
        `${validToDate.toISOString()}. Write a new one into its file and send the node SIGHUP`;
    }
  }
  return null;
}

const CERTIFICATE_PATTERN = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/** Hands on what comes, and then that nothing more does. */
async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(RELAY_BYTES_MAX);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    for (let written = 0; written < count;) {
      written += await to.write(buffer.subarray(written, count));
    }
  }
  await to.closeWrite();
}
