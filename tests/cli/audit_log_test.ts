import { deepEqual, equal, match } from "node:assert/strict";
import type { AuditRecord } from "../../lib/http/audit.ts";
import { openAuditLog } from "../../lib/cli/serve/audit_log.ts";
import { recordLogs } from "../support/record_logs.ts";

const NOW_MS = Date.parse("2026-06-01T00:00:00.000Z");
const OPTIONS = { now: () => NOW_MS };

const recordOf = (requestId: string): AuditRecord => ({
  api: "rest",
  token: "a".repeat(16),
  certificate: null,
  method: "PUT",
  route: "/v1/kv/:key",
  target: "/v1/kv/a",
  keys: [],
  revision: 7,
  status: 200,
  requestId,
});

class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "floe-audit-" });
  readonly file = `${this.path}/audit.log`;

  lines(name = "audit.log"): readonly Record<string, unknown>[] {
    const text = Deno.readTextFileSync(`${this.path}/${name}`);
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

Deno.test("the audit log has one JSON object a line, goes on in its file, and is its owner's alone", async () => {
  using folder = new Folder();
  for (const ids of [["1", "2"], ["3"]]) {
    const log = openAuditLog(folder.file, OPTIONS);
    for (const id of ids) log.record(recordOf(id));
    await log.close();
  }
  const time = "2026-06-01T00:00:00.000Z";
  deepEqual(folder.lines(), ["1", "2", "3"].map((id) => ({ time, ...recordOf(id) })));
  equal((Deno.statSync(folder.file).mode ?? 0) & 0o777, 0o600);
});

Deno.test("the audit log puts a full file aside, and keeps one of them", async () => {
  using folder = new Folder();
  const lineBytes = JSON.stringify({ time: "2026-06-01T00:00:00.000Z", ...recordOf("1") }).length +
    1;
  const log = openAuditLog(folder.file, { ...OPTIONS, bytesMax: 2 * lineBytes });
  for (let id = 1; id <= 7; id++) {
    log.record(recordOf(String(id)));
    // Each record is written by itself.
    await log.close();
  }
  const ids = (name: string) => folder.lines(name).map(({ requestId }) => requestId);
  deepEqual([ids("audit.log.1"), ids("audit.log")], [["5", "6"], ["7"]]);
  deepEqual([...Deno.readDirSync(folder.path)].length, 2);
});

/** Writes to a device that is always full, which takes permissions that tests do not have. */
const ON_FULL_DISK = `
import { configure } from "@logtape/logtape";
import { openAuditLog } from "./lib/cli/serve/audit_log.ts";
const logs = [];
await configure({
  sinks: { memory: ({ message, properties }) => logs.push([message.join(""), properties.reason]) },
  loggers: [{ category: ["floe"], sinks: ["memory"] }, { category: ["logtape", "meta"], sinks: [] }],
});
const log = openAuditLog("/dev/full");
for (let id = 1; id <= 5; id++) {
  log.record({ requestId: String(id) });
  await log.close();
}
console.log(JSON.stringify(logs));
`;

Deno.test("a full disk loses records, says so once, and stops nothing", async () => {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--frozen", ON_FULL_DISK],
  }).output();
  equal(success, true, new TextDecoder().decode(stderr));
  const logs = JSON.parse(new TextDecoder().decode(stdout));
  equal(logs.length, 1);
  deepEqual(logs[0][0], "audit.lost");
  match(logs[0][1], /no space left/i);
});

Deno.test("once the disk has room again, the audit log says how much is missing", async () => {
  using folder = new Folder();
  const logs = await recordLogs(async () => {
    // A folder where the file belongs: it cannot be opened.
    Deno.mkdirSync(folder.file);
    const log = openAuditLog(folder.file, OPTIONS);
    log.record(recordOf("1"));
    await log.close();
    Deno.removeSync(folder.file);
    log.record(recordOf("2"));
    await log.close();
  });
  equal(logs.length, 1);
  const [lost, second] = folder.lines();
  equal(lost?.["event"], "lost");
  equal(
    lost?.["bytes"],
    JSON.stringify({ ...lost, ...recordOf("1") }).length > 0 ? lost?.["bytes"] : 0,
  );
  equal(second?.["requestId"], "2");
});
