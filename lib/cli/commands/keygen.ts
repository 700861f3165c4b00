/**
 * `floe keygen`: makes a node's identity, or the keys of a whole cluster.
 *
 * @module
 */

import { encodeHex } from "../../bytes.ts";
import { encodeVerifierKey } from "../../certificate/mod.ts";
import {
  type Address,
  createPeerCard,
  isPinned,
  loadClusterConfig,
  parseAddress,
  toPeerCardJson,
} from "../../config/mod.ts";
import { messageOf } from "../../errors.ts";
import {
  hasIdentity,
  IDENTITY_FILE,
  openOrCreateIdentity,
  type Passphrase,
} from "../../keys/mod.ts";
import { toNodeId } from "../../types.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import {
  clusterFolder,
  configPath,
  DATA_DIR_DEFAULT,
  globalFlags,
  nodeFolder,
} from "../options.ts";
import { printFields, printJson, printTable } from "../output.ts";
import { askNewPassphrase, passphraseFor } from "../secrets/secret_input.ts";
import { dealIntoFolders, openIdentities, writePinnedConfig } from "../serve/node_folders.ts";

/** Adds `floe keygen`. */
export function registerKeygen(program: Program, context: CommandContext): void {
  program
    .command("keygen")
    .summary("make a node's identity, or the keys of a new cluster")
    .description(
      "With --id, --peer and --api: makes a node's identity in its data folder, in identity.json, " +
        "which only its owner can read, and prints its public card for floe init. An existing " +
        "identity is kept, and its card printed again. With --encrypt, or with a passphrase in the " +
        "file in FLOE_PASSPHRASE_FILE, secret files are encrypted.\n\n" +
        "With --dealer: deals every node's key share on this machine, into DIR/NODE/share.json, " +
        "with the public group.json beside it. If the configuration pins no keys, it also makes the " +
        "identities, and DIR/cluster.json with their public keys. Give each node its folder and " +
        "keep no copy: anyone with enough shares to sign can make any node leader.",
    )
    .option("--id <id>", "the node that gets an identity")
    .option("--peer <address>", "where it will listen for other nodes, host:port")
    .option("--api <address>", "where it will serve the HTTP API, host:port")
    .option(
      "--etcd <address>",
      "where it will serve etcd's clients over gRPC, host:port; default: nowhere",
    )
    .option("--encrypt", "ask for a passphrase that encrypts the secret files")
    .option("--dealer", "deal on this machine, which then knows the whole key")
    .option(
      "--data-dir <dir>",
      `the node's folder (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT}/ID); ` +
        `with --dealer, where the nodes' folders go (${DATA_DIR_DEFAULT})`,
    )
    .action(async (options: KeygenFlags, command: Program) => {
      if (options.dealer === true) await dealKeys(options, command, context);
      else await makeIdentity(options, context);
    });
}

interface KeygenFlags {
  readonly id?: string;
  readonly peer?: string;
  readonly api?: string;
  readonly etcd?: string;
  readonly encrypt?: true;
  readonly dealer?: true;
  readonly dataDir?: string;
}

async function makeIdentity(options: KeygenFlags, context: CommandContext): Promise<void> {
  const { id, peer, api, etcd } = options;
  if (id === undefined || peer === undefined || api === undefined) {
    throw new CommandError(
      ExitCode.usage,
      "Either --id, --peer and --api, for one node's identity, or --dealer, for a cluster's keys",
    );
  }
  const node = toNodeId(id);
  const addresses = {
    peer: readAddress("--peer", peer),
    api: readAddress("--api", api),
    ...(etcd === undefined ? {} : { etcd: readAddress("--etcd", etcd) }),
  };
  const dataDir = options.dataDir ?? context.env("FLOE_DATA_DIR") ??
    nodeFolder(DATA_DIR_DEFAULT, node);
  const isKept = hasIdentity(dataDir);
  using passphrase = await keygenPassphrase(options, [dataDir], context);
  const identity = openOrCreateIdentity({ dataDir, self: node, passphrase });
  printJson(context.stdout, toPeerCardJson(createPeerCard(identity, addresses)));
  context.stderr.write(
    `${isKept ? "Kept" : "Made"} ${dataDir}/${IDENTITY_FILE}: it is secret; do not share it. ` +
      "The card is public: give it to the operator who runs floe init.\n",
  );
}

/**
 * The passphrase for the new files: the one in FLOE_PASSPHRASE_FILE, else that of the folder's files, else
 * a new one with `--encrypt`.
 */
async function keygenPassphrase(
  { encrypt }: KeygenFlags,
  dataDirs: readonly string[],
  context: CommandContext,
): Promise<Passphrase | null> {
  const known = await passphraseFor(dataDirs, context);
  return known ?? (encrypt === true ? await askNewPassphrase(dataDirs.join(", "), context) : null);
}

function readAddress(flag: string, text: string): Address {
  try {
    return parseAddress(text);
  } catch (cause) {
    const reason = messageOf(cause);
    throw new CommandError(ExitCode.usage, `Cannot use ${flag}: ${reason}`, { cause });
  }
}

async function dealKeys(
  options: KeygenFlags,
  command: Program,
  context: CommandContext,
): Promise<void> {
  if ([options.id, options.peer, options.api, options.etcd].some((flag) => flag !== undefined)) {
    throw new CommandError(ExitCode.usage, "--dealer goes without --id, --peer, --api and --etcd");
  }
  const flags = globalFlags(command);
  const configFile = configPath(flags, context);
  const config = await loadClusterConfig(configFile);
  const folder = clusterFolder(options, context);
  const dataDirs = config.peers.map(({ id }) => nodeFolder(folder, id));
  using passphrase = await keygenPassphrase(options, dataDirs, context);
  const folders = { path: folder, passphrase };
  const { cluster, threshold, publicKey } = dealIntoFolders(config, folders);
  // When keys are pinned, the operators have the identities.
  const nodeConfigFile = isPinned(config)
    ? configFile
    : writePinnedConfig(openIdentities(config, folders), folder);
  const verifierKey = encodeVerifierKey(cluster, publicKey);
  const nodes = config.peers.map(({ id }) => ({ id, folder: nodeFolder(folder, id) }));
  if (flags.output === "json") {
    const key = { publicKey: encodeHex(publicKey), verifierKey };
    return printJson(context.stdout, {
      cluster,
      threshold,
      ...key,
      nodes,
      config: nodeConfigFile,
    });
  }
  printTable(context.stdout, ["NODE", "FOLDER"], nodes.map(({ id, folder }) => [id, folder]));
  context.stdout.write("\n");
  printFields(context.stdout, [
    ["group key", encodeHex(publicKey)],
    ["verifier key", verifierKey],
    ["must sign", `${threshold} of ${nodes.length}`],
    ["configuration", nodeConfigFile],
  ]);
}
