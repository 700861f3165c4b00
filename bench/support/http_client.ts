/**
 * The leanest HTTP/1.1 client that can load a node: one connection, one request at a time. `fetch`
 * would spend more of the machine on the client than the nodes spend on the work.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import type { Address } from "../../lib/address.ts";

/** Answers are small: a line of JSON. */
const ANSWER_BYTES_MAX = 16 * 1024;

/** A connection to one node's API. */
export class HttpClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(ANSWER_BYTES_MAX);

  private constructor(connection: Deno.TcpConn) {
    connection.setNoDelay(true);
    this.#connection = connection;
  }

  /** Connects. */
  static async connect(address: Address): Promise<HttpClient> {
    return new HttpClient(await Deno.connect(address));
  }

  /** Writes a value; the answer's HTTP status. */
  async put(key: string, value: Uint8Array): Promise<number> {
    const head =
      `PUT /v1/kv/${key} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${value.length}\r\n\r\n`;
    await writeAll(this.#connection, concatBytes(encodeUtf8(head), value));
    return await this.#readStatus();
  }

  /** Reads a value, linearizably; the answer's HTTP status. */
  async get(key: string): Promise<number> {
    const head = `GET /v1/kv/${key} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    await writeAll(this.#connection, encodeUtf8(head));
    return await this.#readStatus();
  }

  /** Ends the connection. */
  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #readStatus(): Promise<number> {
    let length = 0;
    while (true) {
      const read = await this.#connection.read(this.#buffer.subarray(length));
      if (read === null) throw new Error("The node ended the connection");
      length += read;
      const text = new TextDecoder().decode(this.#buffer.subarray(0, length));
      const headEnd = text.indexOf("\r\n\r\n");
      if (headEnd < 0) continue;
      const bodyLength = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (length >= headEnd + 4 + bodyLength) return Number(text.slice(9, 12));
    }
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await connection.write(bytes.subarray(written));
  }
}
