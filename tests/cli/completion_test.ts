import assert from "node:assert/strict";
import { floe } from "./fake_terminal.ts";

Deno.test("completion bash completes commands, subcommands and options", async () => {
  const { code, stdout } = await floe(["completion", "bash"]);
  assert.equal(code, 0);
  const complete = (line: string) => completeInBash(stdout, line.split(" "));
  assert.deepEqual(complete("floe lea"), ["leader", "lease"]);
  assert.deepEqual(complete("floe lease k"), ["keepalive"]);
  assert.deepEqual(complete("floe --output json lease k"), ["keepalive"]);
  assert.ok(complete("floe cluster --no").includes("--nodes"));
  assert.ok(complete("floe put --time").includes("--timeout"));
  assert.deepEqual(complete("floe nonsense-"), []);
});

Deno.test("completion zsh is bash's, with what zsh needs before it", async () => {
  const [bash, zsh] = await Promise.all(
    ["bash", "zsh"].map((shell) => floe(["completion", shell])),
  );
  assert.match(String(zsh?.stdout), /^autoload -U \+X bashcompinit/);
  assert.ok(zsh?.stdout.endsWith(String(bash?.stdout)));
});

Deno.test("completion fish has a line for each command, with its summary", async () => {
  const { stdout } = await floe(["completion", "fish"]);
  assert.match(stdout, /-n '__fish_use_subcommand' -a 'put' -d '.+'$/m);
  assert.match(stdout, /-n '__fish_seen_subcommand_from lease' -a 'grant' -d '.+'$/m);
  assert.match(stdout, /-n '__fish_seen_subcommand_from cluster' -l 'nodes'$/m);
});

Deno.test("completion knows three shells", async () => {
  const refused = await floe(["completion", "cmd"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /bash, zsh, fish/);
});

function completeInBash(script: string, words: readonly string[]): readonly string[] {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const run = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _floe; ` +
    'printf "%s\\n" "${COMPREPLY[@]}"';
  const { stdout, success } = new Deno.Command("bash", {
    args: ["--norc", "-c", `${script}\n${run}`],
    cwd: "/",
  }).outputSync();
  assert.ok(success);
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}
