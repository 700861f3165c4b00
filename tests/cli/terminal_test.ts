import assert from "node:assert/strict";
import { openScreen, splitKeys } from "../../lib/cli/terminal.ts";

Deno.test("splitKeys() gives characters and arrows, and nothing for keys that have no name", () => {
  assert.deepEqual(splitKeys("lq"), ["l", "q"]);
  assert.deepEqual(splitKeys("\x1b[A"), ["up"]);
  assert.deepEqual(splitKeys("\x1bOB"), ["down"]);
  assert.deepEqual(splitKeys("\x1b[15~"), []);
  assert.deepEqual(splitKeys("é"), ["é"]);
});

Deno.test("openScreen() takes the terminal over, draws in place, and gives it back", async () => {
  const console = new FakeConsole(["l", "\xff", "\x1b[B"]);
  const keys: string[] = [];
  {
    using screen = openScreen(console, { hasColours: true });
    assert.deepEqual(console.raw, [[true, { cbreak: true }]]);
    await screen.draw(["one", "two"]);
    for await (const key of screen.keys()) keys.push(key);
    assert.deepEqual(screen.size(), { columns: 80, rows: 24 });
  }
  assert.deepEqual(keys, ["l", "\ufffd", "down"]);
  assert.deepEqual(console.raw.at(-1), [false, undefined]);
  const enter = "\x1b[?1049h\x1b[?25l";
  const leave = "\x1b[?25h\x1b[?1049l";
  assert.equal(console.written, `${enter}\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J${leave}`);
});

/** A console on which these bytes are typed, one piece a read. It takes three bytes a write. */
class FakeConsole {
  readonly raw: unknown[] = [];
  written = "";
  readonly #typed: string[];

  constructor(typed: readonly string[]) {
    this.#typed = [...typed];
  }

  readonly stdin = {
    setRaw: (mode: boolean, options?: Deno.SetRawOptions): void => {
      this.raw.push([mode, options]);
    },
    read: (buffer: Uint8Array): Promise<number | null> => {
      const piece = this.#typed.shift();
      if (piece === undefined) return Promise.resolve(null);
      const bytes = Uint8Array.from(piece, (character) => character.charCodeAt(0));
      buffer.set(bytes);
      return Promise.resolve(bytes.length);
    },
  };

  readonly stdout = {
    writeSync: (bytes: Uint8Array): number => {
      this.written += new TextDecoder().decode(bytes);
      return bytes.length;
    },
    write: (bytes: Uint8Array): Promise<number> =>
      Promise.resolve(this.stdout.writeSync(bytes.subarray(0, 3))),
  };

  readonly consoleSize = () => ({ columns: 80, rows: 24 });
}
