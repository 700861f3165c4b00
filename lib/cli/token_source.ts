/**
 * The token that a command sends. It comes from a file, a variable, or the data folder of a node on this
 * machine; never from an argument, because arguments show in the process list.
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
 * The tokens for these nodes: the one in `--token-file`, `FLOE_TOKEN` or `FLOE_TOKEN_FILE` for all nodes;
 * else each node's own token from its data folder, if this user can read it. A node's own token is only
 * sent to that node: it is not valid at others, and they must not learn it.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when the given token cannot be used.
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
    `Cannot use ${source}: it holds ${node}'s own token, which other nodes must not learn. Name ` +
      `only ${node} with --endpoints, or its cluster with --config.`,
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

/** A node's own token, from its data folder or from the folder of all nodes' folders; null for none. */
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
    // There is no such file, or another user owns it. The node's answer says if it requires a token.
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

/** The file with a node's own token, in its data folder: one line, which only its owner can read. */
export const ADMIN_TOKEN_FILE = "admin.token";
