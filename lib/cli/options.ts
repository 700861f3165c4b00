/**
 * The options that every command knows.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import {
  ClusterConfigError,
  formatAddress,
  loadClusterConfig,
  parseAddress,
} from "../config/mod.ts";
import { InputError } from "../errors.ts";
import {
  type CommandContext,
  CONFIG_PATH_DEFAULT,
  type GlobalFlags,
  type Program,
} from "./command.ts";
import { CommandError, ExitCode } from "./failure.ts";

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
    .addOption(
      new Option("-o, --output <format>", "how to print data").choices(["table", "json"])
        .default("table"),
    )
    .addOption(
      new Option("--timeout <duration>", "how long to try, as in 5, 5s or 500ms")
        .argParser(parseDuration).default(TIMEOUT_MS_DEFAULT, "5s"),
    );
}

/** The global options as they were given, for a command's action. */
export function globalFlags(command: Program): GlobalFlags {
  return command.optsWithGlobals<GlobalFlags>();
}

const DURATION_PATTERN = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s)?$/;

/**
 * Reads a duration, in seconds unless it says `ms`, as milliseconds.
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

/** The configuration's path: `--config`, else `FLOE_CONFIG`, else {@linkcode CONFIG_PATH_DEFAULT}. */
export function configPath(flags: GlobalFlags, context: CommandContext): string {
  return flags.config ?? context.env("FLOE_CONFIG") ?? CONFIG_PATH_DEFAULT;
}

/** The API of one node, as a client reaches it. */
export interface Endpoint {
  /** `http://host:port` or `https://host:port`, without a slash at the end. */
  readonly url: string;
  /** `host:port`, for people. */
  readonly label: string;
  /** The node there, where the configuration tells. */
  readonly id: string | null;
}

/**
 * The nodes to ask, in order: `--endpoints`, else `FLOE_ENDPOINTS`, else every `api` address of the
 * configuration.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when none of them names a node.
 */
export async function findEndpoints(
  flags: GlobalFlags,
  context: CommandContext,
): Promise<readonly Endpoint[]> {
  const scheme = caFilePath(flags, context) === null ? "http" : "https";
  const source = flags.endpoints === undefined ? "FLOE_ENDPOINTS" : "--endpoints";
  const list = flags.endpoints ?? context.env("FLOE_ENDPOINTS");
  if (list !== undefined) return parseEndpoints(list, { source, scheme });
  const { peers } = await loadConfigOfCluster(configPath(flags, context));
  return peers.map(({ id, api }) => ({ ...toEndpoint(scheme, formatAddress(api)), id }));
}

/** The file with the certificates to trust: `--ca-file`, else `FLOE_CA_FILE`, else null. */
export function caFilePath(flags: GlobalFlags, context: CommandContext): string | null {
  return flags.caFile ?? context.env("FLOE_CA_FILE") ?? null;
}

/** Reads a list of `host:port`, with or without a scheme of their own, separated by commas. */
function parseEndpoints(
  list: string,
  { source, scheme }: { readonly source: string; readonly scheme: string },
): readonly Endpoint[] {
  const items = list.split(",").map((item) => item.trim()).filter((item) => item !== "");
  if (items.length === 0) {
    throw new CommandError(ExitCode.usage, `Cannot use ${source}: it names no address`);
  }
  return items.map((item) => {
    try {
      const [, own = scheme, address = item] = /^(https?):\/\/([^/]*)\/?$/.exec(item) ?? [];
      return toEndpoint(own, formatAddress(parseAddress(address)));
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      const message = `Cannot use ${source}: ${cause.message}`;
      throw new CommandError(ExitCode.usage, message, { cause });
    }
  });
}

function toEndpoint(scheme: string, label: string): Endpoint {
  return { url: `${scheme}://${label}`, label, id: null };
}

async function loadConfigOfCluster(path: string): ReturnType<typeof loadClusterConfig> {
  try {
    return await loadClusterConfig(path);
  } catch (cause) {
    if (!(cause instanceof ClusterConfigError)) throw cause;
    const hint = "Or name the nodes to ask: --endpoints host:port,... (or FLOE_ENDPOINTS)";
    throw new CommandError(ExitCode.usage, `${cause.message}\n${hint}`, { cause });
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
