/**
 * The context of a real process.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type { CommandContext, OutputStream } from "./command.ts";
import { readSecretLine } from "./secret_input.ts";
import { FreshConnections } from "./fresh_connections.ts";

/** What commands get when they run as a program of their own. */
export function processContext(): CommandContext {
  return {
    stdout: outputStream(Deno.stdout),
    stderr: outputStream(Deno.stderr),
    stdin: Deno.stdin.readable,
    env: (name) => Deno.env.get(name) || undefined,
    openFetch: (caCerts) => new FreshConnections(caCerts).fetch,
    stopSignal,
    ...(Deno.stdin.isTerminal() && Deno.stderr.isTerminal() ? { askSecret } : {}),
  };
}

/** The question goes to stderr, as stdout is for data. */
async function askSecret(question: string): Promise<Uint8Array> {
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

function outputStream(file: typeof Deno.stdout): OutputStream {
  return {
    isTerminal: file.isTerminal(),
    write(data) {
      let left = typeof data === "string" ? encodeUtf8(data) : data;
      while (left.length > 0) left = left.subarray(file.writeSync(left));
    },
  };
}

let stopController: AbortController | null = null;

/** One controller for the process, however often it is asked for. */
function stopSignal(): AbortSignal {
  if (stopController !== null) return stopController.signal;
  const controller = new AbortController();
  stopController = controller;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => controller.abort());
  }
  return controller.signal;
}
