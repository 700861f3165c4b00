/**
 * The options of every command.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import type { NodeId } from "../types.ts";
import {
  type CommandContext,
  CONFIG_PATH_DEFAULT,
  type GlobalFlags,
  type Program,
} from "./command.ts";

/** How long a client command tries when `--timeout` is not given. */
const TIMEOUT_MS_DEFAULT = 5_000;
/** The longest `--timeout`. */
const TIMEOUT_MS_MAX = 600_000;

/** Adds the global options; they may stand before or after the name of a command. */
export function addGlobalOptions(program: Program): void {
  program
    .option("--config <file>", `the cluster's configuration (FLOE_CONFIG, ${CONFIG_PATH_DEFAULT})`)
    .option("--endpoints <list>", "API addresses of nodes to ask, host:port,... (FLOE_ENDPOINTS)")
    .option("--token-file <file>", "the token to send (FLOE_TOKEN_FILE; or FLOE_TOKEN, the token)")
    .option(
      "--ca-file <file>",
      "ask over HTTPS, and trust the certificates in this file, PEM (FLOE_CA_FILE)",
    )
    .option(
      "--client-cert <file>",
      "ask over HTTPS, and show this certificate to the nodes, PEM (FLOE_CLIENT_CERT_FILE)",
    )
    .option("--client-key <file>", "the key of --client-cert, PEM (FLOE_CLIENT_KEY_FILE)")
    .addOption(
      new Option("-o, --output <format>", "how to print data").choices(["table", "json", "jsonl"])
        .default("table"),
    )
    .addOption(
      new Option("--timeout <duration>", "how long to try, as in 5, 5s or 500ms")
        .argParser(parseDuration).default(TIMEOUT_MS_DEFAULT, "5s"),
    );
}

/** The global options as they were given, for a command's action. */
export function globalFlags(command: Program): GlobalFlags {
  const flags = command.optsWithGlobals<
    Omit<GlobalFlags, "output"> & { readonly output: string }
  >();
  // The stream decides how JSON is written: see `JsonLines`.
  return { ...flags, output: flags.output === "table" ? "table" : "json" };
}

const DURATION_PATTERN = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s)?$/;

/**
 * Reads a duration as milliseconds. Without a unit, or with `s`, it is in seconds.
 *
 * @throws {InvalidArgumentError} unless it is from 1 ms to {@linkcode TIMEOUT_MS_MAX}.
 */
function parseDuration(text: string): number {
  const match = DURATION_PATTERN.exec(text);
  const milliseconds = match === null ? NaN : Number(match[1]) * (match[2] === "ms" ? 1 : 1000);
  if (milliseconds >= 1 && milliseconds <= TIMEOUT_MS_MAX) return Math.round(milliseconds);
  throw new InvalidArgumentError(
    `It must be in s or ms, as in 5s, from 1ms to ${TIMEOUT_MS_MAX / 1000}s.`,
  );
}

/** How long a day, an hour and a minute are, in milliseconds. */
const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000 } as const;
/** The longest {@linkcode parseLifetime}: ten years. */
const LIFETIME_DAYS_MAX = 3_650;

/**
 * Reads a time of validity, such as `30d`, `12h` or `90m`, as milliseconds.
 *
 * @throws {InvalidArgumentError} unless it is from a minute to {@linkcode LIFETIME_DAYS_MAX} days.
 */
export function parseLifetime(text: string): number {
  const [, count = "0", unit = "d"] = /^([1-9][0-9]{0,6})([dhm])$/.exec(text) ?? [];
  const lifetimeMs = Number(count) * (unit === "d" || unit === "h" ? UNITS_MS[unit] : UNITS_MS.m);
  if (lifetimeMs > 0 && lifetimeMs <= LIFETIME_DAYS_MAX * UNITS_MS.d) return lifetimeMs;
  throw new InvalidArgumentError(
    `It must be in days, hours or minutes, as in 30d, 12h or 90m, at most ${LIFETIME_DAYS_MAX}d.`,
  );
}

/**
 * The configuration's path: `--config`, else `FLOE_CONFIG`, else {@linkcode CONFIG_PATH_DEFAULT}. If that file
 * does not exist, it is the one that `floe cluster` has written into its folder, if it has.
 */
export function configPath(flags: Pick<GlobalFlags, "config">, context: CommandContext): string {
  const named = namedConfigPath(flags, context);
  if (named !== null) return named;
  const written = `${clusterFolder({}, context)}/cluster.json`;
  return !isFile(CONFIG_PATH_DEFAULT) && isFile(written) ? written : CONFIG_PATH_DEFAULT;
}

/** The path of a new configuration: the one that the user gives, else {@linkcode CONFIG_PATH_DEFAULT}. */
export function newConfigPath(
  flags: Pick<GlobalFlags, "config">,
  context: CommandContext,
): string {
  return namedConfigPath(flags, context) ?? CONFIG_PATH_DEFAULT;
}

/** The configuration's path, if the user has given one. */
function namedConfigPath(
  flags: Pick<GlobalFlags, "config">,
  context: CommandContext,
): string | null {
  return flags.config ?? context.env("FLOE_CONFIG") ?? null;
}

/** Whether `floe cluster` makes a configuration: the user has named none, and there is none here. */
export function lacksConfig(flags: GlobalFlags, context: CommandContext): boolean {
  return namedConfigPath(flags, context) === null && !isFile(CONFIG_PATH_DEFAULT);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A parser of whole numbers in decimal, from 1 to `most`, without leading zeros. */
export function wholeNumberUpTo(most: number): (text: string) => number {
  return (text) => {
    const value = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : NaN;
    if (value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}.`);
  };
}

/** The folder of the nodes' folders without `--data-dir` and `FLOE_DATA_DIR`. */
export const DATA_DIR_DEFAULT = ".floe";

/** The folder that holds all nodes' folders: `--data-dir`, else `FLOE_DATA_DIR`, else `.floe`. */
export function clusterFolder(
  flags: { readonly dataDir?: string },
  context: CommandContext,
): string {
  return flags.dataDir ?? context.env("FLOE_DATA_DIR") ?? DATA_DIR_DEFAULT;
}

/** One node's folder among those of its cluster. */
export function nodeFolder(folder: string, id: NodeId): string {
  return `${folder}/${id}`;
}
