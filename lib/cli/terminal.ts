/**
 * A terminal on which one command draws: the escape sequences of ECMA-48 and xterm, in one place.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type { Terminal } from "./command.ts";

/** The alternate screen, so that the earlier content comes back afterwards; and no cursor. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE_END = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** The keys that a terminal sends as several characters. */
const NAMED_KEYS: ReadonlyMap<string, string> = new Map([
  ["\x1b[A", "up"],
  ["\x1bOA", "up"],
  ["\x1b[B", "down"],
  ["\x1bOB", "down"],
]);
/** Most bytes of keys that are read at once. A person types fewer. */
const KEYS_BYTES_MAX = 256;

/** The parts of Deno that a screen uses. */
interface Console {
  readonly stdin: Pick<typeof Deno.stdin, "read" | "setRaw">;
  readonly stdout: Pick<typeof Deno.stdout, "write" | "writeSync">;
  consoleSize(): { readonly columns: number; readonly rows: number };
}

/** Takes over the terminal: keys arrive one by one, and are not shown. */
export function openScreen(
  { stdin, stdout, consoleSize }: Console,
  { hasColours }: { readonly hasColours: boolean },
): Terminal {
  // With `cbreak`, Ctrl-C stays a signal.
  stdin.setRaw(true, { cbreak: true });
  stdout.writeSync(encodeUtf8(ENTER));
  return {
    hasColours,
    size: consoleSize,
    async draw(lines) {
      const text = lines.join(`${CLEAR_LINE_END}\r\n`);
      const bytes = encodeUtf8(`${HOME}${text}${CLEAR_LINE_END}${CLEAR_BELOW}`);
      for (let left = bytes; left.length > 0;) left = left.subarray(await stdout.write(left));
    },
    async *keys() {
      const buffer = new Uint8Array(KEYS_BYTES_MAX);
      const decoder = new TextDecoder();
      for (;;) {
        const count = await stdin.read(buffer);
        if (count === null) return;
        yield* splitKeys(decoder.decode(buffer.subarray(0, count)));
      }
    },
    [Symbol.dispose]() {
      stdin.setRaw(false);
      stdout.writeSync(encodeUtf8(LEAVE));
    },
  };
}

/** The keys in the bytes that a terminal sent at once. A key of several characters without a name here is ignored. */
export function splitKeys(text: string): string[] {
  const named = NAMED_KEYS.get(text);
  if (named !== undefined) return [named];
  return text.startsWith("\x1b") ? [] : [...text];
}
