/**
 * `floe lease`: keys that are deleted when no client keeps their lease alive.
 *
 * @module
 */

import { InvalidArgumentError } from "commander";
import type { LeaseBody } from "../../client/mod.ts";
import { LEASE_TTL_SECONDS_MAX } from "../../limits.ts";
import { fromJsonText } from "../../request.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { wholeNumberUpTo } from "../options.ts";
import { printFields, printJson, printTable } from "../output.ts";
import { openClient } from "../session.ts";
import { showName } from "./range.ts";

const parseId = wholeNumberUpTo(Number.MAX_SAFE_INTEGER);

/** Adds `floe lease` and its commands. */
export function registerLease(program: Program, context: CommandContext): void {
  const lease = program
    .command("lease")
    .summary("grant, keep alive, show and revoke leases")
    .description(
      "A lease lives for its time to live, and from then on as long as it is kept alive. Its keys " +
        "(floe put --lease) go with it.",
    );
  registerGrant(lease, context);
  registerKeepAlive(lease, context);
  registerRevoke(lease, context);
  registerShow(lease, context);
  registerList(lease, context);
}

const TTL_PATTERN = /^([1-9][0-9]{0,5})(s|m|h)?$/;
const UNIT_SECONDS = { s: 1, m: 60, h: 3_600 } as const;

/** Reads a time to live, as in 15, 15s, 2m or 24h, as seconds. */
export function parseTtl(text: string): number {
  const [, digits = "", unit = "s"] = TTL_PATTERN.exec(text) ?? [];
  const seconds = Number(digits) * (unit === "m" || unit === "h" ? UNIT_SECONDS[unit] : 1);
  if (seconds >= 1 && seconds <= LEASE_TTL_SECONDS_MAX) return seconds;
  throw new InvalidArgumentError("It must be as in 15s, 2m or 24h, from 1s to 24h.");
}

function registerGrant(lease: Program, context: CommandContext): void {
  lease
    .command("grant")
    .summary("grant a lease and print its id")
    .description("Grants a lease and prints its id. Exit code 4: there is one of this id.")
    .argument("<ttl>", "its time to live, as in 15s, 2m or 24h", parseTtl)
    .option("--id <n>", "its id (default: random)", parseId)
    .action(async (ttlSeconds: number, options: { readonly id?: number }, command: Program) => {
      const { store, flags } = await openClient(command, context);
      const { id } = options;
      const granted = await store.grantLease(
        ttlSeconds,
        id === undefined ? {} : { id },
      );
      if (flags.output === "json") return printJson(context.stdout, granted);
      context.stdout.write(`${granted.id}\n`);
    });
}

function registerKeepAlive(lease: Program, context: CommandContext): void {
  lease
    .command("keepalive")
    .summary("keep a lease alive")
    .description(
      "Keeps a lease alive until SIGINT or SIGTERM. Exit code 3: there is no such lease, or it has " +
        "ended.",
    )
    .argument("<id>", "the lease", parseId)
    .option("--once", "give it its full time once, and end")
    .action(async (id: number, options: { readonly once?: boolean }, command: Program) => {
      const { client, flags, store } = await openClient(command, context);
      const stop = context.stopSignal();
      while (true) {
        const kept = await store.keepLease(id);
        if (flags.output === "json") printJson(context.stdout, kept);
        else context.stdout.write(`${id}\t${kept.secondsLeft} s\n`);
        if (options.once === true || stop.aborted) return;
        await Promise.race([client.clock.delay(pauseMs(kept)), aborted(stop)]);
        if (stop.aborted) return;
      }
    });
}

/** A lease is kept alive three times in its time. */
function pauseMs({ ttlSeconds }: LeaseBody): number {
  return ttlSeconds * 1_000 / 3;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function registerRevoke(lease: Program, context: CommandContext): void {
  lease
    .command("revoke")
    .summary("end a lease and delete its keys")
    .description("Ends a lease; its keys go with it. Exit code 3: there is no such lease.")
    .argument("<id>", "the lease", parseId)
    .action(async (id: number, _options: unknown, command: Program) => {
      const { store, flags } = await openClient(command, context);
      const revoked = await store.revokeLease(id);
      if (flags.output === "json") printJson(context.stdout, revoked);
      if (!revoked.revoked) throw new CommandError(ExitCode.notFound, `There is no lease ${id}`);
      if (flags.output === "table") {
        const rows = [[id, revoked.keysDeleted, revoked.keysLeft]];
        printTable(context.stdout, ["LEASE", "KEYS DELETED", "KEYS LEFT"], rows);
      }
    });
}

function registerShow(lease: Program, context: CommandContext): void {
  lease
    .command("show")
    .summary("show how long a lease still lives, and its keys")
    .description("Shows a lease and its keys. Exit code 3: there is no such lease.")
    .argument("<id>", "the lease", parseId)
    .action(async (id: number, _options: unknown, command: Program) => {
      const { store, flags } = await openClient(command, context);
      const found = await store.lease(id);
      if (flags.output === "json") return printJson(context.stdout, found);
      printFields(context.stdout, [
        ["lease", id],
        ["ttl", `${found.ttlSeconds} s`],
        ["left", `${found.secondsLeft} s`],
      ]);
      for (const { key, keyEncoding } of found.keys) {
        context.stdout.write(`key    ${showName(fromJsonText(key, keyEncoding))}\n`);
      }
      if (found.more) context.stderr.write("It has more keys.\n");
    });
}

function registerList(lease: Program, context: CommandContext): void {
  lease
    .command("list")
    .summary("list the leases")
    .description("Lists the leases by id. With -o json: one JSON object a line.")
    .action(async (_options: unknown, command: Program) => {
      const { store, flags } = await openClient(command, context);
      for await (const { id, ttlSeconds } of store.leases()) {
        const line = flags.output === "json"
          ? JSON.stringify({ id, ttlSeconds })
          : `${id}\t${ttlSeconds} s`;
        context.stdout.write(`${line}\n`);
      }
    });
}
