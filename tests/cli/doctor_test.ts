import assert from "node:assert/strict";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { createApp } from "../../lib/http/app.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { FakeNode } from "../http/fake_node.ts";
import { newToken } from "../kv/support.ts";
import { makeTlsKeys } from "../support/certificate.ts";
import { formatAddress } from "../../lib/address.ts";
import { toNodeId } from "../../lib/types.ts";
import { floe, type Outcome, type Surroundings } from "./fake_terminal.ts";

Deno.test("floe doctor passes what is in order, and says so line by line", async () => {
  using folder = new TestFolder({ nodes: 1 });
  await using _node = listenAs(folder, () => Response.json({ status: "ok" }));
  const data = `${folder.path}/data`;
  Deno.mkdirSync(`${data}/server_1`, { recursive: true, mode: 0o700 });
  const outcome = await doctor(folder, data);
  assert.equal(outcome.code, 0, outcome.stderr);
  const findings = findingsOf(outcome);
  for (const check of ["configuration", "server_1 peer port", "server_1 API", "clocks"]) {
    assert.equal(findings.find((finding) => finding.check === check)?.verdict, "ok", check);
  }
  const own = findings.filter(({ check }) => check === `${data}/server_1`);
  assert.match(own.map(({ text }) => text).join("; "), /only its owner.*GiB.*; a sync takes/);
  assert.deepEqual([...Deno.readDirSync(`${data}/server_1`)], []);
});

Deno.test("floe doctor fails where a peer port is closed, and warns of an API that is not ready", async () => {
  using folder = new TestFolder({ nodes: 2 });
  const notReady = () => Response.json({ message: "Not ready: no leader" }, { status: 503 });
  await using _node = listenAs(folder, notReady);
  const outcome = await doctor(folder, `${folder.path}/none`);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /1 check failed/);
  const findings = findingsOf(outcome);
  assert.match(
    textOf(findings, "server_2 peer port"),
    /: connection refused.*Start the node, or open the port/,
  );
  assert.match(textOf(findings, "server_2 API"), /refused.*Clients cannot use this node/);
  assert.match(textOf(findings, "server_1 API"), /answers 503: Not ready: no leader/);
});

Deno.test("floe doctor checks the members of today, not a founder that was removed", async () => {
  using folder = new TestFolder({ nodes: 2 });
  const node = memberOf(folder);
  const { members } = node.membersNow;
  const gone = members.map((one) => ({
    ...one,
    id: toNodeId("server_2"),
    role: "removed" as const,
  }));
  node.membersNow = { ...node.membersNow, members: [...members, ...gone] };
  const app = createApp(node);
  await using _node = listenAs(folder, (request) => app.fetch(request));
  const outcome = await doctor(folder, `${folder.path}/none`);
  assert.equal(outcome.code, 0, outcome.stdout);
  const findings = findingsOf(outcome);
  const today = findings.find(({ check }) => check === "members");
  assert.match(today?.text ?? "", /^today server_1; .*floe members export/);
  assert.deepEqual(findings.filter(({ check }) => check.startsWith("server_2")), []);
});

Deno.test("floe doctor warns of a clock that is far off, and of a folder that others can use", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  await using _node = listenAs(folder, () => Response.json({}, { headers: { date } }));
  const data = `${folder.path}/data`;
  Deno.mkdirSync(`${data}/server_1`, { recursive: true });
  Deno.chmodSync(`${data}/server_1`, 0o755);
  const outcome = await doctor(folder, data);
  assert.equal(outcome.code, 0, outcome.stderr);
  const findings = findingsOf(outcome);
  assert.match(textOf(findings, "clocks"), /server_1 is 3(599|600) s ahead.*NTP/);
  assert.match(textOf(findings, `${data}/server_1`), /mode 755.*chmod 700/);
});

Deno.test("floe doctor says what is wrong with the configuration, and asks nobody", async () => {
  const outcome = await floe(["doctor", "--config", "/nowhere/cluster.json"]);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stdout, /configuration +fail +.*nowhere/);
});

const JUNE_MS = Date.parse("2026-06-01T00:00:00.000Z");
const DAY_MS = 86_400_000;

Deno.test("floe doctor names the tokens that have expired, or will within two weeks", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const node = memberOf(folder);
  const app = createApp(node);
  await using _node = listenAs(folder, (request) => app.fetch(request));
  const tokens = async () =>
    findingsOf(await doctor(folder, `${folder.path}/none`, { nowMs: JUNE_MS }))
      .filter(({ check }) => check === "tokens").map(({ verdict, text }) => `${verdict} ${text}`);
  const grant = (id: string, name: string, days: number | null) => {
    const expiresAtMs = days === null ? null : JUNE_MS + days * DAY_MS;
    node.apply({ kind: "createToken", ...newToken(id, { name, expiresAtMs }) });
  };
  grant("a", "lasting", null);
  grant("b", "long", 15);
  assert.deepEqual(await tokens(), ["ok 2, none of which expires within 14 days"]);
  grant("c", "soon", 14);
  grant("d", "", -1);
  const [soon, past, ...others] = await tokens();
  assert.match(soon ?? "", /^warn c{16} \(soon\) expires at 2026-06-15T.*: create another one/);
  assert.match(past ?? "", /^warn d{16} expired at 2026-05-31T.*: floe token revoke/);
  assert.deepEqual(others, []);
  for (let number = 0; number < 12; number++) {
    const id = number.toString(16).padStart(16, "0");
    const token = newToken("e", { id, expiresAtMs: JUNE_MS });
    node.apply({ kind: "createToken", ...token });
  }
  const many = await tokens();
  assert.equal(many.length, 11);
  assert.match(many.at(-1) ?? "", /4 more expire: floe token list/);
});

Deno.test("floe doctor says when it may not see the tokens", async () => {
  using folder = new TestFolder({ nodes: 1 });
  await using _node = listenAs(folder, ({ url }) => {
    if (!url.includes("/v1/tokens")) return Response.json({ status: "ok" });
    return Response.json({ code: "unauthorized", detail: "This needs a token" }, {
      status: 401,
      headers: { "content-type": "application/problem+json" },
    });
  });
  const findings = findingsOf(await doctor(folder, `${folder.path}/none`));
  assert.match(textOf(findings, "tokens"), /^not checked: .*This needs a token of scope admin$/);
});

Deno.test({
  name: "floe doctor tells how long a node's certificate is valid",
  ignore: !hasOpenssl,
  async fn() {
    using folder = new TestFolder({ nodes: 1 });
    const tls = makeTlsKeys();
    await using _node = listenAs(folder, () => Response.json({ status: "ok" }), tls);
    using files = new DisposableStack();
    const caFile = Deno.makeTempFileSync();
    files.defer(() => Deno.removeSync(caFile));
    Deno.writeTextFileSync(caFile, tls.cert);
    using client = Deno.createHttpClient({ caCerts: [tls.cert] });
    const trusting: typeof fetch = (input, init) => fetch(input, { ...init, client });
    const certificate = async (nowMs: number) => {
      const surroundings = { env: { FLOE_CA_FILE: caFile }, fetch: trusting, nowMs };
      const outcome = await doctor(folder, `${folder.path}/none`, surroundings);
      const found = findingsOf(outcome).find(({ check }) => check === "server_1 certificate");
      return `${found?.verdict} ${found?.text}`;
    };
    assert.match(await certificate(Date.now() - 30 * DAY_MS), /^ok valid until 2/);
    assert.match(await certificate(Date.now()), /^warn expires at 2.*: write a new one into/);
    assert.match(await certificate(Date.now() + 2 * DAY_MS), /^fail expired at 2/);
  },
});

type Finding = Readonly<Record<"check" | "verdict" | "text", string>>;

function doctor(
  folder: TestFolder,
  data: string,
  surroundings: Partial<Surroundings> = {},
): Promise<Outcome> {
  return floe(
    ["doctor", "--config", folder.configFile, "--data-dir", data, "-o", "json"],
    { fetch, env: {}, ...surroundings },
  );
}

function findingsOf({ stdout }: Outcome): readonly Finding[] {
  return JSON.parse(stdout).findings;
}

function textOf(findings: readonly Finding[], check: string): string {
  const finding = findings.find((one) => one.check === check && one.verdict !== "ok");
  assert.ok(finding !== undefined, `${check}: ${JSON.stringify(findings)}`);
  return finding.text;
}

/** The first node's ports: one that takes connections, and an API. */
/** A node that has the first founder of a folder for its only member. */
function memberOf({ config: { peers } }: TestFolder): FakeNode {
  const node = new FakeNode();
  const members = node.membersNow.members.slice(0, 1).map((member) => ({
    ...member,
    id: peers[0]?.id ?? member.id,
    peerAddress: peers[0] === undefined ? null : formatAddress(peers[0].peer),
    apiAddress: peers[0] === undefined ? null : formatAddress(peers[0].api),
  }));
  node.membersNow = { ...node.membersNow, threshold: 1, members };
  return node;
}

function listenAs(
  { config }: TestFolder,
  answer: Deno.ServeHandler,
  tls: { readonly cert?: string; readonly key?: string } = {},
): AsyncDisposable {
  const [first] = config.peers;
  assert.ok(first !== undefined);
  const peer = Deno.listen(first.peer);
  const server = Deno.serve({ ...first.api, ...tls, onListen: () => {} }, answer);
  return {
    async [Symbol.asyncDispose]() {
      peer.close();
      await server.shutdown();
    },
  };
}
