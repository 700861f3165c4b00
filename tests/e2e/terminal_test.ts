/**
 * What a person meets who sits at a real terminal, which util-linux' `script` makes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FLOE_PERMISSIONS } from "../../lib/cli/process_context.ts";
import { deadline, WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { TestFolder } from "./harness/test_cluster.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const PASSPHRASE = "correct horse battery staple";
const CTRL_C = "\x03";

/** What is asked, as a pattern, and what is typed then. */
type Answer = readonly [question: RegExp, typed: string];

Deno.test({
  name: "a passphrase is asked for at a terminal, which shows nothing of it",
  ignore: !hasTerminals(),
  async fn() {
    using place = new Place();
    const made = await atTerminal(`${place.keygen} --encrypt`, [
      [/New passphrase of .*: /, `${PASSPHRASE}\r`],
      [/The same passphrase again: /, `${PASSPHRASE}\r`],
    ]);
    assert.match(made, /Made .*identity\.json/);
    const kept = await atTerminal(place.keygen, [[/Passphrase of .*: /, `${PASSPHRASE}\r`]]);
    assert.match(kept, /Kept .*identity\.json/);
    for (const shown of [made, kept]) assert.doesNotMatch(shown, /correct|horse/);
  },
});

Deno.test({
  name: "Ctrl-C at the question for a passphrase ends the command, and the terminal is as before",
  ignore: !hasTerminals(),
  async fn() {
    using place = new Place();
    const shown = await atTerminal(`stty -a; ${place.keygen} --encrypt; stty -a`, [
      [/New passphrase of .*: /, `corr${CTRL_C}`],
    ]);
    const [before, after, ...rest] = shown.split(
      /New passphrase of [^]*no passphrase was given\s*/,
    );
    assert.deepEqual(rest, []);
    assert.match(String(before), /[^-]icanon [^]*[^-]echo /);
    assert.equal(after?.trim(), before?.trim());
    assert.throws(() => Deno.statSync(place.node), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "floe cluster draws on a terminal, and keys kill, cut off, heal, verify and quit",
  ignore: !hasTerminals(),
  async fn() {
    using folder = new TestFolder({ nodes: 3 });
    const floe = [
      ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--cached-only", ...FLOE_PERMISSIONS],
      ...[MAIN, "cluster", "--config", folder.configFile, "--data-dir", `${folder.path}/data`],
    ].map((argument) => `'${argument}'`).join(" ");
    const shown = await atTerminal(`stty cols 80 rows 24; ${floe}; stty -a`, [
      [/Every node knows the leader/, "l"],
      [/term 2 [^]*DEGRADED, 2 of 3 up/, "v"],
      [/2 certificates verified under the group key/, "h"],
      [/HEALTHY, 3 of 3 up[^]*is started again[^]*HEALTHY, 3 of 3 up/, "x"],
      [/server_1 is cut off from the others[^]*DEGRADED, 2 of 3 up[^]*cut off/, "h"],
      [/server_1 is connected again[^]*HEALTHY, 3 of 3 up/, "q"],
    ]);
    const [, after] = shown.split(/All nodes are stopped/);
    assert.match(String(after), /[^-]icanon [^]*[^-]echo /);
    for (const frame of shown.split("\x1b[H").slice(1, -1)) {
      assert.ok(frame.split("\n").length <= 24, frame);
    }
  },
});

function hasTerminals(): boolean {
  try {
    const { stdout } = new Deno.Command("script", { args: ["--version"] }).outputSync();
    return /util-linux/.test(new TextDecoder().decode(stdout));
  } catch {
    return false;
  }
}

/** Runs a shell command at a terminal, answers its questions, and says what the terminal showed. */
async function atTerminal(command: string, answers: readonly Answer[]): Promise<string> {
  // A terminal that shows what is typed, as a person's does.
  const args = ["--echo", "always", "--quiet", "--command", command, "/dev/null"];
  const child = new Deno.Command("script", { args, stdin: "piped", stdout: "piped" }).spawn();
  const keyboard = child.stdin.getWriter();
  const pending = [...answers];
  let shown = "";
  const watch = async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      shown += text;
      const [question, typed] = pending[0] ?? [];
      if (question === undefined || !question.test(shown)) continue;
      pending.shift();
      await keyboard.write(new TextEncoder().encode(typed));
    }
    await keyboard.close();
  };
  await deadline(Promise.all([watch(), child.status]), WAIT_TIMEOUT_MS);
  assert.deepEqual(pending, [], shown);
  return shown;
}

/** A folder for a node, and the command that makes its identity there. */
class Place implements Disposable {
  readonly #path = Deno.makeTempDirSync({ prefix: "floe-terminal-" });
  readonly node = `${this.#path}/node`;
  readonly keygen = [
    ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--cached-only", ...FLOE_PERMISSIONS],
    ...[MAIN, "keygen", "--id", "alpha", "--peer", "h:1", "--api", "h:2"],
    ...["--data-dir", this.node],
  ].map((argument) => `'${argument}'`).join(" ");

  [Symbol.dispose](): void {
    Deno.removeSync(this.#path, { recursive: true });
  }
}
