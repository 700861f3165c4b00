/**
 * `deno task bench startup`: how long the executable takes until a client command has its answer, beside Deno's own
 * start. Needs `dist/floe` (`deno task compile`). A server in this process answers in a node's place.
 *
 * The CPU time is that of all processes of the command, by the count of `sh`. The floor is what no change of
 * Floe can take away: Deno that runs an empty file, and Deno that runs one with commander, which reads the
 * arguments and loads a part of Node's library.
 *
 * @module
 */

import { assert } from "../lib/assert.ts";
import { quantile } from "./support/statistics.ts";

const ROUNDS = 5;
/** Runs in a row, as the count of CPU time goes in steps of 10 ms. */
const RUNS = 5;
const ROOT = new URL("../", import.meta.url);
const EXECUTABLE = new URL("dist/floe", ROOT).pathname;
/** Runs its arguments {@linkcode RUNS} times, and prints the times of what it ran in its second line. */
const TIMED = [
  "-c",
  `for run in ${"x ".repeat(RUNS)}; do "$@" > /dev/null; done; times`,
  "sh",
];

const folder = await Deno.makeTempDir({ prefix: "floe-bench-" });
await using server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: () => {} },
  ({ method }) =>
    method === "GET"
      ? new Response("hello", { headers: { "content-type": "application/octet-stream" } })
      : Response.json({ key: "greeting", createRevision: 5, modRevision: 5, version: 1 }),
);
const nodes = ["--endpoints", `127.0.0.1:${server.addr.port}`];
const programs: Readonly<Record<string, readonly string[]>> = {
  "Deno, an empty file": await denoRun("empty", ""),
  "Deno, commander alone": await denoRun("commander", 'import "commander";'),
  "floe version": [EXECUTABLE, "version"],
  "floe get": [EXECUTABLE, "get", "greeting", ...nodes],
  "floe put": [EXECUTABLE, "put", "greeting", "hello", ...nodes],
};

interface Times {
  readonly wallMs: number;
  readonly cpuMs: number;
}

const runs = Object.entries(programs).map(([name, command]) => ({
  name,
  command,
  times: [] as Times[],
}));
// The first round is not counted: it unpacks the executable and fills Deno's caches of code.
for (let round = 0; round <= ROUNDS; round++) {
  for (const { command, times } of runs) {
    const time = await run(command);
    if (round > 0) times.push(time);
  }
}
await Deno.remove(folder, { recursive: true });

const [floor] = runs.map(({ times }) => summarize(times));
const results = Object.fromEntries(runs.map(({ name, times }) => {
  const { wallMs, cpuMs } = summarize(times);
  return [name, { wallMs, cpuMs, cpuOfFloor: Math.round(10 * cpuMs / (floor?.cpuMs ?? NaN)) / 10 }];
}));
console.table(results);
console.log(JSON.stringify({ bench: "startup", rounds: ROUNDS, ...results }));

/** Deno without Floe, as the executable starts it. */
async function denoRun(name: string, source: string): Promise<readonly string[]> {
  const file = `${folder}/${name}.ts`;
  const bundle = `${folder}/${name}.js`;
  await Deno.writeTextFile(file, source);
  const config = new URL("deno.json", ROOT).pathname;
  const args = ["bundle", "--quiet", "--config", config, "--platform", "deno", "--output", bundle];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [...args, file],
    stdout: "null",
    stderr: "inherit",
  }).output();
  assert(success, "Deno bundles a file");
  return [Deno.execPath(), "run", "--quiet", "--no-config", "--no-prompt", "--allow-all", bundle];
}

async function run(command: readonly string[]): Promise<Times> {
  const fromMs = performance.now();
  const { stdout } = await new Deno.Command("sh", {
    args: [...TIMED, ...command],
    stderr: "inherit",
  }).output();
  const wallMs = performance.now() - fromMs;
  const [, children = ""] = new TextDecoder().decode(stdout).split("\n");
  const parts = [...children.matchAll(/([0-9]+)m([0-9.]+)s/g)];
  assert(parts.length === 2, "sh prints the times of what it ran");
  const seconds = parts.map(([, minutes, rest]) => 60 * Number(minutes) + Number(rest));
  const cpuMs = 1000 * seconds.reduce((sum, part) => sum + part, 0);
  return { wallMs: wallMs / RUNS, cpuMs: cpuMs / RUNS };
}

/** The median round. */
function summarize(times: readonly Times[]): Times {
  const middle = (values: readonly number[]) => Math.round(quantile(values, 0.5));
  return {
    wallMs: middle(times.map(({ wallMs }) => wallMs)),
    cpuMs: middle(times.map(({ cpuMs }) => cpuMs)),
  };
}
