/**
 * `floe node`: runs one node until a signal stops it.
 *
 * @module
 */

import { findPeer, loadClusterConfig, requirePinned } from "../../config/mod.ts";
import { lockDataFolder } from "../../keys/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { configPath, globalFlags } from "../options.ts";
import { passphraseFor } from "../secrets/secret_input.ts";
import { readLogSettings } from "../serve/logging.ts";
import { addServeOptions, nodeFolderOf, type ServeFlags, serveNode } from "../serve/serve_node.ts";

/** Adds `floe node`. */
export function registerNode(program: Program, context: CommandContext): void {
  const node = program
    .command("node")
    .summary("run one node")
    .description(
      "Runs one node of the cluster until SIGINT or SIGTERM; a second one ends it at once, and " +
        "SIGHUP makes it read its TLS files again, which it also does when they change. Its identity must be in its data " +
        "folder already (floe keygen), and every node's public keys in the configuration (floe " +
        "init). A node without a key share first makes the cluster's key together with all other " +
        "nodes (floe dkg status). It logs to stderr. With -o json it also prints its start, its " +
        "key and each change of the leader, as one JSON object on each line.\n\n" +
        "On loopback the API needs no token; on any other address it does (floe token), unless " +
        "--insecure-no-auth is given.",
    )
    .requiredOption("--id <id>", "which node of the configuration this is");
  addServeOptions(node);
  node
    .action(async (options: NodeFlags, command: Program) => {
      const log = readLogSettings(options, context);
      const configFile = configPath(globalFlags(command), context);
      const loaded = await loadClusterConfig(configFile);
      const peer = findPeer(loaded, options.id);
      const config = requirePinned(loaded, configFile);
      const dataDir = nodeFolderOf(peer.id, options, context);
      using _lock = lockDataFolder(dataDir);
      using passphrase = await passphraseFor([dataDir], context);
      await serveNode({ config, peer, dataDir, passphrase, options, log }, { command, context });
    });
}

interface NodeFlags extends ServeFlags {
  readonly id: string;
}
