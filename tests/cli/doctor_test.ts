import assert from "node:assert/strict";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { floe, type Outcome } from "./fake_terminal.ts";

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
  assert.match(textOf(findings, "server_2 peer port"), /refused.*Start the node, or open the port/);
  assert.match(textOf(findings, "server_2 API"), /refused.*Clients cannot use this node/);
  assert.match(textOf(findings, "server_1 API"), /answers 503: Not ready: no leader/);
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

type Finding = Readonly<Record<"check" | "verdict" | "text", string>>;

function doctor(folder: TestFolder, data: string): Promise<Outcome> {
  return floe(
    ["doctor", "--config", folder.configFile, "--data-dir", data, "-o", "json"],
    { fetch },
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
function listenAs({ config }: TestFolder, answer: () => Response): AsyncDisposable {
  const [first] = config.peers;
  assert.ok(first !== undefined);
  const peer = Deno.listen(first.peer);
  const server = Deno.serve({ ...first.api, onListen: () => {} }, answer);
  return {
    async [Symbol.asyncDispose]() {
      peer.close();
      await server.shutdown();
    },
  };
}
