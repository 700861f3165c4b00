/**
 * The context of a real process.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type { CommandContext, OutputStream } from "./command.ts";
import { FreshConnections } from "./fresh_connections.ts";

/** What commands get when they run as a program of their own. */
export function processContext(): CommandContext {
  return {
    stdout: outputStream(Deno.stdout),
    stderr: outputStream(Deno.stderr),
    stdin: Deno.stdin.readable,
    env: (name) => Deno.env.get(name) || undefined,
    fetch: new FreshConnections().fetch,
    stopSignal,
  };
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
