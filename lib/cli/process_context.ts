/**
 * The context of a real process.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { EnvironmentError, InputError, messageOf } from "../errors.ts";
import type { ClientTls, CommandContext, OutputStream, Terminal } from "./command.ts";
import { openScreen } from "./terminal.ts";

/** The context of a command that runs as a process. */
export function processContext(): CommandContext {
  return {
    stdout: outputStream(Deno.stdout, toOutputError),
    // A message that cannot be written cannot be reported either.
    stderr: outputStream(Deno.stderr, () => null),
    stdin: ReadableStream.from(readStandardInput()),
    env: (name) => Deno.env.get(name) || undefined,
    openFetch: (tls) => new FreshConnections(tls).fetch,
    stopSignal,
    onHangUp: (reload) => Deno.addSignalListener("SIGHUP", reload),
    ...(Deno.stdin.isTerminal() && Deno.stderr.isTerminal() ? { askSecret, askLine } : {}),
    ...(Deno.stdin.isTerminal() && Deno.stdout.isTerminal() ? { openTerminal } : {}),
  };
}

/** The question goes to stderr, because stdout is for data. */
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

function openTerminal(): Terminal {
  return openScreen(Deno, { hasColours: Deno.env.get("NO_COLOR") === undefined });
}

/** Most bytes of an answer that are read. */
const LINE_BYTES_MAX = 1024;

/** A terminal gives whole lines. */
async function askLine(question: string): Promise<string> {
  Deno.stderr.writeSync(encodeUtf8(question));
  const buffer = new Uint8Array(LINE_BYTES_MAX);
  const count = await Deno.stdin.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0)).trim();
}

/**
 * Standard input. The runtime replaces a closed one by the null device, which would look like an empty
 * value.
 *
 * @throws {InputError} when nothing is connected to it.
 */
async function* readStandardInput(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  // Loaded here, because few commands read standard input.
  const { fstatSync, statSync } = await import("node:fs");
  const { rdev } = fstatSync(0);
  if (rdev !== 0 && rdev === statSync("/dev/null").rdev) {
    throw new InputError("nothing is connected to it: it is closed, or /dev/null");
  }
  yield* Deno.stdin.readable;
}

/** `toError` makes the error that `write` throws. When it returns null, `write` ignores the failure. */
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
  // `cli.ts` handles it: the reader has closed the pipe.
  if (cause instanceof Deno.errors.BrokenPipe) return cause;
  const message = `Cannot write to standard output: ${messageOf(cause)}. ` +
    "Check the space on the disk that it goes to.";
  return new EnvironmentError(message, { cause });
}

/** Sends each request over a new connection. Disposal closes all of them. */
export class FreshConnections implements Disposable {
  readonly #tls: () => ClientTls;
  #opened: { readonly tls: ClientTls; readonly client: Deno.HttpClient } | null = null;

  /** HTTPS uses what `tls` returns, and trusts the certificates of the system. */
  constructor(tls: () => ClientTls = () => SYSTEM_TLS) {
    this.#tls = tls;
  }

  /** The global `fetch` without its pool of connections. */
  readonly fetch: typeof fetch = (input, init) => fetch(input, { ...init, client: this.#client() });

  #client(): Deno.HttpClient {
    const tls = this.#tls();
    if (this.#opened?.tls === tls) return this.#opened.client;
    // The earlier client is not closed, because that would end its running requests.
    const client = openHttpClient(tls);
    this.#opened = { tls, client };
    return client;
  }

  /** Closes the connections that are still open. */
  [Symbol.dispose](): void {
    this.#opened?.client.close();
    this.#opened = null;
  }
}

const SYSTEM_TLS: ClientTls = { caCerts: [], own: null };

function openHttpClient({ caCerts, own }: ClientTls): Deno.HttpClient {
  const options = { poolMaxIdlePerHost: 0, caCerts: [...caCerts] };
  return Deno.createHttpClient(own === null ? options : { ...options, ...own });
}

let stopController: AbortController | null = null;

/** Returns the same controller's signal at each call. */
function stopSignal(): AbortSignal {
  if (stopController !== null) return stopController.signal;
  const controller = new AbortController();
  stopController = controller;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => stopOrEnd(controller, name));
  }
  return controller.signal;
}

/** One Ctrl-C can arrive several times: from the terminal, and from npx and other parent processes. */
const SAME_STOP_MS = 500;
/** The exit codes of a process that a signal ended, as shells have them. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

let firstStopMs: number | null = null;

/** The first signal asks to stop, which can take as long as a hand-over. The second ends at once. */
function stopOrEnd(controller: AbortController, name: keyof typeof EXIT_CODES): void {
  const nowMs = performance.now();
  firstStopMs ??= nowMs;
  if (nowMs - firstStopMs > SAME_STOP_MS) Deno.exit(EXIT_CODES[name]);
  controller.abort();
}

/** Resolves when `signal` aborts, or at once if it has aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The permissions of a node: network, files, and its environment variables. */
export const NODE_PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env=FLOE_*,NO_COLOR,FORCE_COLOR,CLICOLOR_FORCE,GRPC_*",
];

/**
 * Options of Deno for every process of Floe. V8 would let the space for new objects grow to 48 MiB in each
 * thread, and gives it back late; with 12 a put costs no more, and a node under load takes 60 MiB less.
 */
export const RUNTIME_FLAGS: readonly string[] = ["--v8-flags=--max-semi-space-size=4"];

/**
 * Settings of the C library's allocator for a process that runs for long. Left alone, it learns from large
 * buffers to keep what they leave: after two minutes of chaos a node held 493 MiB, and with these settings 193. A
 * program cannot give them to itself.
 */
export const NODE_ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
};

/** The permissions of all of Floe: `floe cluster` also starts processes. */
export const FLOE_PERMISSIONS: readonly string[] = ["--allow-run", ...NODE_PERMISSIONS];
