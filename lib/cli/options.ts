/**
 * The options that every command knows.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import { InputError } from "../errors.ts";
import { formatAddress, parseAddress } from "../node/address.ts";
import { ClusterConfigError, loadClusterConfig } from "../node/cluster_config.ts";
import {
  type CommandContext,
  CONFIG_PATH_DEFAULT,
  type GlobalFlags,
  type Program,
} from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";

/** How long a client command tries when `--timeout` is not given. */
export const TIMEOUT_MS_DEFAULT = 5_000;
/** The longest `--timeout`. */
export const TIMEOUT_MS_MAX = 600_000;

/** Adds the global options; they may stand before or after the name of a command. */
export function addGlobalOptions(program: Program): void {
  program
    .option("--config <file>", `the cluster's configuration (FLOE_CONFIG, ${CONFIG_PATH_DEFAULT})`)
    .option("--endpoints <list>", "API addresses of nodes to ask, host:port,... (FLOE_ENDPOINTS)")
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
export function parseDuration(text: string): number {
  const match = DURATION_PATTERN.exec(text);
  const milliseconds = match === null ? NaN : Number(match[1]) * (match[2] === "ms" ? 1 : 1000);
  if (milliseconds >= 1 && milliseconds <= TIMEOUT_MS_MAX) return Math.round(milliseconds);
  throw new InvalidArgumentError(`It must be from 1ms to ${TIMEOUT_MS_MAX / 1000}s.`);
}

/** The configuration's path: `--config`, else `FLOE_CONFIG`, else {@linkcode CONFIG_PATH_DEFAULT}. */
export function configPath(flags: GlobalFlags, context: CommandContext): string {
  return flags.config ?? context.env("FLOE_CONFIG") ?? CONFIG_PATH_DEFAULT;
}

/** The API of one node, as a client reaches it. */
export interface Endpoint {
  /** `http://host:port`, without a slash at the end. */
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
  if (flags.endpoints !== undefined) return parseEndpoints(flags.endpoints, "--endpoints");
  const list = context.env("FLOE_ENDPOINTS");
  if (list !== undefined) return parseEndpoints(list, "FLOE_ENDPOINTS");
  const { peers } = await loadConfigOfCluster(configPath(flags, context));
  return peers.map(({ id, api }) => ({ ...toEndpoint(formatAddress(api)), id }));
}

/**
 * Reads a list of `host:port`, with or without `http://`, separated by commas.
 *
 * @throws {CommandError} naming `source` and what is wrong.
 */
export function parseEndpoints(list: string, source: string): readonly Endpoint[] {
  const items = list.split(",").map((item) => item.trim()).filter((item) => item !== "");
  if (items.length === 0) {
    throw new CommandError(ExitCode.usage, `Cannot use ${source}: it names no address`);
  }
  return items.map((item) => {
    try {
      return toEndpoint(formatAddress(parseAddress(item.replace(/^http:\/\/([^/]*)\/?$/, "$1"))));
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      const message = `Cannot use ${source}: ${cause.message}`;
      throw new CommandError(ExitCode.usage, message, { cause });
    }
  });
}

function toEndpoint(label: string): Endpoint {
  return { url: `http://${label}`, label, id: null };
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
