/**
 * What a client command works with once its options are read.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { keyPath } from "../http/parameters.ts";
import { Problem } from "../http/problem.ts";
import { ApiClient } from "./client.ts";
import { systemClock } from "./clock.ts";
import type { CommandContext, GlobalFlags, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { readInput } from "./input.ts";
import { caFilePath, findEndpoints, globalFlags } from "./options.ts";
import { findTokens } from "./token_source.ts";

/** The options of one run and the client that they describe. */
export interface Session {
  /** The global options. */
  readonly flags: GlobalFlags;
  /** Asks the nodes that the options name. */
  readonly client: ApiClient;
}

/** Reads the global options of `command` and finds the nodes to ask. */
export async function openSession(command: Program, context: CommandContext): Promise<Session> {
  const flags = globalFlags(command);
  const endpoints = await findEndpoints(flags, context);
  const client = new ApiClient({
    endpoints,
    tokenFor: await findTokens(endpoints, flags, context),
    timeoutMs: flags.timeout,
    fetch: context.openFetch(await readCaCerts(flags, context)),
    clock: context.clock ?? systemClock,
  });
  return { flags, client };
}

/** Most bytes in a file with certificates to trust. */
const CA_FILE_BYTES_MAX = 1024 * 1024;

async function readCaCerts(
  flags: GlobalFlags,
  context: CommandContext,
): Promise<readonly string[]> {
  const path = caFilePath(flags, context);
  if (path === null) return [];
  return [decodeUtf8(await readInput(path, context, { bytesMax: CA_FILE_BYTES_MAX }))];
}

/**
 * The API's path for a key.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when it cannot be a key.
 */
export function pathOfKey(key: string): string {
  if (key === "") throw new CommandError(ExitCode.usage, "Cannot use an empty key: name one");
  try {
    return keyPath(key);
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    throw new CommandError(ExitCode.usage, cause.message, { cause });
  }
}
