/**
 * `floe token create`: lets somebody in.
 *
 * @module
 */

import { InvalidArgumentError } from "commander";
import { encodeHex, encodeUtf8 } from "../bytes.ts";
import { digestSecret, drawToken, drawTokenId, formatToken } from "../http/token_text.ts";
import { checkNewToken, type NewToken, TOKEN_SCOPES, type TokenScope } from "../kv/token.ts";
import { readToken } from "./answers.ts";
import type { CommandContext, Program } from "./command.ts";
import { printJson } from "./output.ts";
import { openSession } from "./session.ts";
import { writeRequest } from "./write.ts";

/** Adds `floe token create` to `floe token`. */
export function registerTokenCreate(token: Program, context: CommandContext): void {
  token
    .command("create")
    .summary("create a token and print it, once")
    .description(
      "Creates a token and prints it on stdout. It is drawn here and nobody else ever sees it: the " +
        "cluster keeps its SHA-256. admin allows everything, and goes without --prefix.",
    )
    .requiredOption(
      "--scope <list>",
      `what it allows, of ${TOKEN_SCOPES.join(",")}; may be given again`,
      parseScopes,
    )
    .option(
      "--prefix <prefix>",
      "only keys that begin with this; may be given again",
      (prefix: string, before: readonly string[] = []) => [...before, prefix],
    )
    .option("--name <name>", "what people call it")
    .action(async (options: CreateFlags, command: Program) => {
      const id = drawTokenId();
      const drawn = drawToken({ kind: "token", id });
      const created = toNewToken(options, { id, secretDigest: digestSecret(drawn.secret) });
      const { client, flags } = await openSession(command, context);
      const answer = await client.send({
        method: "PUT",
        path: `/v1/tokens/${id}`,
        body: toBody(created),
        ...writeRequest({}),
      });
      const description = readToken(answer);
      const text = formatToken(drawn);
      if (flags.output === "json") {
        return printJson(context.stdout, { ...description, token: text });
      }
      context.stdout.write(`${text}\n`);
      context.stderr.write(`Created token ${id}. It is shown this once; keep it secret.\n`);
    });
}

interface CreateFlags {
  readonly scope: readonly TokenScope[];
  readonly prefix?: readonly string[];
  readonly name?: string;
}

/** Checked before anything is asked of a node. */
function toNewToken(
  { scope, prefix = [], name = "" }: CreateFlags,
  own: Pick<NewToken, "id" | "secretDigest">,
): NewToken {
  const token: NewToken = { ...own, name, scopes: scope, prefixes: prefix };
  checkNewToken(token);
  return token;
}

function toBody({ secretDigest, name, scopes, prefixes }: NewToken): Uint8Array<ArrayBuffer> {
  const secretSha256 = encodeHex(secretDigest);
  return encodeUtf8(JSON.stringify({ secretSha256, name, scopes, prefixes }));
}

function parseScopes(list: string, before: readonly TokenScope[] = []): readonly TokenScope[] {
  const names = [...before, ...list.split(",").map((name) => name.trim())];
  const isKnown = names.every((name) => TOKEN_SCOPES.some((scope) => scope === name));
  if (isKnown) return TOKEN_SCOPES.filter((scope) => names.includes(scope));
  throw new InvalidArgumentError(`It must be of ${TOKEN_SCOPES.join(",")}.`);
}
