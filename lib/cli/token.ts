/**
 * `floe token`: who may use the API.
 *
 * @module
 */

import type { CommandContext, Program } from "./command.ts";
import { registerTokenCreate } from "./token_create.ts";
import { registerTokenList } from "./token_list.ts";
import { registerTokenRevoke } from "./token_revoke.ts";

/** Adds `floe token` and its commands. */
export function registerToken(program: Program, context: CommandContext): void {
  const token = program
    .command("token")
    .summary("create, list and revoke the API's tokens")
    .description(
      "The tokens of the cluster, which every node knows. Commands send the one in --token-file, " +
        "FLOE_TOKEN or FLOE_TOKEN_FILE; without any of these, each node's own from its data folder " +
        "(admin.token in FLOE_DATA_DIR or in .floe/ID), which allows everything at that node.",
    );
  for (const register of [registerTokenCreate, registerTokenList, registerTokenRevoke]) {
    register(token, context);
  }
}
