/**
 * The context of a real process.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { EnvironmentError, InputError, messageOf } from "../errors.ts";
import type { CommandContext, OutputStream } from "./command.ts";

/** What commands get when they run as a program of their own. */
export function processContext(): CommandContext {
  return {
    stdout: outputStream(Deno.stdout, toOutputError),
    // There is nowhere left to tell that a message could not be written.
    stderr: outputStream(Deno.stderr, () => null),
    stdin: ReadableStream.from(readStandardInput()),
    env: (name) => Deno.env.get(name) || undefined,
    openFetch: (caCerts) => new FreshConnections(caCerts).fetch,
    stopSignal,
    onHangUp: (reload) => Deno.addSignalListener("SIGHUP", reload),
    ...(Deno.stdin.isTerminal() && Deno.stderr.isTerminal() ? { askSecret } : {}),
  };
}

/** The question goes to stderr, as stdout is for data. */
async function askSecret(question: string): Promise<Uint8Array> {
  const { readSecretLine } = await import("./secrets/secret_input.ts");
  Deno.stdin.setRaw(true);
  try {
    return await readSecretLine(question, {
      read: (buffer) => Deno.stdin.read(buffer),
      write: (text) => Deno.stderr.writeSync(encodeUtf8(text)),
    });
  } finally {
    Deno.stdin.setRaw(false);
  }
}

/**
 * Standard input. Where it is closed the runtime has put the null device in its place; taken as an empty
 * input, that would store an empty value without a word.
 *
 * @throws {InputError} when nothing is connected to it.
 */
async function* readStandardInput(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  // Few commands read it, and every command would wait for this module.
  const { fstatSync, statSync } = await import("node:fs");
  const { rdev } = fstatSync(0);
  if (rdev !== 0 && rdev === statSync("/dev/null").rdev) {
    throw new InputError("nothing is connected to it: it is closed, or /dev/null");
  }
  yield* Deno.stdin.readable;
}

/** `toError` makes what `write` throws for a failure; for null, `write` returns as if all were well. */
function outputStream(
  file: typeof Deno.stdout,
  toError: (cause: unknown) => unknown,
): OutputStream {
  return {
    isTerminal: file.isTerminal(),
    write(data) {
      try {
        writeAllSync(file, typeof data === "string" ? encodeUtf8(data) : data);
      } catch (cause) {
        const error = toError(cause);
        if (error !== null) throw error;
      }
    },
    writeSome: (bytes) => file.write(bytes),
  };
}

function writeAllSync(file: typeof Deno.stdout, bytes: Uint8Array): void {
  for (let left = bytes; left.length > 0;) left = left.subarray(file.writeSync(left));
}

function toOutputError(cause: unknown): unknown {
  // `cli.ts` knows it: the reader has had enough.
  if (cause instanceof Deno.errors.BrokenPipe) return cause;
  const message = `Cannot write to standard output: ${messageOf(cause)}. ` +
    "Check the space on the disk that it goes to.";
  return new EnvironmentError(message, { cause });
}

/** Sends each request over a new connection. Lets go of all of them when it is disposed of. */
export class FreshConnections implements Disposable {
  readonly #caCerts: readonly string[];
  #client: Deno.HttpClient | null = null;

  /** HTTPS is trusted by `caCerts`, PEM, besides those that the system trusts. */
  constructor(caCerts: readonly string[] = []) {
    this.#caCerts = caCerts;
  }

  /** As the global `fetch`, without its pool. */
  readonly fetch: typeof fetch = (input, init) => {
    this.#client ??= Deno.createHttpClient({ poolMaxIdlePerHost: 0, caCerts: [...this.#caCerts] });
    return fetch(input, { ...init, client: this.#client });
  };

  /** Ends what is left of connections. */
  [Symbol.dispose](): void {
    this.#client?.close();
    this.#client = null;
  }
}

let stopController: AbortController | null = null;

/** One controller for the process, however often it is asked for. */
function stopSignal(): AbortSignal {
  if (stopController !== null) return stopController.signal;
  const controller = new AbortController();
  stopController = controller;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => stopOrEnd(controller, name));
  }
  return controller.signal;
}

/** One Ctrl-C may come several times: from the terminal, and from the processes between it and this one. */
const SAME_STOP_MS = 500;
/** What a shell shows for a process that a signal ended. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

let firstStopMs: number | null = null;

/** The first signal asks to stop, which may take a hand-over's time. A second one says: now. */
function stopOrEnd(controller: AbortController, name: keyof typeof EXIT_CODES): void {
  const nowMs = performance.now();
  firstStopMs ??= nowMs;
  if (nowMs - firstStopMs > SAME_STOP_MS) Deno.exit(EXIT_CODES[name]);
  controller.abort();
}

/** Resolves when `signal` aborts, at once if it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** What a node needs: its ports, its files, and the variables that concern it. */
export const NODE_PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env=FLOE_*,NO_COLOR,FORCE_COLOR,CLICOLOR_FORCE",
];

/** What all of Floe needs: `floe cluster` starts the nodes. */
export const FLOE_PERMISSIONS: readonly string[] = ["--allow-run", ...NODE_PERMISSIONS];
