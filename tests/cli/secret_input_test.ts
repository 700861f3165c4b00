import assert from "node:assert/strict";
import { CommandError } from "../../lib/cli/failure.ts";
import { type RawTerminal, readSecretLine } from "../../lib/cli/secrets/secret_input.ts";

Deno.test("readSecretLine() reads to the line's end and shows nothing of it", async () => {
  for (const end of ["\r", "\n"]) {
    const terminal = new FakeTerminal(`correct horse${end}battery`);
    assert.equal(await ask(terminal), "correct horse");
    assert.equal(terminal.shown, "Who? \n");
  }
});

Deno.test("readSecretLine() leaves what follows for the next question", async () => {
  const terminal = new FakeTerminal("one\rtwo\r");
  assert.deepEqual([await ask(terminal), await ask(terminal)], ["one", "two"]);
});

for (
  const [what, typed, expected] of [
    ["Backspace", "horsf\x7fe", "horse"],
    ["the other Backspace", "horsf\x08e", "horse"],
    ["Backspace after a character of several bytes", "hors\u00e9\u{1f40e}\x7f\x7fe", "horse"],
    ["Backspace where there is nothing", "\x7f\x7fhorse", "horse"],
    ["Ctrl-U", "donkey\x15horse", "horse"],
    ["nothing", "", ""],
    ["text in any script", "Pferd \u00df \u99ac", "Pferd \u00df \u99ac"],
  ] as const
) {
  Deno.test(`readSecretLine() takes ${what}`, async () => {
    assert.equal(await ask(new FakeTerminal(`${typed}\r`)), expected);
  });
}

for (
  const [what, typed, message] of [
    ["Ctrl-C", "horse\x03", /^Cancelled: no passphrase was given$/],
    ["Ctrl-D", "horse\x04", /^Cancelled/],
    ["the end of the input", "horse", /^Cancelled/],
    ["an arrow key", "horse\x1b[D\r", /an arrow or another key that moves was pressed/],
    ["Tab", "hor\tse\r", /a control key was pressed/],
    ["too much", "x".repeat(1025), /above 1024 bytes/],
  ] as const
) {
  Deno.test(`readSecretLine() refuses ${what}, and quotes nothing`, async () => {
    const terminal = new FakeTerminal(typed);
    await assert.rejects(ask(terminal), (error) => {
      assert.ok(error instanceof CommandError, Deno.inspect(error));
      assert.match(error.message, message);
      return !/horse|xxx/.test(Deno.inspect(error));
    });
    assert.equal(terminal.shown, "Who? \n");
  });
}

async function ask(terminal: RawTerminal): Promise<string> {
  return new TextDecoder().decode(await readSecretLine("Who? ", terminal));
}

class FakeTerminal implements RawTerminal {
  shown = "";
  readonly #typed: Uint8Array;
  #offset = 0;

  constructor(typed: string) {
    this.#typed = new TextEncoder().encode(typed);
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const part = this.#typed.subarray(this.#offset, this.#offset + buffer.length);
    buffer.set(part);
    this.#offset += part.length;
    return Promise.resolve(part.length === 0 ? null : part.length);
  }

  write(text: string): void {
    this.shown += text;
  }
}
