import assert from "node:assert/strict";
import { Pause } from "./harness/pause.ts";

const PAUSE_MODULE = new URL("./harness/pause.ts", import.meta.url).href;

/** A process that says back what it is told, unless it stands still. */
class Echo implements AsyncDisposable {
  readonly #child = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
  readonly #input = this.#child.stdin.getWriter();
  readonly #output = this.#child.stdout.getReader();

  get pid(): number {
    return this.#child.pid;
  }

  async say(text: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(text));
    return new TextDecoder().decode((await this.#output.read()).value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#output.cancel();
    await this.#child.status;
  }
}

Deno.test("Pause makes a process stand still until it ends", async () => {
  await using echo = new Echo();
  const pause = await Pause.begin(echo.pid);
  let hasAnswered = false;
  const answer = echo.say("hello").then((text) => {
    hasAnswered = true;
    return text;
  });
  // Another process does the same from its beginning to its end meanwhile.
  await using other = new Echo();
  assert.equal(await other.say("hello"), "hello");
  assert.equal(hasAnswered, false);
  await pause.end();
  assert.equal(await answer, "hello");
});

Deno.test("Pause ends when the process that began it is killed", async () => {
  await using echo = new Echo();
  const script = `
    import { Pause } from ${JSON.stringify(PAUSE_MODULE)};
    await Pause.begin(${echo.pid});
    console.log("stopped");
    setInterval(() => {}, 1_000);`;
  const pauser = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", script],
    stdout: "piped",
  }).spawn();
  const reader = pauser.stdout.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /stopped/);
  pauser.kill("SIGKILL");
  await reader.cancel();
  await pauser.status;
  assert.equal(await echo.say("hello"), "hello");
});

Deno.test("Pause.begin() refuses a process that has ended", async () => {
  const child = new Deno.Command("true").spawn();
  await child.status;
  await assert.rejects(Pause.begin(child.pid), /Cannot stop process [0-9]+: it has ended/);
});
