import { equal } from "node:assert/strict";
import { findBasePort } from "../support/free_ports.ts";

/**
 * PostgreSQL under Patroni, on Floe: a shorter form of `examples/patroni`, where all of it is installed.
 */

const SCRIPT = new URL("../../examples/patroni/patroni.sh", import.meta.url).pathname;
/** What the script says by its exit code where a program is missing. */
const MISSING = 77;

async function run(mode: string, folder: string) {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: [SCRIPT, mode, folder],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { BASE_PORT: String(findBasePort()), LOOP_WAIT: "1", RETRY_TIMEOUT: "3" },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: decode(stdout) + decode(stderr) };
}

const { code: found, said: why } = await run("check", "").catch(() => ({
  code: MISSING,
  said: "there is no bash",
}));
if (found !== 0) console.warn(`Patroni is not tried on Floe: ${why.trim()}`);

Deno.test({
  name:
    "Patroni keeps its primary when Floe's leader is killed, and fails over when the primary is",
  ignore: found !== 0,
  fn: async () => {
    const parent = Deno.makeTempDirSync({ prefix: "floe-patroni-" });
    try {
      Deno.chmodSync(parent, 0o755);
      const { code, said } = await run("short", `${parent}/run`);
      equal(code, 0, said);
    } finally {
      await run("stop", `${parent}/run`);
      Deno.removeSync(parent, { recursive: true });
    }
  },
});
