/**
 * `floe keygen`: makes the keys of a new cluster.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";
import { encodeVerifierKey } from "../certificate/group_key.ts";
import { loadClusterConfig } from "../node/cluster_config.ts";
import type { CommandContext, Program } from "./command.ts";
import { clusterFolder, DATA_DIR_DEFAULT, dealIntoFolders, nodeFolder } from "./node_folders.ts";
import { configPath, globalFlags } from "./options.ts";
import { printFields, printJson, printTable } from "./output.ts";

/** Adds `floe keygen`. */
export function registerKeygen(program: Program, context: CommandContext): void {
  program
    .command("keygen")
    .summary("make the keys of a new cluster")
    .description(
      "Deals every node's key share on this machine, into DIR/NODE/share.json, which only its " +
        "owner can read, with the public group.json beside it. Give each node its folder and keep " +
        "no copy: whoever has as many shares as must sign can elect at will.",
    )
    .requiredOption("--dealer", "deal on this machine, which knows the whole key while it does")
    .option("--data-dir <dir>", `where the nodes' folders go (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT})`)
    .action(async (options: KeygenFlags, command: Program) => {
      const flags = globalFlags(command);
      const config = await loadClusterConfig(configPath(flags, context));
      const folder = clusterFolder(options, context);
      const { cluster, threshold, publicKey } = dealIntoFolders(config, folder);
      const verifierKey = encodeVerifierKey(cluster, publicKey);
      const nodes = config.peers.map(({ id }) => ({ id, folder: nodeFolder(folder, id) }));
      if (flags.output === "json") {
        const key = { publicKey: encodeHex(publicKey), verifierKey };
        return printJson(context.stdout, { cluster, threshold, ...key, nodes });
      }
      printTable(context.stdout, ["NODE", "FOLDER"], nodes.map(({ id, folder }) => [id, folder]));
      context.stdout.write("\n");
      printFields(context.stdout, [
        ["group key", encodeHex(publicKey)],
        ["verifier key", verifierKey],
        ["must sign", `${threshold} of ${nodes.length}`],
      ]);
    });
}

interface KeygenFlags {
  readonly dealer: true;
  readonly dataDir?: string;
}
