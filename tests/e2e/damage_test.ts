import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import type { NodeId } from "../../lib/types.ts";
import { deadline, type ProcessEvent, WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { get, handOver, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** A value that stands nowhere else in a database, so that its bytes can be found there. */
const VALUE = "the quick brown fox jumps over the lazy dog";

/** The least that a node takes: beyond it the log no longer reaches back. */
const LOG_BYTES_MAX = 8 * 1024 * 1024;

const RAFT_WAY_BACK = /A share cannot be made again: .* once the whole cluster has a new key/;
const KEY_VALUE_WAY_BACK = /move every file of this folder whose name begins with kv\.db out of it/;

/** The one file of a short log. */
const LOG = "raft/segment-0000000001";

interface Damage {
  readonly what: string;
  readonly file: typeof LOG | "kv.db";
  readonly inflict: (path: string) => void;
  readonly message: RegExp;
}

const DAMAGES: readonly Damage[] = [
  {
    what: "has lost its beginning",
    file: LOG,
    inflict: (path) => Deno.writeFileSync(path, Deno.readFileSync(path).subarray(100)),
    message: /segment-0000000001: its first bytes are not as they were written/,
  },
  {
    what: "has a flipped byte in an entry",
    file: LOG,
    inflict: (path) => flipByte(path, VALUE),
    message: /segment-0000000001: record [0-9]+ is damaged, and record [0-9]+ was written after it/,
  },
  {
    what: "is deleted",
    file: LOG,
    inflict: (path) => Deno.removeSync(path),
    message: /raft: its files are missing/,
  },
  {
    what: "is cut short",
    file: "kv.db",
    inflict: (path) => Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2)),
    message: /kv\.db: .*(malformed|SQLite's check says)/,
  },
  {
    what: "has a flipped byte in the name of a table",
    file: "kv.db",
    inflict: (path) => flipByte(path, "CREATE TABLE"),
    message: /kv\.db: /,
  },
  {
    what: "has a flipped byte in a value",
    file: "kv.db",
    inflict: (path) => flipByte(path, VALUE),
    message: /kv\.db: the row of key "greeting" is damaged/,
  },
  {
    what: "is deleted",
    file: "kv.db",
    inflict: (path) => Deno.removeSync(path),
    message: /kv\.db: the file is missing/,
  },
];

for (const { what, file, inflict, message } of DAMAGES) {
  Deno.test(`a node whose ${file} ${what} says so and does not start, and the others go on`, async () => {
    await using cluster = new TestCluster({ nodes: 3 });
    const { victim, others } = await writeAndStopOne(cluster);
    inflict(`${cluster.dataDir(victim)}/${file}`);

    const process = cluster.start(victim);
    const { code } = await process.ended;
    const said = process.said.otherLines.join("\n");
    assert.equal(code, 1, said);
    assert.match(said, message);
    assert.match(said, file === LOG ? RAFT_WAY_BACK : KEY_VALUE_WAY_BACK);
    assert.doesNotMatch(said, /This is a bug in Floe/);
    await goOnElectingAndWriting(cluster, others);
  });
}

Deno.test("a node whose kv.db was lost comes back by the way that it names", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const { victim } = await writeAndStopOne(cluster);
  removeKeyValues(cluster.dataDir(victim));
  await cluster.start(victim).said.waitFor("it started", ({ event }) => event === "started");
  assert.equal(await get(cluster, victim, "greeting"), VALUE);
});

Deno.test("a node whose kv.db was lost comes back by a snapshot where its log no longer reaches back", async () => {
  const log = { bytesMax: LOG_BYTES_MAX };
  await using cluster = new TestCluster({ nodes: 3, log });
  const { id: leader } = await cluster.leader();
  for (let number = 0; number < 1.2 * LOG_BYTES_MAX / VALUE_BYTES_MAX; number++) {
    await put(cluster, leader, { key: "greeting", value: "x".repeat(VALUE_BYTES_MAX) });
  }
  // Neither the victim's log reaches back, nor that of whoever leads when it comes back.
  const isCompacted = ({ event }: ProcessEvent) => event === "log.compacted";
  for (const id of cluster.ids) await cluster.process(id).said.waitFor("a log", isCompacted);
  const { victim } = await writeAndStopOne(cluster);
  removeKeyValues(cluster.dataDir(victim));

  const { said } = cluster.start(victim);
  await said.waitFor("that its state is lost", ({ event }) => event === "state.lost");
  await said.waitFor("a snapshot", ({ event }) => event === "snapshot.installed");
  assert.equal(await get(cluster, victim, "greeting"), VALUE);
  // It may be the one that is handed over to.
  await goOnElectingAndWriting(cluster, cluster.ids);
});

Deno.test("a node without others whose kv.db was lost says that nobody can send it, and does not start", async () => {
  await using cluster = new TestCluster({ nodes: 1, log: { bytesMax: LOG_BYTES_MAX } });
  const { id } = await cluster.leader();
  for (let number = 0; number < 1.2 * LOG_BYTES_MAX / VALUE_BYTES_MAX; number++) {
    await put(cluster, id, { key: "greeting", value: "x".repeat(VALUE_BYTES_MAX) });
  }
  // The tables are written behind the log, and the log is compacted behind the tables.
  const isCompacted = ({ event }: ProcessEvent) => event === "log.compacted";
  await cluster.process(id).said.waitFor("that its log is compacted", isCompacted);
  assert.equal((await cluster.process(id).end("SIGTERM")).code, 0);
  const folder = cluster.dataDir(id);
  removeKeyValues(folder);
  const process = cluster.start(id);
  assert.equal((await deadline(process.ended, WAIT_TIMEOUT_MS)).code, 1);
  assert.match(process.said.otherLines.join("\n"), /there is no other node\. Put back every file/);
});

Deno.test("a node whose disk was wiped does not come back under its old share", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const { victim, others } = await writeAndStopOne(cluster);
  const folder = cluster.dataDir(victim);
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".json")) Deno.removeSync(`${folder}/${name}`, { recursive: true });
  }

  const process = cluster.start(victim);
  const { code } = await process.ended;
  const said = process.said.otherLines.join("\n");
  assert.equal(code, 2, said);
  assert.match(
    said,
    /has run with this share, but the folder raft with its votes is gone/,
  );
  await goOnElectingAndWriting(cluster, others);
});

/** Every node has the write, and a follower has ended cleanly, so that all is in its databases. */
async function writeAndStopOne(
  cluster: TestCluster,
): Promise<{ readonly victim: NodeId; readonly others: readonly NodeId[] }> {
  const leader = await cluster.leader();
  await put(cluster, leader.id, { key: "greeting", value: VALUE });
  const victim = assertDefined(cluster.ids.find((id) => id !== leader.id), "no follower");
  assert.equal(await get(cluster, victim, "greeting"), VALUE);
  assert.equal((await cluster.process(victim).end("SIGTERM")).code, 0);
  return { victim, others: cluster.ids.filter((id) => id !== victim) };
}

/** `running` are all that run: whoever leads is one of them. */
async function goOnElectingAndWriting(
  cluster: TestCluster,
  running: readonly NodeId[],
): Promise<void> {
  const { id } = await handOver(cluster, running);
  await put(cluster, id, { key: "greeting", value: "written after it" });
}

function removeKeyValues(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.startsWith("kv.db")) Deno.removeSync(`${folder}/${name}`);
  }
}

/** Turns one bit of one byte in the middle of a text that stands in a file. */
function flipByte(path: string, text: string): void {
  const bytes = Deno.readFileSync(path);
  const wanted = encodeUtf8(text);
  const start = bytes.findIndex((_, at) =>
    wanted.every((byte, offset) => bytes[at + offset] === byte)
  );
  assert.notEqual(start, -1, `${path} does not hold ${text}`);
  const at = start + Math.floor(wanted.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  Deno.writeFileSync(path, bytes);
}
