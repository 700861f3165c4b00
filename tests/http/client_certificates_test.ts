import { deepEqual, equal, match, throws } from "node:assert/strict";
import { Authorizer } from "../../lib/http/authorization.ts";
import { type ApiServer, startApiServer } from "../../lib/http/server.ts";
import type { TlsKeys } from "../../lib/http/tls.ts";
import type { NewToken } from "../../lib/kv/token.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { newToken } from "../kv/support.ts";
import { type CertificateFiles, makeTlsKeys, TestAuthority } from "../support/certificate.ts";
import { FakeNode } from "./fake_node.ts";

/** Certificates of clients, over real sockets: who is let in, as whom, and who is not. */

type ClientTrust = NonNullable<TlsKeys["clients"]>;

const ADMIN = drawToken({ kind: "admin", node: toNodeId("server_1") });

class Api implements AsyncDisposable {
  readonly node = new FakeNode();
  readonly authority = new TestAuthority();
  readonly keys = makeTlsKeys();
  readonly authorizer = new Authorizer({
    node: this.node,
    access: {
      kind: "tokens",
      admin: { node: toNodeId("server_1"), secretDigest: digestSecret(ADMIN.secret) },
    },
  });
  readonly server: ApiServer;
  readonly #stop = new AbortController();

  constructor(trust: Partial<ClientTrust> = {}) {
    this.server = startApiServer({
      node: this.node,
      hostname: "127.0.0.1",
      port: 0,
      tls: this.keysFor(trust),
      authorizer: this.authorizer,
      signal: this.#stop.signal,
    });
  }

  keysFor(trust: Partial<ClientTrust> = {}) {
    return { ...this.keys, clients: { ca: this.authority.ca, isRequired: true, ...trust } };
  }

  grant(id: string, changes: Partial<NewToken>): void {
    this.node.apply({ kind: "createToken", ...newToken(id, { prefixes: [], ...changes }) });
  }

  /** The status and the problem's text of a request with this certificate. */
  async ask(files: CertificateFiles | null, init: RequestInit = {}, path = "/v1/kv/a") {
    using client = Deno.createHttpClient({
      caCerts: [this.keys.cert],
      ...(files === null ? {} : {
        cert: Deno.readTextFileSync(files.cert),
        key: Deno.readTextFileSync(files.key),
      }),
    });
    const url = `https://127.0.0.1:${this.server.port}${path}`;
    const response = await fetch(url, { ...init, client });
    return { status: response.status, text: await response.text() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.server.finished;
    this.authority[Symbol.dispose]();
  }
}

const test = (name: string, fn: () => Promise<void>) =>
  // node:tls under Deno ends what it holds of a connection after the connection.
  Deno.test({ name, ignore: !hasOpenssl, sanitizeOps: false, sanitizeResources: false, fn });

const RAW = { headers: { accept: "application/octet-stream" } };
const put = { method: "PUT", body: "x" };

test("a certificate has the rights of the token with its name, and no others", async () => {
  await using api = new Api();
  api.grant("a", { name: "reader", scopes: ["read"] });
  api.grant("b", { name: "app", scopes: ["read", "write"], prefixes: ["app/"] });
  const reader = api.authority.issue("reader");
  const app = api.authority.issue("app");
  equal((await api.ask(app, put, "/v1/kv/app/a")).status, 200);
  equal((await api.ask(app, put, "/v1/kv/other")).status, 403);
  equal((await api.ask(reader, RAW, "/v1/kv/app/a")).text, "x");
  equal((await api.ask(reader, put, "/v1/kv/app/a")).status, 403);
  equal((await api.ask(reader, {}, "/v1/tokens")).status, 403);
  api.node.apply({ kind: "revokeToken", id: "a".repeat(16) });
  const revoked = await api.ask(reader, {}, "/v1/kv/app/a");
  equal(revoked.status, 401);
  match(revoked.text, /No token has the name of this certificate, \\"reader\\"/);
});

test("the newest of several tokens with a certificate's name counts, and no name is nobody's", async () => {
  await using api = new Api();
  api.grant("a", { name: "app", scopes: ["admin"] });
  api.grant("b", { name: "app", scopes: ["read"] });
  api.grant("c", { name: "", scopes: ["admin"] });
  equal((await api.ask(api.authority.issue("app"), put)).status, 403);
  equal((await api.ask(api.authority.issue("App"), put)).status, 401);
  equal((await api.ask(api.authority.issue("/O=app"), put)).status, 401);
});

test("a token goes before a certificate", async () => {
  await using api = new Api();
  api.grant("a", { name: "reader", scopes: ["read"] });
  const reader = api.authority.issue("reader");
  const headers = { authorization: `Bearer ${formatToken(ADMIN)}` };
  equal((await api.ask(reader, { ...put, headers })).status, 200);
  const unknown = {
    authorization: `Bearer ${formatToken(drawToken({ kind: "token", id: "f".repeat(16) }))}`,
  };
  equal((await api.ask(reader, { headers: unknown })).status, 401);
});

test("without a certificate, with one of another CA, and with an expired one, nothing is answered", async () => {
  await using api = new Api();
  api.grant("a", { name: "app", scopes: ["admin"] });
  using strangers = new TestAuthority();
  const headers = { authorization: `Bearer ${formatToken(ADMIN)}` };
  for (
    const [files, reason] of [
      [null, /does not accept the client's certificate: there is none/],
      [strangers.issue("app"), /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/],
      [api.authority.issue("app", { days: -1 }), /CERT_HAS_EXPIRED/],
      [makeOwn(), /does not accept the client's certificate: [A-Z_]+/],
    ] as const
  ) {
    // What anybody may see else, and what a valid token may.
    for (
      const [path, init] of [["/v1/leader", {}], ["/livez", {}], ["/v1/kv/a", { headers }]] as const
    ) {
      const { status, text } = await api.ask(files, init, path);
      equal(status, 401);
      equal(JSON.parse(text).code, "unauthorized");
      match(text, reason);
    }
  }
  equal((await api.ask(api.authority.issue("app"), put)).status, 200);
});

/** A certificate that vouches for itself. */
function makeOwn(): CertificateFiles {
  const folder = Deno.makeTempDirSync({ prefix: "floe-own-" });
  const { cert, key } = makeTlsKeys();
  Deno.writeTextFileSync(`${folder}/cert`, cert);
  Deno.writeTextFileSync(`${folder}/key`, key);
  return { cert: `${folder}/cert`, key: `${folder}/key` };
}

test("where certificates are optional, a client without one needs a token, and a bad one is refused", async () => {
  await using api = new Api({ isRequired: false });
  api.grant("a", { name: "app", scopes: ["read", "write"] });
  using strangers = new TestAuthority();
  equal((await api.ask(null, put)).status, 401);
  const headers = { authorization: `Bearer ${formatToken(ADMIN)}` };
  equal((await api.ask(null, { ...put, headers })).status, 200);
  equal((await api.ask(null, {}, "/v1/leader")).status === 401, false);
  equal((await api.ask(api.authority.issue("app"), put)).status, 200);
  equal((await api.ask(strangers.issue("app"), { ...put, headers })).status, 401);
  const expired = api.authority.issue("app", { days: -1 });
  equal((await api.ask(expired, { ...put, headers })).status, 401);
});

test("another CA holds for new connections, and one that cannot be used changes nothing", async () => {
  await using api = new Api();
  api.grant("a", { name: "app", scopes: ["read", "write"] });
  using next = new TestAuthority();
  const [before, after] = [api.authority.issue("app"), next.issue("app")];
  equal((await api.ask(before, put)).status, 200);
  for (const ca of ["", "no certificate", api.authority.ca.replace("MII", "MIX")]) {
    throws(() => api.server.replaceTlsKeys(api.keysFor({ ca })), /the CA cannot be used/);
  }
  throws(
    () => api.server.replaceTlsKeys({ ...api.keysFor(), key: makeTlsKeys().key }),
    /cannot be used: .*KeyMismatch/,
  );
  equal((await api.ask(before, put)).status, 200);
  api.server.replaceTlsKeys(api.keysFor({ ca: next.ca }));
  deepEqual([(await api.ask(before, put)).status, (await api.ask(after, put)).status], [401, 200]);
});

test("a value of the largest size passes in both directions, and one connection takes many requests", async () => {
  await using api = new Api();
  api.grant("a", { name: "app", scopes: ["read", "write"] });
  const { cert, key } = api.authority.issue("app");
  using client = Deno.createHttpClient({
    caCerts: [api.keys.cert],
    cert: Deno.readTextFileSync(cert),
    key: Deno.readTextFileSync(key),
  });
  const url = `https://127.0.0.1:${api.server.port}/v1/kv/a`;
  const body = Uint8Array.from({ length: 512 * 1024 }, (_, at) => at * 31 % 251);
  for (let round = 0; round < 5; round++) {
    const written = await fetch(url, { method: "PUT", body, client });
    equal(written.status, 200);
    await written.body?.cancel();
    const read = await fetch(url, { ...RAW, client });
    deepEqual(await read.bytes(), body);
  }
});

test("a client that leaves before the handshake, or talks no TLS, holds nothing", async () => {
  await using api = new Api();
  api.grant("a", { name: "app", scopes: ["read", "write"] });
  const address = { hostname: "127.0.0.1", port: api.server.port };
  const silent = await Deno.connect(address);
  const plain = await Deno.connect(address);
  await plain.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
  await plain.readable.pipeTo(new WritableStream()).catch(() => {});
  equal((await api.ask(api.authority.issue("app"), put)).status, 200);
  silent.close();
});
