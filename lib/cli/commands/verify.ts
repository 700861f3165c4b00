/**
 * `floe verify`: checks certificates, without a cluster and without a network. Elections and memberships
 * are checked against the group key, a genesis against the identity keys in `cluster.json`, or against the
 * first membership, which names it. Together they are the whole chain, from the operators to the leader.
 *
 * @module
 */

import {
  isPinned,
  loadClusterConfig,
  type PinnedClusterConfig,
  toGenesisRoster,
} from "../../config/mod.ts";
import { audit } from "../audit/audit.ts";
import { readGroupKey, readNotes } from "../audit/notes.ts";
import { printAudit, toAuditJson } from "../audit/report.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { configPath, globalFlags } from "../options.ts";
import { printJson } from "../output.ts";

/** Adds `floe verify`. */
export function registerVerify(program: Program, context: CommandContext): void {
  addVerify(program, context);
}

/** Adds a command that verifies notes: `floe verify`, and `floe audit verify`. */
export function addVerify(parent: Program, context: CommandContext): void {
  parent
    .command("verify")
    .summary("check certificates, offline")
    .description(
      "Verifies signed notes, and prints what they say together. Give all files in one call: each " +
        "holds one note or several. Elections (floe leader --cert) and memberships (floe group " +
        "--memberships) are checked against the group key: --key, or the one in the genesis " +
        "certificate (floe group --genesis). Memberships must follow each other from the genesis on, " +
        "and a leader must be a voter of its epoch. The genesis must be signed by every node in " +
        "--config, which is the file that the key was made with; with --key and the memberships it " +
        "needs none, because the first membership names its hash. Get the key or the configuration from a " +
        "source that you trust, not from the node that gave you the certificates. Exit code 7: a " +
        "note does not verify.",
    )
    .argument("<file...>", "files with notes, or - for standard input")
    .option(
      "--key <key>",
      "the group key: 64 hex digits, a verifier key, PEM, or a file with one of them",
    )
    .action(async (files: readonly string[], options: VerifyFlags, command: Program) => {
      const flags = globalFlags(command);
      const key = options.key === undefined ? null : await readGroupKey(options.key, context);
      const file = configPath(flags, context);
      const roster = async () => ({ roster: toGenesisRoster(await loadPinned(file)), file });
      const shown = await audit(await readNotes(files, context), { key, roster });
      if (flags.output === "json") printJson(context.stdout, toAuditJson(shown));
      else printAudit(context.stdout, shown);
    });
}

interface VerifyFlags {
  readonly key?: string;
}

/** The configuration with the keys that must have signed a genesis certificate. */
async function loadPinned(file: string): Promise<PinnedClusterConfig> {
  const config = await loadClusterConfig(file);
  if (isPinned(config)) return config;
  const message = `Cannot check a genesis certificate against ${file}: it pins no keys. Name the ` +
    "configuration that the nodes are started with (--config FILE); floe cluster writes it into its " +
    "data folder";
  throw new CommandError(ExitCode.usage, message);
}
