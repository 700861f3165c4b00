import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { findHttp, type ServedConnection } from "../../lib/http/deno_http.ts";
import { TlsRelays, tlsWarning } from "../../lib/http/tls.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { makeTlsKeys } from "../support/certificate.ts";

/** TLS by itself, over real sockets: what the API makes of it is in `server_test.ts`. */

const http = assertDefined(findHttp(), "this Deno serves connections");

/** Serves what is written to it, turned around, one client after the other. */
class Served implements Disposable {
  keys = makeTlsKeys();
  readonly relays: TlsRelays;
  /** Where TLS is listened to within the process. */
  innerPort = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

  constructor() {
    this.relays = new TlsRelays(this.keys, (connection, answer) => {
      const { localAddr } = connection;
      if (localAddr.transport === "tcp") this.innerPort = localAddr.port;
      return http(connection, answer);
    });
  }

  /** Takes other keys, and trusts them from now on. */
  replaceKeys(): void {
    this.keys = makeTlsKeys();
    this.relays.replaceKeys(this.keys);
  }

  /** Both ends of a new connection, of which the server's is served. */
  async connect(): Promise<{ readonly client: Deno.TcpConn; readonly served: ServedConnection }> {
    const { hostname, port } = this.#listener.addr;
    const [client, server] = await Promise.all([
      Deno.connect({ hostname, port }),
      this.#listener.accept(),
    ]);
    const served = this.relays.serve(server, async (request) => {
      return new Response((await request.bytes()).toReversed());
    });
    return { client, served };
  }

  /** What the server makes of these bodies, over one connection. */
  async ask(...bodies: readonly Uint8Array<ArrayBuffer>[]): Promise<Uint8Array[]> {
    const { client, served } = await this.connect();
    const tls = await Deno.startTls(client, { hostname: "localhost", caCerts: [this.keys.cert] });
    const answers: Uint8Array[] = [];
    for (const body of bodies) {
      const head = `PUT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n`;
      const sending = writeAll(tls, new TextEncoder().encode(head)).then(() => writeAll(tls, body));
      answers.push(await readAnswer(tls, body.length));
      await sending;
    }
    tls.close();
    await served.finished;
    return answers;
  }

  [Symbol.dispose](): void {
    this.relays.close();
    this.#listener.close();
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

/** The body of the next answer, of which it is known how long it is. */
async function readAnswer(connection: Deno.Conn, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length + 1_000);
  for (let end = 0;;) {
    const headEnd = new TextDecoder("latin1").decode(buffer.subarray(0, end)).indexOf("\r\n\r\n");
    if (headEnd >= 0 && end >= headEnd + 4 + length) return buffer.slice(headEnd + 4, end);
    const count = await connection.read(buffer.subarray(end));
    if (count === null) throw new Error("The connection ended within an answer");
    end += count;
  }
}

/** Reads until the other side ends the connection. */
async function ended(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1_000);
  try {
    while (await connection.read(buffer) !== null);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
}

const test = (name: string, fn: () => void | Promise<void>) =>
  Deno.test({ name, ignore: !hasOpenssl, fn });

test("TlsRelays hand on what is asked and answered, byte for byte, one request after the other", async () => {
  using served = new Served();
  const bodies = [1, 512 * 1024, 100].map((length) =>
    Uint8Array.from({ length }, (_, at) => at * 31 % 251)
  );
  deepEqual(await served.ask(...bodies), bodies.map((body) => body.toReversed()));
});

test("TlsRelays end a connection whose handshake does not", async () => {
  using relays = new Served();
  // What a ClientHello begins with: a record of 512 bytes, of which none ever comes.
  for (const begun of [[], [0x16, 3, 1, 2, 0]]) {
    const { client, served } = await relays.connect();
    using _client = client;
    await writeAll(client, Uint8Array.from(begun));
    served.cancel();
    served.cancel();
    await Promise.all([ended(client), served.finished]);
  }
});

test("TlsRelays take what is no TLS for the client's affair", async () => {
  using relays = new Served();
  const { client, served } = await relays.connect();
  using _client = client;
  await writeAll(client, new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
  await Promise.all([ended(client), served.finished]);
});

test("TlsRelays are not led astray by who finds their port", async () => {
  using served = new Served();
  const body = Uint8Array.of(1, 2, 3);
  await served.ask(body);
  using _stranger = await Deno.connect({ hostname: "127.0.0.1", port: served.innerPort });
  deepEqual(await served.ask(body), [body.toReversed()]);
});

test("TlsRelays that are closed serve nobody", async () => {
  const served = new Served();
  await served.ask(Uint8Array.of(1));
  served[Symbol.dispose]();
  const inner = { hostname: "127.0.0.1", port: served.innerPort };
  await rejects(Deno.connect(inner), Deno.errors.ConnectionRefused);
});

Deno.test("TlsRelays refuse keys that are none", () => {
  throws(
    () => new TlsRelays({ cert: "x", key: "y" }, http),
    /cannot be used: .*--tls-cert and --tls-key/,
  );
});

test("TlsRelays take new keys for new connections, and none that are no keys", async () => {
  using served = new Served();
  const body = Uint8Array.of(1, 2, 3);
  await served.ask(body);
  const before = served.keys;
  served.replaceKeys();
  deepEqual(await served.ask(body), [body.toReversed()]);
  throws(() => served.relays.replaceKeys({ cert: "x", key: "y" }), /cannot be used/);
  deepEqual(await served.ask(body), [body.toReversed()]);

  const { client, served: refused } = await served.connect();
  const tls = Deno.startTls(client, { hostname: "localhost", caCerts: [before.cert] });
  await rejects(async () => await (await tls).handshake(), /invalid peer certificate/);
  refused.cancel();
  await refused.finished;
});

test("tlsWarning() tells of a certificate that is not valid yet, or no more", () => {
  const keys = makeTlsKeys();
  const now = new Date();
  const days = (count: number) => new Date(now.getTime() + count * 24 * 3_600_000);
  equal(tlsWarning(keys, now), null);
  match(tlsWarning(keys, days(-1)) ?? "", /"CN=localhost": it is not valid before 2/);
  match(tlsWarning(keys, days(2)) ?? "", /"CN=localhost": it expired at 2.* into its file$/);
  const chain = { cert: `${keys.cert}${makeTlsKeys().cert}` };
  match(tlsWarning(chain, days(2)) ?? "", /expired/);
});
