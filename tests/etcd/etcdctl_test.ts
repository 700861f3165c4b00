import { equal, match } from "node:assert/strict";
import { readSavedFile } from "../../lib/storage/snapshot/saved_file.ts";
import { ADMIN_TOKEN, openNode, serveGrpc, TOKENS } from "./support.ts";
import { findEtcdctl } from "./real_etcd.ts";

const program = findEtcdctl();
if (program === null) console.warn("etcdctl is not installed: Floe is not tried with it.");

/** The tool, towards one node. */
class Etcdctl {
  readonly #program: string;
  readonly #options: readonly string[];

  constructor(port: number, options: readonly string[] = []) {
    this.#program = program ?? "";
    const endpoint = ["--endpoints", `127.0.0.1:${port}`, "--command-timeout", "20s"];
    this.#options = [...endpoint, ...options];
  }

  /** Runs a command to its end; answers with what it printed, or with what is wrong. */
  async run(args: readonly string[], input = ""): Promise<string> {
    const process = this.start(args);
    const writer = process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { stdout, stderr, success } = await process.output();
    return new TextDecoder().decode(success ? stdout : stderr).trim();
  }

  /** Begins a command. */
  start(args: readonly string[]): Deno.ChildProcess {
    return new Deno.Command(this.#program, {
      args: [...this.#options, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }
}

/** What a command prints until it has printed so many lines; then it is ended. */
async function firstLines(process: Deno.ChildProcess, count: number): Promise<readonly string[]> {
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split("\n").length <= count) {
    const { done, value = "" } = await reader.read();
    text += value;
    if (done) break;
  }
  process.kill("SIGKILL");
  await Promise.all([
    reader.cancel(),
    process.stderr.cancel(),
    process.stdin.close(),
    process.status,
  ]);
  return text.split("\n").slice(0, count);
}

function testEtcdctl(
  name: string,
  work: (tool: Etcdctl, server: ReturnType<typeof openNode>) => Promise<void>,
): void {
  Deno.test({
    name: `etcdctl ${name}`,
    ignore: program === null,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const server = openNode();
      const { port, close } = await serveGrpc(server);
      try {
        await work(new Etcdctl(port), server);
      } finally {
        await close();
      }
    },
  });
}

testEtcdctl("puts, gets and deletes", async (tool) => {
  equal(await tool.run(["put", "a/1", "one"]), "OK");
  equal(await tool.run(["put", "a/2", "two"]), "OK");
  equal(await tool.run(["get", "a/", "--prefix"]), "a/1\none\na/2\ntwo");
  equal(await tool.run(["get", "a/2", "--from-key", "--print-value-only"]), "two");
  equal(
    await tool.run(["get", "a/", "--prefix", "--sort-by=MODIFY", "--order=DESCEND", "--limit=1"]),
    "a/2\ntwo",
  );
  equal(await tool.run(["del", "a/", "--prefix", "--prev-kv"]), "2\na/1\none\na/2\ntwo");
});

testEtcdctl("does transactions", async (tool) => {
  const text = 'create("k") = "0"\n\nput k new\n\nget k\n\n';
  match(await tool.run(["txn"], text), /^SUCCESS\n\nOK$/);
  match(await tool.run(["txn"], text), /^FAILURE\n\nk\nnew$/);
});

testEtcdctl("watches from a revision on, and what comes", async (tool) => {
  await tool.run(["put", "w", "1"]);
  const process = tool.start(["watch", "w", "--rev=1", "--prev-kv"]);
  await tool.run(["put", "w", "2"]);
  const lines = await firstLines(process, 8);
  equal(lines.join(" "), "PUT w 1 PUT w 1 w 2");
});

testEtcdctl("grants, keeps, shows and revokes leases", async (tool, { node }) => {
  const [, id = ""] = /lease ([0-9a-f]+) granted/.exec(await tool.run(["lease", "grant", "60"])) ??
    [];
  equal(await tool.run(["put", "l", "v", `--lease=${id}`]), "OK");
  match(await tool.run(["lease", "timetolive", id, "--keys"]), /granted with TTL\(60s\).*\[l\]/);
  match(await tool.run(["lease", "keep-alive", "--once", id]), /keepalived with TTL\(60\)/);
  match(await tool.run(["lease", "list"]), new RegExp(`found 1 leases\n${id}`));
  match(await tool.run(["lease", "revoke", id]), /revoked/);
  equal(await tool.run(["get", "l"]), "");
  equal(node.live.view.leases().length, 0);
});

testEtcdctl("locks, and the next one waits", async (tool) => {
  const first = tool.start(["lock", "L"]);
  const [key = ""] = await holding(first, async () => {
    const second = tool.run(["lock", "L", "echo", "mine"]);
    return await Promise.race([
      second.then(() => "too early"),
      tool.run(["get", "L/", "--prefix"]),
    ]);
  });
  match(key, /^L\/[0-9a-f]+$/);
});

testEtcdctl("elects, and says who leads", async (tool) => {
  const leader = tool.start(["elect", "E", "me"]);
  const [, value = ""] = await holding(leader, async () => {
    const [, seen = ""] = await firstLines(tool.start(["elect", "-l", "E"]), 2);
    return seen;
  });
  equal(value, "me");
});

/** Reads what a command that goes on prints first, does something, and ends it. */
async function holding(
  process: Deno.ChildProcess,
  work: () => Promise<string>,
): Promise<readonly [first: string, seen: string]> {
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const seen = await work();
  process.kill("SIGKILL");
  await Promise.all([
    reader.cancel(),
    process.stderr.cancel(),
    process.stdin.close(),
    process.status,
  ]);
  return [value.split("\n")[0] ?? "", seen];
}

testEtcdctl("sees members, status and health", async (tool) => {
  match(await tool.run(["member", "list"]), /started, server_1, http:\/\/127.0.0.1:1, /);
  match(await tool.run(["endpoint", "status", "-w", "table"]), /3\.5\.21/);
  match(await tool.run(["endpoint", "health", "-w", "json"]), /"health":true/);
  match(await tool.run(["endpoint", "hashkv"]), /, [0-9]+/);
  equal(await tool.run(["alarm", "list"]), "");
  match(await tool.run(["auth", "status"]), /false/);
});

testEtcdctl("compacts, and is refused what is gone", async (tool) => {
  for (const value of ["1", "2", "3"]) await tool.run(["put", "c", value]);
  equal(await tool.run(["compaction", "103"]), "compacted revision 103");
  match(await tool.run(["get", "c", "--rev=101"]), /required revision has been compacted/);
  match(await tool.run(["get", "c", "--rev=9999"]), /required revision is a future revision/);
});

testEtcdctl("saves a snapshot, which is Floe's own", async (tool, { node }) => {
  node.snapshotBytes = new Uint8Array(8192).fill(7);
  const folder = await Deno.makeTempDir();
  try {
    match(await tool.run(["snapshot", "save", `${folder}/s`]), /Snapshot saved at/);
    equal(readSavedFile(`${folder}/s`).bytes, 8192);
    equal(node.snapshotsClosed, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

testEtcdctl("is told what Floe does in another way", async (tool) => {
  match(await tool.run(["member", "add", "x", "--peer-urls=http://h:1"]), /floe member/);
  match(await tool.run(["defrag"]), /nothing to defragment/);
});

Deno.test({
  name: "etcdctl logs in with a Floe token",
  ignore: program === null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const server = openNode(TOKENS);
    const { port, close } = await serveGrpc(server);
    try {
      const user = new Etcdctl(port, ["--user", "anyone", "--password", ADMIN_TOKEN]);
      equal(await user.run(["put", "a", "b"]), "OK");
      match(await new Etcdctl(port).run(["get", "a"]), /user name is empty/);
    } finally {
      await close();
    }
  },
});
