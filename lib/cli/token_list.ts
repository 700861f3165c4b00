/**
 * `floe token list`: who may use the API.
 *
 * @module
 */

import { readTokens } from "./answers.ts";
import type { CommandContext, Program } from "./command.ts";
import { printJson, printTable } from "./output.ts";
import { openSession } from "./session.ts";

/** Adds `floe token list` to `floe token`. */
export function registerTokenList(token: Program, context: CommandContext): void {
  token
    .command("list")
    .summary("list the tokens, without their secrets")
    .description("Lists the cluster's tokens by id. Nobody can show a token again, only revoke it.")
    .action(async (_options: unknown, command: Program) => {
      const { client, flags } = await openSession(command, context);
      const request = { method: "GET", path: "/v1/tokens", takesTimeout: true } as const;
      const list = readTokens(await client.send(request));
      if (flags.output === "json") return printJson(context.stdout, list);
      const rows = list.tokens.map(({ id, name, scopes, prefixes, createRevision }) => [
        id,
        name === "" ? null : name,
        scopes.join(","),
        prefixes.length === 0 ? null : prefixes.join(" "),
        createRevision,
      ]);
      printTable(context.stdout, ["ID", "NAME", "SCOPES", "PREFIXES", "CREATED AT"], rows);
    });
}
