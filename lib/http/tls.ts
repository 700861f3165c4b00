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
  readonly #links: Links<Deno.TlsConn>;
  readonly #serve: ServeConnection;

  /**
   * `serve` gets the connections after TLS.
   *
   * @throws {EnvironmentError} when the keys cannot be used.
   */
  constructor(keys: TlsKeys, serve: ServeConnection) {
    this.#serve = serve;
    this.#links = new Links(listenTls(keys));
  }

  /** Serves HTTPS on a plain connection, which it takes over. */
  readonly serve: ServeConnection = (client, answer) => {
    const link = this.#links.next();
    return new Relay({
      serve: this.#serve,
      hangUp: () => client.close(),
      open: async () => {
        const { near, far } = await link;
        const receive = () => pump(client, near);
        return { near, far, answer, receive, send: () => pump(near, client) };
      },
    });
  };

  /**
   * Uses these keys for every new connection. Open connections keep theirs.
   *
   * @throws {EnvironmentError} when the keys cannot be used. Then nothing changes.
   */
  replaceKeys(keys: TlsKeys): void {
    this.#links.replaceListener(listenTls(keys));
  }

  /** Accepts no more connections. */
  close(): void {
    this.#links.close();
  }
}

/** Both ends of a connection within this process. */
interface Link<Far extends Deno.Conn> {
  /** The end that takes the client's bytes. */
  readonly near: Deno.TcpConn;
  /** The end of the listener. */
  readonly far: Far;
}

/** A listener on loopback, encrypted or not. */
interface InnerListener<Far extends Deno.Conn> {
  readonly addr: Deno.NetAddr;
  accept(): Promise<Far>;
  close(): void;
}

/** Makes connections to a listener of this process one at a time, so that the two ends of each are known. */
export class Links<Far extends Deno.TcpConn | Deno.TlsConn> {
  #listener: InnerListener<Far>;
  #last: Promise<unknown> = Promise.resolve();

  /** Takes the listener over. */
  constructor(listener: InnerListener<Far>) {
    this.#listener = listener;
  }

  /** Both ends of a new connection. */
  next(): Promise<Link<Far>> {
    const link = this.#last.then(() => linkTo(this.#listener));
    this.#last = link.catch(() => {});
    return link;
  }

  /** Uses this listener for every new connection. */
  replaceListener(listener: InnerListener<Far>): void {
    const before = this.#listener;
    this.#listener = listener;
    // A link that is being made still needs the old listener.
    void this.#last.then(() => before.close());
  }

  /** Makes no more connections. */
  close(): void {
    this.#listener.close();
  }
}

async function linkTo<Far extends Deno.TcpConn | Deno.TlsConn>(
  listener: InnerListener<Far>,
): Promise<Link<Far>> {
  const { hostname, port } = listener.addr;
  const near = await Deno.connect({ hostname, port });
  try {
    sendAtOnce(near);
    while (true) {
      const far = await accept(listener);
      if (far.remoteAddr.port === near.localAddr.port) return { near, far };
      // Another program on this machine has connected to the port. It can keep descriptors, as said above.
      far.close();
    }
  } catch (error) {
    near.close();
    throw error;
  }
}

/** A link for a client's bytes, and how they are forwarded over it. */
interface OpenRelay extends Link<Deno.Conn> {
  readonly answer: AnswerRequest;
  /** Forwards what the client sends, until its end. */
  receive(): Promise<void>;
  /** Forwards what the client gets, until its end. */
  send(): Promise<void>;
}

interface RelayOptions {
  /** Rejects when the client leaves first. */
  readonly open: () => Promise<OpenRelay>;
  /** Serves the link's far end. */
  readonly serve: ServeConnection;
  /** Ends the client's connection. */
  readonly hangUp: () => void;
}

/** One client's connection, forwarded in both directions. */
export class Relay implements ServedConnection {
  /** Resolves when the connection has ended; never rejects. */
  readonly finished: Promise<void>;
  readonly #hangUp: () => void;
  #near: Deno.TcpConn | null = null;
  #served: ServedConnection | null = null;
  #isCancelled = false;

  /** Begins at once. */
  constructor(options: RelayOptions) {
    this.#hangUp = options.hangUp;
    // A failure here concerns only this client, which notices it.
    this.finished = this.#run(options).catch(() => {}).then(() => this.cancel());
  }

  /** Ends the connection after the request that is being answered. */
  shutdown(): void {
    if (this.#served === null) this.cancel();
    else this.#served.shutdown();
  }

  /** Ends the connection now. */
  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#served?.cancel();
    this.#hangUp();
    this.#near?.close();
  }

  async #run({ open, serve }: RelayOptions): Promise<void> {
    const { near, far, answer, receive, send } = await open();
    if (this.#isCancelled) {
      near.close();
      return far.close();
    }
    this.#near = near;
    this.#served = serve(far, answer);
    const cancel = () => this.cancel();
    receive().catch(cancel);
    const sent = send().catch(cancel);
    await this.#served.finished;
    // The last answer is still being sent.
    await sent;
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
