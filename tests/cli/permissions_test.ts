import assert from "node:assert/strict";
import { FLOE_PERMISSIONS, RUNTIME_FLAGS } from "../../lib/cli/process_context.ts";

const { tasks, permissions, test } = JSON.parse(
  Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)),
);

Deno.test("the permission set floe is exactly what the executable has", () => {
  const flags = Object.entries<true | string[]>(permissions.floe).map(([name, value]) =>
    value === true ? `--allow-${name}` : `--allow-${name}=${value.join(",")}`
  );
  assert.deepEqual(flags.sort(), [...FLOE_PERMISSIONS].sort());
});

for (const name of ["cluster", "floe"]) {
  Deno.test(`the task ${name} runs with the permission set floe and no other permission`, () => {
    const flags = tasks[name].command.split(" ").filter((word: string) =>
      /^(-A|-P|--allow|--deny|--permission)/.test(word)
    );
    assert.deepEqual(flags, ["-P=floe"]);
  });

  Deno.test(`the task ${name} runs with the flags of the runtime that every process of Floe has`, () => {
    const words = tasks[name].command.split(" ");
    assert.deepEqual(words.filter((word: string) => word.startsWith("--v8")), RUNTIME_FLAGS);
  });
}

Deno.test("deno test without -P says in one line what to do", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--frozen", "tests/types_test.ts"],
    cwd: new URL("../..", import.meta.url).pathname,
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(test.permissions, "test");
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stderr), /Did you mean to run with `-P`/);
});
