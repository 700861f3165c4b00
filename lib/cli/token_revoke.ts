/**
 * `floe token revoke`: lets somebody in no more.
 *
 * @module
 */

import { checkTokenId } from "../kv/token.ts";
import { readRevokedToken } from "./answers.ts";
import type { CommandContext, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { printJson } from "./output.ts";
import { openSession } from "./session.ts";
import { writeRequest } from "./write.ts";

/** Adds `floe token revoke` to `floe token`. */
export function registerTokenRevoke(token: Program, context: CommandContext): void {
  token
    .command("revoke")
    .summary("revoke a token")
    .description(
      "Revokes a token: the node that was asked lets nobody in by it any more, nor do the others once " +
        "they have heard of it, which takes a heartbeat. Exit code 3: there is no such token.",
    )
    .argument("<id>", "the token's id, as floe token list shows it")
    .action(async (id: string, _options: unknown, command: Program) => {
      checkTokenId(id);
      const { client, flags } = await openSession(command, context);
      const path = `/v1/tokens/${id}`;
      const answer = await client.send({ method: "DELETE", path, ...writeRequest({}) });
      const revocation = readRevokedToken(answer);
      if (flags.output === "json") printJson(context.stdout, revocation);
      if (!revocation.revoked) throw new CommandError(ExitCode.notFound, `There is no token ${id}`);
      if (flags.output === "table") context.stdout.write(`Revoked token ${id}\n`);
    });
}
