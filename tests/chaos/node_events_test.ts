import assert from "node:assert/strict";
import { formatJsonLine } from "../../lib/cli/serve/logging.ts";
import { eventsIn } from "./node_events.ts";

function line(event: string): string {
  const properties = { index: 7 };
  return formatJsonLine({ timestamp: 0, level: "info", event, node: "server_1", properties });
}

Deno.test("eventsIn() finds the events that are counted, in the log as nodes write it", () => {
  const log = ["log.compacted", "node.started", "snapshot.installed", "log.compacted"].map(line);
  assert.deepEqual([...eventsIn(log.join("\n"))], [
    "logs compacted",
    "snapshots installed",
    "logs compacted",
  ]);
});

Deno.test("eventsIn() is not confused by lines that were cut off", () => {
  const cut = line("snapshot.made").slice(0, 60);
  assert.deepEqual([...eventsIn(`half a line\n${cut.slice(0, 50)}\n${line("snapshot.made")}`)], [
    "snapshots made",
  ]);
});
