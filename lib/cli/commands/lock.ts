/**
 * `floe lock` and `floe elect`: a command that runs only while it holds a lock.
 *
 * @module
 */

import { acquireLock, findHolder, type HeldLock } from "../../client/mod.ts";
import { ChildEnded, startChild } from "../child.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { openClient } from "../session.ts";
import { parseTtl } from "./lease.ts";
import { printJsonLine, rowBody, showName } from "./range.ts";

/** How long a lock outlives its holder when `--ttl` is not given. */
const TTL_SECONDS_DEFAULT = 15;

const ENVIRONMENT =
  "It gets FLOE_FENCE, the revision at which the lock was won, for the fence of " +
  "transactions, and FLOE_LEASE. When the lease is lost, or cannot be renewed in time, it gets SIGTERM, " +
  "and the exit code is 8. Otherwise the exit code is its own.";

/** Adds `floe lock`. */
export function registerLock(program: Program, context: CommandContext): void {
  program
    .command("lock")
    .summary("run a command while holding a lock")
    .description(
      `Waits for the lock NAME, in the order of arrival, and runs a command while it holds it. ${ENVIRONMENT}`,
    )
    .argument("<name>", "the lock")
    .argument("<command...>", "what to run, behind --")
    .option(
      "--ttl <duration>",
      "how long the lock outlives this process",
      parseTtl,
      TTL_SECONDS_DEFAULT,
    )
    .action((name: string, child: readonly string[], options: LockFlags, command: Program) =>
      runHolding(context, command, { name, child, ...options })
    );
}

/** Adds `floe elect`. */
export function registerElect(program: Program, context: CommandContext): void {
  program
    .command("elect")
    .summary("run a command while elected, or show who is elected")
    .description(
      `Stands in the election NAME and runs a command while it is elected. ${ENVIRONMENT} With ` +
        "--listen: prints the value of the elected candidate, again at each change, until " +
        "SIGINT or SIGTERM.",
    )
    .argument("<name>", "the election")
    .argument("[command...]", "what to run, behind --")
    .option(
      "--ttl <duration>",
      "how long the election outlives this process",
      parseTtl,
      TTL_SECONDS_DEFAULT,
    )
    .option("--value <text>", "the value that --listen shows while this candidate is elected")
    .option("--listen", "only listen")
    .action(async (
      name: string,
      child: readonly string[],
      options: LockFlags & { readonly listen?: boolean },
      command: Program,
    ) => {
      const isListening = options.listen === true;
      if (isListening === (child.length > 0)) {
        throw new CommandError(ExitCode.usage, "Give a command behind --, or --listen");
      }
      if (isListening) await listen(context, command, name);
      else await runHolding(context, command, { name, child, ...options });
    });
}

interface LockFlags {
  readonly ttl: number;
  readonly value?: string;
}

async function runHolding(
  context: CommandContext,
  command: Program,
  { name, child, ttl, value = "" }: LockFlags & {
    readonly name: string;
    readonly child: readonly string[];
  },
): Promise<void> {
  const { client, store } = await openClient(command, context);
  const stop = context.stopSignal();
  const held = await acquireLock(store, name, {
    ttlSeconds: ttl,
    value,
    signal: stop,
    clock: client.clock,
  }).catch((error: unknown) => {
    if (!stop.aborted) throw error;
    throw new CommandError(
      ExitCode.unavailable,
      `Stopped before the lock ${JSON.stringify(name)} was won: the command did not run`,
    );
  });
  let exitCode: number;
  try {
    exitCode = await runChild(context, { child, held, stop });
  } finally {
    // Its keys are deleted when its time is over.
    await held.release().catch(() => {});
  }
  if (held.lost.aborted) {
    throw new CommandError(ExitCode.impaired, `The lock ${JSON.stringify(name)} was lost`);
  }
  if (exitCode !== 0) throw new ChildEnded(exitCode);
}

async function runChild(
  context: CommandContext,
  { child, held, stop }: {
    readonly child: readonly string[];
    readonly held: HeldLock;
    readonly stop: AbortSignal;
  },
): Promise<number> {
  const env = { FLOE_FENCE: String(held.fence), FLOE_LEASE: String(held.lease) };
  const running = (context.startChild ?? startChild)({ command: child, env });
  const terminate = () => running.terminate();
  for (const signal of [held.lost, stop]) {
    if (signal.aborted) terminate();
    signal.addEventListener("abort", terminate, { once: true });
  }
  return await running.status;
}

async function listen(context: CommandContext, command: Program, name: string): Promise<void> {
  const { store, flags } = await openClient(command, context);
  const signal = context.stopSignal();
  const watch = store.watch({ prefix: `${name}/` }, { signal, isProgressWanted: true });
  let last = -1;
  for await (const _changes of watch) {
    const holder = await findHolder(store, name);
    const fence = holder?.createRevision ?? 0;
    if (fence === last) continue;
    last = fence;
    if (flags.output === "json") {
      printJsonLine(context, {
        elected: holder === null ? null : rowBody(holder, { hasValue: true }),
      });
    } else if (holder === null) context.stdout.write("-\n");
    else context.stdout.write(`${holder.createRevision}\t${showName(holder.value)}\n`);
  }
}
