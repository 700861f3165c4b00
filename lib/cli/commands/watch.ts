/**
 * `floe watch`: prints changes as they happen.
 *
 * @module
 */

import type { Change } from "../../client/mod.ts";
import { keyFields, toJsonText } from "../../request.ts";
import { startChild } from "../child.ts";
import type { CommandContext, Program } from "../command.ts";
import { wholeNumberUpTo } from "../options.ts";
import { openClient } from "../session.ts";
import { printJsonLine, rowBody, showName } from "./range.ts";

/** Adds `floe watch`. */
export function registerWatch(program: Program, context: CommandContext): void {
  program
    .command("watch")
    .summary("print changes as they come")
    .description(
      "Prints each change of a key, or of all keys with a prefix, once and in order, until SIGINT or " +
        "SIGTERM. If the node fails, the watch continues at another. With -o json: one JSON object a " +
        "line. With a command behind --: runs it for each change, one after the other, with " +
        "FLOE_KEY, FLOE_TYPE (put, delete or expire) and FLOE_REVISION, and the value on its " +
        "standard input. Exit code 3: history no longer has the changes since --from.",
    )
    .argument("<key>", "the key")
    .argument("[command...]", "what to run for each change, behind --")
    .option("--prefix", "all keys that begin with it")
    .option("--from <n>", "from this revision on", wholeNumberUpTo(Number.MAX_SAFE_INTEGER))
    .action(async (
      key: string,
      child: readonly string[],
      options: WatchFlags,
      command: Program,
    ) => {
      const { store, flags } = await openClient(command, context);
      const signal = context.stopSignal();
      const changes = store.watch(
        options.prefix === true ? { prefix: key } : { key },
        { signal, ...(options.from === undefined ? {} : { fromRevision: options.from }) },
      );
      for await (const { revision, events } of changes) {
        for (const change of events) {
          if (signal.aborted) return;
          if (child.length > 0) await runFor(change, { revision, child, context, signal });
          else if (flags.output === "json") printJsonLine(context, changeBody(change, revision));
          else context.stdout.write(changeLine(change, revision));
        }
      }
    });
}

interface WatchFlags {
  readonly prefix?: boolean;
  readonly from?: number;
}

async function runFor(
  { type, key, row }: Change,
  { revision, child, context, signal }: {
    readonly revision: number;
    readonly child: readonly string[];
    readonly context: CommandContext;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const env = {
    FLOE_KEY: showName(key),
    FLOE_TYPE: type,
    FLOE_REVISION: String(revision),
  };
  const start = context.startChild ?? startChild;
  const input = row?.value ?? new Uint8Array();
  const running = start({ command: child, env, input });
  const stop = () => running.terminate();
  signal.addEventListener("abort", stop, { once: true });
  await running.status;
  signal.removeEventListener("abort", stop);
}

function changeLine({ type, key, row }: Change, revision: number): string {
  const value = row === null ? "" : `\t${showName(row.value)}`;
  return `${revision}\t${type}\t${showName(key)}${value}\n`;
}

function changeBody({ type, key, row }: Change, revision: number): object {
  if (row === null) return { revision, type, ...keyFields(key) };
  const { text: value, encoding } = toJsonText(row.value);
  return { revision, type, ...rowBody(row, { hasValue: false }), value, encoding };
}
