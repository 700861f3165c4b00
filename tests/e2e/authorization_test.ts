import { deepEqual, equal, match, ok } from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import type { NodeId } from "../../lib/types.ts";
import { parseToken } from "../../lib/wire/mod.ts";
import { floe as floeHere } from "../cli/fake_terminal.ts";
import { makeCertificate, TestAuthority } from "../support/certificate.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { SecretScanner } from "../support/secret_scanner.ts";
import { type ProcessEvent, WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { type FloeResult, runFloe } from "./harness/floe_process.ts";
import { hasOpenssl } from "./harness/openssl.ts";
import { ask } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";
import { Written } from "./harness/written.ts";

/** Authorization on real nodes: tokens in the replicated state, other addresses than loopback, HTTPS. */

/** Runs a command against a cluster, with what the environment gives it. */
function floe(
  cluster: TestCluster,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<FloeResult> {
  return runFloe([...args, "--config", cluster.configFile], { env });
}

/** Where every node's own token is. */
function folderOf(cluster: TestCluster): Record<string, string> {
  const [id] = cluster.ids;
  return { FLOE_DATA_DIR: id === undefined ? "" : cluster.dataDir(id).replace(/\/[^/]*$/, "") };
}

async function createToken(cluster: TestCluster, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await floe(
    cluster,
    ["token", "create", ...args],
    folderOf(cluster),
  );
  equal(code, 0, stderr);
  return stdout.trim();
}

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** Waits until a node has applied all that is committed now. */
async function catchUp(cluster: TestCluster, id: NodeId): Promise<void> {
  const own = Deno.readTextFileSync(`${cluster.dataDir(id)}/admin.token`).trim();
  const { status, text } = await ask(cluster, id, { path: "/v1/tokens", ...bearer(own) });
  equal(status, 200, text);
}

async function statusAt(cluster: TestCluster, id: NodeId, path: string, init?: RequestInit) {
  return (await ask(cluster, id, { path, ...init })).status;
}

const demanding = { nodeFlags: ["--require-token"] };

Deno.test("a token opens every node until it is revoked, over restarts and crashes", async () => {
  await using cluster = new TestCluster({ nodes: 3, ...demanding });
  await cluster.leader();
  const token = await createToken(cluster, "--scope", "read,write", "--prefix", "app/");
  const put = { method: "PUT", body: "x", ...bearer(token) };
  for (const id of cluster.ids) {
    await catchUp(cluster, id);
    equal(await statusAt(cluster, id, "/v1/leader"), 200);
    equal(await statusAt(cluster, id, "/v1/kv/app/a", { method: "PUT", body: "x" }), 401);
    equal(await statusAt(cluster, id, "/v1/kv/app/a", put), 200);
    equal(await statusAt(cluster, id, "/v1/kv/b", put), 403);
    equal(await statusAt(cluster, id, "/v1/tokens", bearer(token)), 403);
  }
  for (const [position, signal] of (["SIGTERM", "SIGKILL"] as const).entries()) {
    const id = cluster.ids[position];
    ok(id !== undefined);
    const { term } = await cluster.leader();
    await cluster.process(id).end(signal);
    cluster.start(id);
    await cluster.leader(term);
    await catchUp(cluster, id);
    equal(await statusAt(cluster, id, "/v1/kv/app/a", bearer(token)), 200);
  }
  const env = { FLOE_TOKEN: token };
  equal((await floe(cluster, ["get", "app/a"], env)).stdout, "x");
  const forbidden = await floe(cluster, ["put", "b", "x"], env);
  equal(forbidden.code, 6);
  match(forbidden.stderr, /this token is for keys that begin with "app\/"/);
  const { holder } = parseToken(token);
  const id = holder.kind === "token" ? holder.id : "";
  const list = await floe(cluster, ["token", "list", "-o", "json"], folderOf(cluster));
  deepEqual(JSON.parse(list.stdout).tokens.map((one: { id: string }) => one.id), [id]);
  const revoked = await floe(cluster, ["token", "revoke", id], folderOf(cluster));
  equal(revoked.code, 0, revoked.stderr);
  for (const node of cluster.ids) {
    await catchUp(cluster, node);
    equal(await statusAt(cluster, node, "/v1/kv/app/a", put), 401);
  }
});

Deno.test("a node's own token is its owner's file, opens that node alone, and ends with it", async () => {
  await using cluster = new TestCluster({ nodes: 2, ...demanding });
  await cluster.leader();
  const [first, second] = cluster.ids;
  ok(first !== undefined && second !== undefined);
  const file = `${cluster.dataDir(first)}/admin.token`;
  equal((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
  const token = Deno.readTextFileSync(file).trim();
  equal(await statusAt(cluster, first, "/v1/status", bearer(token)), 200);
  equal(await statusAt(cluster, second, "/v1/status", bearer(token)), 401);
  await cluster.process(first).end("SIGTERM");
  deepEqual(
    [...Deno.readDirSync(cluster.dataDir(first))].filter(({ name }) => name.includes("token")),
    [],
  );
  await cluster.process(first).said.waitFor(
    "that it stopped",
    ({ event }) => event === "node.stopped",
  );
  const said = JSON.stringify(cluster.process(first).said.events);
  equal(said.includes(token.slice(-43)), false);
  cluster.start(first);
  // Nobody needs to be elected anew where the other node leads.
  await cluster.process(first).said.waitFor("that it serves", ({ event }) => event === "started");
  equal(await statusAt(cluster, first, "/v1/status", bearer(token)), 401);
});

Deno.test("no secret of a token is in anything that a cluster writes but its holder's file", async () => {
  await using cluster = new TestCluster({ nodes: 1, ...demanding });
  const { id } = await cluster.leader();
  const token = await createToken(cluster, "--scope", "admin");
  const own = Deno.readTextFileSync(`${cluster.dataDir(id)}/admin.token`).trim();
  const scanner = new SecretScanner();
  for (const text of [token, own]) {
    scanner.add("secret", parseToken(text).secret);
    scanner.add("secret as text", encodeUtf8(text.slice(-43)));
  }
  const written = new Written();
  await written.addAnswers(cluster, id);
  for (const text of [token, own, `${token}x`, own.slice(1)]) {
    for (
      const args of ["get a", "put a b", "status", "token list", "token revoke 0123456789abcdef"]
    ) {
      const { stdout, stderr } = await floeHere(
        [...args.split(" "), "--config", cluster.configFile],
        { fetch, env: { FLOE_TOKEN: text, FLOE_DEBUG: "1" } },
      );
      written.add(`floe ${args}`, stdout + stderr);
    }
    const answer = await cluster.fetch(id, "/v1/tokens", bearer(text));
    written.add("tokens", JSON.stringify([...answer.headers]) + await answer.text());
  }
  written.addProcessList("node", cluster.process(id).pid);
  written.addFiles(cluster.dataDir(id), { except: ["admin.token"] });
  await cluster.process(id).end("SIGTERM");
  written.addProcess("log", cluster.process(id));
  written.addFiles(cluster.dataDir(id), { except: [] });
  deepEqual(written.scan(scanner), []);
  written.add("the search itself", `Bearer ${token}`);
  ok(written.scan(scanner).length > 0);
});

/** A cluster of one that listens on every address, found over loopback all the same. */
async function onAllAddresses(flags: readonly string[]): Promise<TestCluster> {
  const [address] = findFreeAddresses(1);
  const cluster = new TestCluster({
    nodes: 1,
    nodeFlags: ["--api-listen", `0.0.0.0:${address?.port}`, ...flags],
  });
  await cluster.leader();
  return cluster;
}

async function said(cluster: TestCluster, event: string): Promise<ProcessEvent> {
  const [id] = cluster.ids;
  ok(id !== undefined);
  return await cluster.process(id).said.waitFor(event, (other) => other.event === event);
}

/** The port that a node said it serves on. */
async function portOf(cluster: TestCluster): Promise<string> {
  return String((await said(cluster, "api.started"))["api"]).replace(/^.*:/, "");
}

Deno.test("an API on other addresses demands tokens by itself, and warns without HTTPS", async () => {
  await using cluster = await onAllAddresses([]);
  const url = `http://127.0.0.1:${await portOf(cluster)}`;
  match(
    String((await said(cluster, "api.exposed"))["warning"]),
    /not encrypted on the network: serve HTTPS/,
  );
  for (const [path, status] of [["/v1/status", 401], ["/v1/group", 200]] as const) {
    const response = await fetch(url + path);
    await response.body?.cancel();
    equal(response.status, status);
  }
});

Deno.test("an API on other addresses is open only where that was said outright, and warns", async () => {
  await using cluster = await onAllAddresses(["--insecure-no-auth"]);
  const url = `http://127.0.0.1:${await portOf(cluster)}`;
  match(String((await said(cluster, "api.exposed"))["warning"]), /can read, write and administer/);
  const put = await fetch(`${url}/v1/kv/a`, { method: "PUT", body: "x" });
  equal(put.status, 200);
  await put.body?.cancel();
});

Deno.test("a page cannot write to a node on loopback that asks for no token", async () => {
  await using cluster = new TestCluster({ nodes: 1 });
  const { id } = await cluster.leader();
  const { port } = findPeer(cluster.config, id).api;
  const ask = async (headers: string) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const head = `POST /v1/leader/transfer HTTP/1.1\r\n${headers}connection: close\r\n`;
    const request = new TextEncoder().encode(`${head}content-length: 0\r\n\r\n`);
    await connection.write(request);
    return (await new Response(connection.readable).text()).slice(9, 12);
  };
  equal(await ask(`host: 127.0.0.1:${port}\r\norigin: http://evil.example\r\n`), "403");
  equal(await ask(`host: evil.example:${port}\r\norigin: http://evil.example:${port}\r\n`), "421");
  equal(await ask(`host: evil.example:${port}\r\n`), "421");
  // Authorized, and refused by the node, which has no follower to hand over to.
  equal(await ask(`host: localhost:${port}\r\norigin: http://localhost:${port}\r\n`), "404");
  equal(await ask(`host: 127.0.0.1:${port}\r\n`), "404");
});

Deno.test({
  name: "an API that asks for certificates is used with one, as the token of its name allows",
  ignore: !hasOpenssl,
  async fn() {
    const folder = Deno.makeTempDirSync({ prefix: "floe-tls-" });
    const { cert, key } = makeCertificate(folder);
    using authority = new TestAuthority();
    try {
      const flags = ["--tls-cert", cert, "--tls-key", key, "--client-ca", authority.caFile];
      await using cluster = new TestCluster({ nodes: 1, nodeFlags: [...flags, "--require-token"] });
      await cluster.leader();
      equal((await said(cluster, "api.started"))["clientCertificates"], "required");
      const shown = (name: string) => {
        const own = authority.issue(name);
        return {
          FLOE_CA_FILE: cert,
          FLOE_CLIENT_CERT_FILE: own.cert,
          FLOE_CLIENT_KEY_FILE: own.key,
        };
      };
      const operator = { ...folderOf(cluster), ...shown("operator") };
      const created = ["token", "create", "--scope", "read", "--name", "reader", "--no-secret"];
      match((await floe(cluster, created, operator)).stdout, /^Created token .* of reader\n$/);
      equal((await floe(cluster, ["put", "a", "x"], operator)).code, 0);
      equal((await floe(cluster, ["get", "a"], shown("reader"))).stdout, "x");
      equal((await floe(cluster, ["put", "a", "y"], shown("reader"))).code, 6);
      const without = await floe(cluster, ["get", "a"], {
        ...operator,
        FLOE_CLIENT_CERT_FILE: "",
        FLOE_CLIENT_KEY_FILE: "",
      });
      equal(without.code, 6);
      match(without.stderr, /does not accept the client's certificate: there is none/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "an API with a certificate is asked over HTTPS by those who trust it",
  ignore: !hasOpenssl,
  async fn() {
    const folder = Deno.makeTempDirSync({ prefix: "floe-tls-" });
    const { cert, key } = makeCertificate(folder);
    try {
      const tls = ["--tls-cert", cert, "--tls-key", key];
      await using cluster = new TestCluster({ nodes: 1, nodeFlags: [...tls, "--require-token"] });
      await cluster.leader();
      equal((await said(cluster, "api.started"))["tls"], true);
      const env = { ...folderOf(cluster), FLOE_CA_FILE: cert };
      equal((await floe(cluster, ["put", "a", "x"], env)).code, 0);
      equal((await floe(cluster, ["get", "a", "--ca-file", cert], env)).stdout, "x");
      const plain = await floe(cluster, ["get", "a", "--timeout", "1s"], folderOf(cluster));
      equal(plain.code, 5);
      const { api } = findPeer(cluster.config, cluster.ids[0] ?? "");
      const strange = [
        "get",
        "a",
        "--timeout",
        "1s",
        "--endpoints",
        `https://127.0.0.1:${api.port}`,
      ];
      const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
      let untrusting = await floe(cluster, strange);
      // The last word is on the last attempt, which the end of the time may have cut short.
      while (/no answer in time/.test(untrusting.stderr) && !deadline.aborted) {
        untrusting = await floe(cluster, strange);
      }
      equal(untrusting.code, 5);
      match(untrusting.stderr, /its certificate is not trusted: UnknownIssuer.* --ca-file/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
