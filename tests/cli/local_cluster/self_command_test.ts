import assert from "node:assert/strict";
import type { CommandContext } from "../../../lib/cli/command.ts";
import { programName, selfCommand } from "../../../lib/cli/local_cluster/node_process.ts";
import { streamTo } from "../fake_terminal.ts";

Deno.test("selfCommand() runs the sources with the Deno that runs them, less the permission to run", () => {
  const { path, args } = selfCommand(contextWith({}));
  assert.equal(path, Deno.execPath());
  assert.equal(args[0], "run");
  assert.equal(args.at(-1), Deno.mainModule);
  assert.ok(!args.includes("--allow-run"));
});

Deno.test("selfCommand() runs a self-extracting file as itself", () => {
  assert.deepEqual(selfCommand(contextWith({ FLOE_EXECUTABLE: "/opt/floe" })), {
    path: "/opt/floe",
    args: [],
  });
});

Deno.test("programName() is what a person in this folder types", () => {
  const inFolder = (path: string) => contextWith({ FLOE_EXECUTABLE: path });
  assert.equal(programName(inFolder("/opt/floe")), "/opt/floe");
  assert.equal(programName(inFolder(`${Deno.cwd()}/dist/floe`)), "dist/floe");
  assert.equal(programName(inFolder(`${Deno.cwd()}/floe`)), "./floe");
  assert.match(programName(contextWith({})), /^(npx -y deno@[0-9.]+|deno) task floe$/);
});

function contextWith(env: Record<string, string>): CommandContext {
  const stream = streamTo();
  return {
    stdout: stream,
    stderr: stream,
    stdin: ReadableStream.from([]),
    env: (name) => env[name],
    openFetch: () => fetch,
    stopSignal: () => new AbortController().signal,
  };
}
