import assert from "node:assert/strict";
import { FLOE_PERMISSIONS } from "../../lib/cli/process_context.ts";

const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));

for (const name of ["cluster", "floe"]) {
  Deno.test(`the task ${name} runs with exactly the permissions of the executable`, () => {
    const flags = tasks[name].command.split(" ").filter((word: string) =>
      /^(-A|--allow|--deny)/.test(word)
    );
    assert.deepEqual(flags.sort(), [...FLOE_PERMISSIONS].sort());
  });
}
