import { getLogger } from "@logtape/logtape";
import assert from "node:assert/strict";
import type { CommandContext } from "../../lib/cli/command.ts";
import { CommandError } from "../../lib/cli/failure.ts";
import {
  type LogFormat,
  type LogLevel,
  readLogSettings,
  startLogging,
} from "../../lib/cli/serve/logging.ts";
import { streamTo } from "./fake_terminal.ts";

Deno.test("startLogging() writes one JSON object a line", async () => {
  const [line = ""] = await linesOf({ level: "info", format: "json" }, () => {
    getLogger(["floe", "raft"]).info("election.won", { term: 3, signers: ["server_1"] });
  });
  const { time, ...rest } = JSON.parse(line);
  assert.equal(new Date(time).toISOString(), time);
  assert.deepEqual(rest, {
    level: "info",
    event: "election.won",
    node: "server_1",
    term: 3,
    signers: ["server_1"],
  });
});

for (const format of ["json", "text"] as const) {
  Deno.test(`startLogging() shows a record as it is, as ${format}`, async () => {
    const [line = ""] = await linesOf({ level: "debug", format }, () => {
      const record = { Heartbeat: { term: 1, peer_id: "server_4" } };
      getLogger(["floe", "raft"]).debug("heartbeat.received", { record });
    });
    assert.ok(line.includes('{"Heartbeat":{"term":1,"peer_id":"server_4"}}'), line);
  });
}

Deno.test("startLogging() leaves out what is below the level, and names warnings warn", async () => {
  const lines = await linesOf({ level: "warn", format: "json" }, () => {
    const logger = getLogger(["floe", "node"]);
    logger.debug("a");
    logger.info("b");
    logger.warn("c");
    logger.error("d");
  });
  assert.deepEqual(lines.map((line) => JSON.parse(line).level), ["warn", "error"]);
});

Deno.test("startLogging() takes a brace in an event for a brace", async () => {
  const [line = ""] = await linesOf({ level: "info", format: "json" }, () => {
    getLogger(["floe", "node"]).info("odd.{event}", { event: "x", level: "y" });
  });
  assert.equal(JSON.parse(line).event, "odd.{event}");
  assert.equal(JSON.parse(line).level, "info");
});

Deno.test("startLogging() says the same to people once, and to programs each time", async () => {
  const say = () => {
    for (const term of [3, 3, 3, 4]) {
      getLogger(["floe", "raft"]).info("prevote.started", { term });
    }
  };
  assert.equal((await linesOf({ level: "info", format: "text" }, say)).length, 2);
  assert.equal((await linesOf({ level: "info", format: "json" }, say)).length, 4);
});

Deno.test("startLogging() leaves out no error", async () => {
  const lines = await linesOf({ level: "info", format: "text" }, () => {
    for (let count = 0; count < 3; count++) getLogger(["floe", "node"]).error("node.failed", {});
  });
  assert.equal(lines.length, 3);
});

Deno.test("readLogSettings() prefers the flag to the variable to the default", () => {
  const env = { FLOE_LOG_LEVEL: "debug", FLOE_LOG_FORMAT: "json" };
  assert.equal(readLogSettings({}, contextWith({})).level, "info");
  assert.equal(readLogSettings({}, contextWith({})).format, "text");
  assert.equal(readLogSettings({}, contextWith(env)).level, "debug");
  assert.equal(readLogSettings({}, contextWith(env)).format, "json");
  assert.equal(readLogSettings({ logLevel: "error" }, contextWith(env)).level, "error");
});

Deno.test("readLogSettings() colours for a person who did not ask for none", () => {
  assert.equal(readLogSettings({}, contextWith({}, true)).colour, true);
  assert.equal(readLogSettings({}, contextWith({ NO_COLOR: "1" }, true)).colour, false);
  assert.equal(readLogSettings({}, contextWith({})).colour, false);
});

Deno.test("readLogSettings() refuses what is no level, naming those there are", () => {
  assert.throws(
    () => readLogSettings({ logLevel: "loud" }, contextWith({})),
    (error) =>
      error instanceof CommandError && error.exitCode === 2 &&
      /"loud".*debug, info, warn, error/.test(error.message),
  );
});

async function linesOf(
  settings: { readonly level: LogLevel; readonly format: LogFormat },
  run: () => void,
): Promise<string[]> {
  let written = "";
  const logging = startLogging({
    ...settings,
    colour: false,
    node: "server_1",
    sink: {
      writeSome(bytes) {
        written += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
    },
  });
  run();
  await logging.close();
  return written.split("\n").slice(0, -1);
}

function contextWith(env: Record<string, string>, isTerminal = false): CommandContext {
  const stream = { ...streamTo(), isTerminal };
  return {
    stdout: stream,
    stderr: stream,
    stdin: ReadableStream.from([]),
    env: (name) => env[name],
    openFetch: () => fetch,
    stopSignal: () => new AbortController().signal,
  };
}
