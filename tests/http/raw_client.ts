/**
 * An API server over real sockets, and a client that sends bytes as a test wants them.
 *
 * @module
 */

import { encodeUtf8 } from "../../lib/bytes.ts";
import { type ApiServerOptions, startApiServer } from "../../lib/http/server.ts";
import { FakeNode } from "./fake_node.ts";

/** A server, or just its connections, with what a test needs to know of it. */
export class Served implements AsyncDisposable {
  readonly node = new FakeNode();
  readonly #stop = new AbortController();
  readonly #server;

  constructor(options: Partial<ApiServerOptions> = {}) {
    const { node } = this;
    const signal = this.#stop.signal;
    this.#server = startApiServer({ node, hostname: "127.0.0.1", port: 0, signal, ...options });
  }

  get port(): number {
    return this.#server.port;
  }

  async counters(): Promise<Record<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.port}/v1/status`);
    return (await response.json()).counters;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }
}

/** A client that says what a test wants, byte for byte, and reads until the end. */
export class RawClient implements Disposable {
  readonly #connection: Deno.Conn;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends a text; a server that has hung up meanwhile does not matter. */
  async send(text: string): Promise<void> {
    const bytes = encodeUtf8(text);
    try {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#connection.write(bytes.subarray(sent));
      }
    } catch (error) {
      if (!isHangUp(error)) throw error;
    }
  }

  /** The next bytes as text, null at the end. */
  async read(): Promise<string | null> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      const count = await this.#connection.read(buffer);
      return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
    } catch (error) {
      if (!isHangUp(error)) throw error;
      return null;
    }
  }

  /** Everything until the server ends the connection. */
  async readAll(): Promise<string> {
    let all = "";
    for (let text = await this.read(); text !== null; text = await this.read()) all += text;
    return all;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

function isHangUp(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

/** The beginning of a request that every server answers. */
export const GET = "GET /livez HTTP/1.1\r\nhost: localhost\r\n";
