/**
 * The token that a command sends. It comes from a file, a variable, or the data folder of a node on this
 * machine; never from an argument, because arguments show in the process list.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import type { Endpoint, TokenFor } from "../client/mod.ts";
import { catching, InputError } from "../errors.ts";
import { parseToken, type SecretToken } from "../request.ts";
import { ChangingFiles, readFileAgain } from "./changing_files.ts";
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
    const own = new Map(endpoints.map((endpoint) => [endpoint, openOwnToken(endpoint, context)]));
    return (endpoint) => own.get(endpoint)?.current() ?? null;
  }
  checkReceivers(endpoints, named);
  const isAlone = isOneUnknown(endpoints);
  const files = openNamedToken(named, context);
  return ({ id }) => {
    const { text, token: { holder } } = files.current();
    return holder.kind === "token" || isAlone || id === holder.node ? text : null;
  };
}

/** Refuses a node's own token if that node is not among the nodes to ask. */
function checkReceivers(
  endpoints: readonly Endpoint[],
  { source, token: { holder } }: NamedToken,
): void {
  if (holder.kind === "token" || isOneUnknown(endpoints)) return;
  const { node } = holder;
  if (endpoints.some(({ id }) => id === node)) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot use ${source}: it holds ${node}'s own token, which other nodes must not learn. Name ` +
      `only ${node} with --endpoints, or its cluster with --config.`,
  );
}

/** Whether there is only one address, named by the user: then it is the token's node. */
function isOneUnknown(endpoints: readonly Endpoint[]): boolean {
  return endpoints.length === 1 && endpoints[0]?.id === null;
}

/** The token. It is read again when its file changes, so that a long command has the renewed token. */
function openNamedToken(named: NamedToken, { stderr }: CommandContext): ChangingFiles<NamedToken> {
  const { file } = named;
  return new ChangingFiles({
    paths: file === null ? [] : [file],
    value: named,
    read: () => file === null ? named : renewed(named, readFileAgain(file, TOKEN_FILE_BYTES_MAX)),
    onKept: (reason) => stderr.write(`floe: ${reason}. The token before is used.\n`),
  });
}

/** A file that held a token of the cluster must not come to hold a node's own, which others would learn. */
function renewed(named: NamedToken, content: string): NamedToken {
  const next = toNamed(content, named);
  if (describeHolder(next) === describeHolder(named)) return next;
  throw new InputError(`Cannot use ${named.source}: it now holds a token of another kind`);
}

function describeHolder({ token: { holder } }: NamedToken): string {
  return holder.kind === "token" ? holder.kind : holder.node;
}

interface NamedToken {
  readonly text: string;
  readonly source: string;
  /** The file of the token; null when the token is from a variable. */
  readonly file: string | null;
  readonly token: SecretToken;
}

async function readNamedToken(
  flags: GlobalFlags,
  context: CommandContext,
): Promise<NamedToken | null> {
  const { tokenFile } = flags;
  const variable = context.env("FLOE_TOKEN");
  if (tokenFile === undefined && variable !== undefined) {
    return toNamed(variable, { source: "FLOE_TOKEN", file: null });
  }
  const file = tokenFile ?? context.env("FLOE_TOKEN_FILE");
  if (file === undefined) return null;
  const bytes = await readInput(file, context, { bytesMax: TOKEN_FILE_BYTES_MAX });
  return toNamed(decodeUtf8(bytes), { source: file, file });
}

function toNamed(
  content: string,
  { source, file }: Pick<NamedToken, "source" | "file">,
): NamedToken {
  const text = content.trim();
  return catching(InputError, () => ({ text, source, file, token: parseToken(text) }), (cause) => {
    throw new CommandError(ExitCode.usage, `Cannot use ${source}: ${cause.message}`, { cause });
  });
}

/** A node's own token. The node draws a new one at each start. */
function openOwnToken({ id }: Endpoint, context: CommandContext): ChangingFiles<string | null> {
  const folder = context.env("FLOE_DATA_DIR") ?? DATA_DIR_DEFAULT;
  const paths = id === null
    ? []
    : [`${folder}/${id}/${ADMIN_TOKEN_FILE}`, `${folder}/${ADMIN_TOKEN_FILE}`];
  const read = () => id === null ? null : findOwnToken(id, paths);
  return new ChangingFiles({ paths, value: read(), read, onKept: () => {} });
}

/** A node's own token, from its data folder or from the folder of all nodes' folders; null for none. */
function findOwnToken(id: string, paths: readonly string[]): string | null {
  for (const path of paths) {
    const text = readIfAllowed(path);
    if (text !== null && isOwnTokenOf(id, text)) return text;
  }
  return null;
}

function readIfAllowed(file: string): string | null {
  try {
    return Deno.readTextFileSync(file).trim();
  } catch {
    // The file does not exist, or another user owns it. The node's answer tells whether a token is needed.
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
