/**
 * Where commands get the token from that they send: a file, a variable, or the data folder of a node on
 * this machine. Never an argument: those show in the process list.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import type { Endpoint, TokenFor } from "../client/mod.ts";
import { catching, InputError } from "../errors.ts";
import { parseToken, type SecretToken } from "../http/wire.ts";
import type { CommandContext, GlobalFlags } from "./command.ts";
import { CommandError, ExitCode } from "./failure.ts";
import { readInput } from "./input.ts";
import { DATA_DIR_DEFAULT } from "./options.ts";

/** Most bytes in a file with a token. */
const TOKEN_FILE_BYTES_MAX = 1_024;

/**
 * The tokens for these nodes: that of `--token-file`, `FLOE_TOKEN` or `FLOE_TOKEN_FILE` for all of them;
 * else each node's own, from its data folder, where this user can read it. A node's own token is sent to
 * that node alone, wherever it comes from: to others it says nothing, and they must not learn it.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when the one that is named cannot be used.
 */
export async function findTokens(
  endpoints: readonly Endpoint[],
  flags: GlobalFlags,
  context: CommandContext,
): Promise<TokenFor> {
  const named = await readNamedToken(flags, context);
  if (named === null) {
    const own = new Map(endpoints.map((endpoint) => [endpoint, ownToken(endpoint, context)]));
    return (endpoint) => own.get(endpoint) ?? null;
  }
  const { text, source, token: { holder } } = named;
  if (holder.kind === "token") return () => text;
  const { node } = holder;
  const isAlone = endpoints.length === 1 && endpoints[0]?.id === null;
  if (isAlone || endpoints.some(({ id }) => id === node)) {
    return ({ id }) => isAlone || id === node ? text : null;
  }
  throw new CommandError(
    ExitCode.usage,
    `Cannot use ${source}: it holds ${node}'s own token, which no other node may see. Name ` +
      `${node} alone with --endpoints, or its cluster with --config.`,
  );
}

interface NamedToken {
  readonly text: string;
  readonly source: string;
  readonly token: SecretToken;
}

async function readNamedToken(
  flags: GlobalFlags,
  context: CommandContext,
): Promise<NamedToken | null> {
  const { tokenFile } = flags;
  const variable = context.env("FLOE_TOKEN");
  if (tokenFile === undefined && variable !== undefined) return toNamed(variable, "FLOE_TOKEN");
  const file = tokenFile ?? context.env("FLOE_TOKEN_FILE");
  if (file === undefined) return null;
  const bytes = await readInput(file, context, { bytesMax: TOKEN_FILE_BYTES_MAX });
  return toNamed(decodeUtf8(bytes), file);
}

function toNamed(content: string, source: string): NamedToken {
  const text = content.trim();
  return catching(InputError, () => ({ text, source, token: parseToken(text) }), (cause) => {
    throw new CommandError(ExitCode.usage, `Cannot use ${source}: ${cause.message}`, { cause });
  });
}

/** A node's own token, from its folder, or from where its folder is among others; null for none. */
function ownToken({ id }: Endpoint, context: CommandContext): string | null {
  if (id === null) return null;
  const folder = context.env("FLOE_DATA_DIR") ?? DATA_DIR_DEFAULT;
  for (const file of [`${folder}/${id}/${ADMIN_TOKEN_FILE}`, `${folder}/${ADMIN_TOKEN_FILE}`]) {
    const text = readIfAllowed(file);
    if (text !== null && isOwnTokenOf(id, text)) return text;
  }
  return null;
}

function readIfAllowed(file: string): string | null {
  try {
    return Deno.readTextFileSync(file).trim();
  } catch {
    // It is another user's, or there is none: the node will say what it demands.
    return null;
  }
}

function isOwnTokenOf(id: string, text: string): boolean {
  try {
    const { holder } = parseToken(text);
    return holder.kind === "admin" && holder.node === id;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

/** The file with a node's own token, in its data folder: one line, readable by its owner alone. */
export const ADMIN_TOKEN_FILE = "admin.token";
