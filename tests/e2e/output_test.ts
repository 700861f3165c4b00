/**
 * Nobody reads what Floe says, or nobody can: the node and the cluster go on and stop as told. And what
 * Floe is given to read is not there, or is not text.
 *
 * @module
 */

import assert from "node:assert/strict";
import { nodeFolder } from "../../lib/cli/options.ts";
import { FLOE_PERMISSIONS, FreshConnections } from "../../lib/cli/process_context.ts";
import { dealIntoFolders, openIdentities } from "../../lib/cli/serve/node_folders.ts";
import { formatAddress } from "../../lib/address.ts";
import { findPeer, formatClusterConfig } from "../../lib/config/cluster_config.ts";
import { toNodeId } from "../../lib/types.ts";
import { WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { FloeProcess, runFloe } from "./harness/floe_process.ts";
import { TestFolder } from "./harness/test_cluster.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** A pipe holds this much on Linux. */
const PIPE_BYTES = 65_536;

/** Runs the arguments with file 9 as stdout and stderr; says its pid and its exit code on file 5. */
const RUN = `"$@" >&9 2>&9 5>&- & echo "{\\"event\\":\\"pid\\",\\"pid\\":$!}" >&5
wait $!; echo "{\\"event\\":\\"ended\\",\\"code\\":$?}" >&5`;

/** Where the output goes; each is a shell script around {@linkcode RUN}. */
const OUTPUTS = {
  "to a full disk": `exec 5>&1 9>/dev/full; ${RUN}`,
  // The reader holds the pipe open on file 4, and ends with the test's input.
  "into a full pipe": `exec 5>&1 3<&0; { exec 9>&1; head -c ${PIPE_BYTES} /dev/zero; ${RUN}
} | cat 4<&0 <&3 >/dev/null 2>&1 5>&-`,
  "into a closed pipe": `exec 5>&1; { exec 9>&1; ${RUN}
} | true`,
} as const;

for (const [where, script] of Object.entries(OUTPUTS)) {
  Deno.test(`floe node that writes ${where} answers, and stops at SIGTERM`, async () => {
    using folder = new TestFolder({ nodes: 1 });
    const config = openIdentities(folder.config, folder);
    Deno.writeTextFileSync(folder.configFile, formatClusterConfig(config));
    dealIntoFolders(config, folder);
    const place = [
      "--config",
      folder.configFile,
      "--data-dir",
      nodeFolder(folder.path, toNodeId("server_1")),
    ];
    await using node = start(script, [
      ...["node", "--id", "server_1", ...place, "--log-level", "debug", "-o", "json"],
    ]);
    const pid = await pidOf(node);
    const peer = findPeer(config, "server_1");
    using connections = new FreshConnections();
    const isAlive = async () => {
      const response = await connections.fetch(`http://${formatAddress(peer.api)}/livez`);
      return await response.text();
    };
    await answered(isAlive);
    const clients = ["--config", folder.configFile];
    assert.equal((await runFloe(["put", "k", "v", "--timeout", "30", ...clients])).code, 0);
    Deno.kill(pid, "SIGTERM");
    const { code } = await node.said.waitFor("its end", ({ event }) => event === "ended");
    assert.equal(code, 0);
  });

  Deno.test(`floe cluster that writes ${where} goes on, and stops at SIGTERM`, async () => {
    using folder = new TestFolder({ nodes: 3 });
    const data = ["--config", folder.configFile, "--data-dir", `${folder.path}/data`];
    await using cluster = start(script, ["cluster", ...data]);
    const pid = await pidOf(cluster);
    const clients = ["--config", folder.configFile];
    await answered(async () => {
      assert.equal((await runFloe(["put", "k", "v", "--timeout", "30", ...clients])).code, 0);
    });
    Deno.kill(pid, "SIGTERM");
    const { code } = await cluster.said.waitFor("its end", ({ event }) => event === "ended");
    assert.equal(code, 0);
  });
}

Deno.test("floe cluster goes on when a node's log cannot be written, and says so", async () => {
  using folder = new TestFolder({ nodes: 3 });
  Deno.mkdirSync(`${folder.path}/data/server_2/node.log`, { recursive: true, mode: 0o700 });
  Deno.chmodSync(`${folder.path}/data/server_2`, 0o700);
  const data = ["--config", folder.configFile, "--data-dir", `${folder.path}/data`];
  await using cluster = new FloeProcess("floe cluster", ["cluster", ...data, "-o", "json"]);
  const failure = await cluster.said.waitFor("the log", ({ event }) => event === "logFailed");
  assert.equal(failure.id, "server_2");
  assert.match(String(failure.path), /server_2\/node\.log$/);
  assert.match(String(failure.reason), /directory/);
  await cluster.said.waitFor("ready", ({ event }) => event === "ready");
  assert.equal((await cluster.end("SIGTERM")).code, 0);
  assert.deepEqual(cluster.said.otherLines, []);
});

Deno.test("a command whose data cannot be written fails, and says what and why", async () => {
  const script = `"$@" > /dev/full`;
  const args = [Deno.execPath(), "run", "--quiet", ...FLOE_PERMISSIONS, MAIN, "version"];
  const { code, stderr } = await runFloe(["-c", script, "sh", ...args], { executable: "sh" });
  assert.equal(code, 1);
  assert.match(stderr, /^floe: Cannot write to standard output: No space left on device/);
  const both = ["-c", `"$@" > /dev/full 2> /dev/full`, "sh", ...args];
  assert.equal((await runFloe(both, { executable: "sh" })).code, 1);
});

Deno.test("a value that is not there, or not as it was typed, is refused", async () => {
  const args = [Deno.execPath(), "run", "--quiet", ...FLOE_PERMISSIONS, MAIN, "put", "a"];
  const refusals = [
    [`"$@" - --endpoints h:1 <&-`, /^floe: Cannot read standard input: nothing is connected to it/],
    [`"$@" - --endpoints h:1 </dev/null`, /nothing is connected to it: it is closed, or .dev.null/],
    [`"$@" "$(printf 'caf\\351')" --endpoints h:1`, /argument 3: it has bytes that are not UTF-8/],
  ] as const;
  for (const [script, message] of refusals) {
    const { code, stdout, stderr } = await runFloe(["-c", script, "sh", ...args], {
      executable: "sh",
    });
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, message);
  }
});

function start(script: string, args: readonly string[]): FloeProcess {
  const floe = [Deno.execPath(), "run", "--quiet", "--no-prompt", ...FLOE_PERMISSIONS, MAIN];
  const run = ["-c", script, "sh", ...floe, ...args];
  return new FloeProcess(`floe ${args[0]}`, run, { executable: "sh" });
}

async function pidOf(process: FloeProcess): Promise<number> {
  return Number((await process.said.waitFor("its pid", ({ event }) => event === "pid")).pid);
}

/** Asks until there is an answer. */
async function answered(ask: () => Promise<unknown>): Promise<void> {
  const limit = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (limit.aborted) throw error;
    }
  }
}
