/**
 * `floe join`: makes a new node, waits until an operator adds it to a cluster, and runs it.
 *
 * @module
 */

import { equalBytes } from "../../bytes.ts";
import { CertificateError, type GroupKey, parseGenesisStatement } from "../../certificate/mod.ts";
import { ClientError, MembersClient } from "../../client/mod.ts";
import {
  type Address,
  createPeerCard,
  findPeer,
  formatClusterConfig,
  loadClusterConfig,
  parseAddress,
  parseClusterConfig,
  requirePinned,
  toPeerCardJson,
} from "../../config/mod.ts";
import { catching, InputError, messageOf } from "../../errors.ts";
import {
  hasIdentity,
  hasShare,
  IDENTITY_FILE,
  type KeyFolder,
  lockDataFolder,
  type NodeIdentity,
  openOrCreateIdentity,
  type Passphrase,
  writeFileAtomically,
} from "../../keys/mod.ts";
import {
  toVerifiedConfig,
  type VerifiedCluster,
  verifyCluster,
  writeJoiner,
} from "../../node/mod.ts";
import { toNodeId } from "../../types.ts";
import type { MembersChainBody } from "../../wire/mod.ts";
import { readGroupKey } from "../audit/notes.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { printable, printJson } from "../output.ts";
import { askNewPassphrase, passphraseFor } from "../secrets/secret_input.ts";
import { readLogSettings } from "../serve/logging.ts";
import { addServeOptions, nodeFolderOf, type ServeFlags, serveNode } from "../serve/serve_node.ts";
import { openClient } from "../session.ts";

/** How often a waiting node checks whether it is a member. */
const LOOK_PAUSE_MS = 500;

/** Adds `floe join`. */
export function registerJoin(program: Program, context: CommandContext): void {
  const join = program
    .command("join")
    .summary("make a new node, wait until it is added to a cluster, and run it")
    .description(
      "Makes the identity of a new node in its data folder and prints its card. Give the card to an " +
        "operator of the cluster, for floe member add or floe member replace. The command waits until " +
        "the node is a member, verifies everything that it hears under the group key in --key, " +
        "and runs the node. Get the key from the cluster's operators, not from the nodes in --from. " +
        "After an interruption, give the same command again. Once the node has joined, floe node " +
        "runs it, with the cluster.json in its data folder. Timing and log limits are the cluster's: " +
        "all nodes in --from that answer must have the same.",
    )
    .requiredOption(
      "--key <key>",
      "the group key: 64 hex digits, a verifier key, PEM, or a file with one of them",
    )
    .requiredOption("--from <list>", "API addresses of nodes of the cluster, host:port,...")
    .requiredOption("--id <id>", "the new node's id, which no member of the cluster ever had")
    .requiredOption("--peer <address>", "where it will listen for other nodes, host:port")
    .requiredOption("--api <address>", "where it will serve the HTTP API, host:port")
    .option(
      "--etcd <address>",
      "where it will serve etcd's clients over gRPC, host:port; default: nowhere",
    )
    .option("--encrypt", "ask for a passphrase that encrypts the secret files");
  addServeOptions(join);
  join.action(async (options: JoinFlags, command: Program) => {
    const log = readLogSettings(options, context);
    const key = await readGroupKey(options.key, context);
    const self = toNodeId(options.id);
    const addresses = readAddresses(options);
    const dataDir = nodeFolderOf(self, options, context);
    using _lock = lockDataFolder(dataDir);
    using passphrase = await joinPassphrase(options, dataDir, context);
    const folder = { dataDir, self, passphrase };
    const identity = openIdentity(folder, { addresses, context });
    if (!hasShare(dataDir)) {
      await joinCluster({ key, folder, identity, options }, { command, context });
    }
    const file = configFileOf(dataDir);
    const config = requirePinned(await loadClusterConfig(file), file);
    const peer = findPeer(config, self);
    await serveNode({ config, peer, dataDir, passphrase, options, log }, { command, context });
  });
}

interface JoinFlags extends ServeFlags {
  readonly key: string;
  readonly from: string;
  readonly id: string;
  readonly peer: string;
  readonly api: string;
  readonly etcd?: string;
  readonly encrypt?: true;
}

/** A node that joins, and the key that it trusts. */
interface Joiner {
  readonly key: GroupKey;
  readonly folder: KeyFolder;
  readonly identity: NodeIdentity;
  readonly options: JoinFlags;
}

/** The surroundings of the command. */
interface Place {
  readonly command: Program;
  readonly context: CommandContext;
}

function configFileOf(dataDir: string): string {
  return `${dataDir}/cluster.json`;
}

async function joinPassphrase(
  { encrypt }: JoinFlags,
  dataDir: string,
  context: CommandContext,
): Promise<Passphrase | null> {
  const known = await passphraseFor([dataDir], context);
  return known ?? (encrypt === true ? await askNewPassphrase(dataDir, context) : null);
}

/** The identity, whose card is printed each time: an operator may have lost it. */
function openIdentity(
  folder: KeyFolder,
  { addresses, context: { stdout, stderr } }: {
    readonly addresses: NodeAddresses;
    readonly context: CommandContext;
  },
): NodeIdentity {
  const { dataDir } = folder;
  const isKept = hasIdentity(dataDir);
  const identity = openOrCreateIdentity(folder);
  if (hasShare(dataDir)) return identity;
  printJson(stdout, toPeerCardJson(createPeerCard(identity, addresses)));
  stderr.write(
    `${isKept ? "Kept" : "Made"} ${dataDir}/${IDENTITY_FILE}: it is secret; do not share it.\n` +
      "Give the card to an operator of the cluster: floe member add CARD, or, in a member's\n" +
      "place, floe member replace ID CARD.\n",
  );
  return identity;
}

/** Waits until the node is a member, and writes what it needs to run as one. */
async function joinCluster(joiner: Joiner, place: Place): Promise<void> {
  const { folder: { dataDir, self }, folder } = joiner;
  const { context: { stderr } } = place;
  const { verified, settings } = await waitForMembership(joiner, place);
  const { sequence, cluster, members } = verified.membership;
  const { peers, ...config } = toVerifiedConfig(verified, settings);
  const { etcd } = readAddresses(joiner.options);
  const own = etcd === undefined ? {} : { etcd };
  const text = formatClusterConfig({
    ...config,
    peers: peers.map((peer) => peer.id === self ? { ...peer, ...own } : peer),
  });
  const file = configFileOf(dataDir);
  parseClusterConfig(text, file);
  // Written before the keys, because a folder with keys counts as one that has joined.
  writeFileAtomically({ path: file, text, mode: 0o644 });
  writeJoiner(folder, verified);
  const role = members.find(({ id }) => id === self)?.role ?? "member";
  stderr.write(
    `${self} is a ${role} of ${cluster}, by membership ${sequence}, verified under the group key.\n` +
      `From now on it is run by: floe node --id ${self} --config ${file}` +
      `${joiner.options.dataDir === undefined ? "" : ` --data-dir ${dataDir}`}\n`,
  );
}

type Settings = MembersChainBody["settings"];

/**
 * The times and limits of the cluster. They are not signed, so all nodes that answer must have the same ones: a
 * node with other times disturbs the elections.
 */
async function readSettings(members: MembersClient, own: Settings): Promise<Settings> {
  for (const { label, chain: { settings } } of await members.chains()) {
    if (JSON.stringify(settings) === JSON.stringify(own)) continue;
    throw new CommandError(
      ExitCode.preconditionFailed,
      `Cannot join: the nodes in --from have different settings. ${label} has ` +
        `${printable(JSON.stringify(settings))}, another has ${
          printable(JSON.stringify(own))
        }. Give ` +
        "all nodes the same timing, log and history in cluster.json, restart those that had others, and join then.",
    );
  }
  return own;
}

/** Reads the chain until it has this node. A chain that does not verify ends the command. */
async function waitForMembership(
  joiner: Joiner,
  { command, context }: Place,
): Promise<{ readonly verified: VerifiedCluster; readonly settings: Settings }> {
  const named = { list: joiner.options.from, source: "--from" };
  const { client } = await openClient(command, context, named);
  const members = new MembersClient(client);
  const stop = context.stopSignal();
  let said = "";
  const say = (line: string) => {
    if (line !== said) context.stderr.write(`${line}\n`);
    said = line;
  };
  while (!stop.aborted) {
    const chain = await readChain(members, say);
    const verified = chain === null ? null : checkChain(chain, joiner);
    if (verified !== null && chain !== null) {
      return { verified, settings: await readSettings(members, chain.settings) };
    }
    if (chain !== null) say(`Waits until an operator adds ${joiner.folder.self}.`);
    await client.clock.delay(LOOK_PAUSE_MS);
  }
  throw new CommandError(
    ExitCode.failure,
    `Interrupted before ${joiner.folder.self} was added. The same command goes on.`,
  );
}

/** Null while no node answers, because the cluster may come back. */
async function readChain(
  members: MembersClient,
  say: (line: string) => void,
): Promise<MembersChainBody | null> {
  try {
    return await members.chain();
  } catch (error) {
    if (!(error instanceof ClientError) || error.kind !== "unavailable") throw error;
    say(`${printable(error.message, { keepNewlines: true })}\nGoes on asking.`);
    return null;
  }
}

/** The cluster, once this node is a member of it; null before. */
function checkChain(
  chain: MembersChainBody,
  { key, folder, identity }: Joiner,
): VerifiedCluster | null {
  return catching(InputError, () => {
    if (chain.memberships.length === 0) return checkKey(chain, key);
    const verified = verifyCluster(chain, key);
    const { members, formerIds } = verified.membership;
    if (formerIds.has(folder.self)) throw removed(folder.self);
    if (members.every(({ id }) => id !== folder.self)) return null;
    checkOwnKeys(verified, identity);
    return verified;
  }, (cause) => {
    if (cause instanceof CertificateError) throw cause;
    throw new CommandError(ExitCode.verificationFailed, cause.message, { cause });
  });
}

/** Before the first membership the node trusts nothing, but it reports a wrong key at once. */
function checkKey({ founding }: MembersChainBody, { publicKey }: GroupKey): null {
  const { cluster, publicKey: theirs } = parseGenesisStatement(founding);
  if (equalBytes(publicKey, theirs)) return null;
  throw new CommandError(
    ExitCode.verificationFailed,
    `Cannot join ${cluster}: its group key is another than --key. Compare the key with the cluster's ` +
      "operators, and the addresses in --from.",
  );
}

function removed(self: string): CommandError {
  return new CommandError(
    ExitCode.usage,
    `Cannot join as ${self}: a member of that id was removed, and an id is never used again. Join under ` +
      "another --id, with another data folder.",
  );
}

function checkOwnKeys({ membership }: VerifiedCluster, { node, keys }: NodeIdentity): void {
  const line = membership.members.find(({ id }) => id === node);
  const isOwn = line?.channelKey !== undefined &&
    equalBytes(line.identityKey, keys.signingKey) && equalBytes(line.channelKey, keys.channelKey);
  if (isOwn) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot join as ${node}: the members know that id by other keys than those of this node's ` +
      "identity. Join under another --id; or, if the id is this node's, give the members the card above: " +
      `floe member update ${node} --card CARD.`,
  );
}

/**
 * The addresses of the new node. The memberships have no addresses for etcd's clients; the node's own file has its
 * own.
 */
interface NodeAddresses {
  readonly peer: Address;
  readonly api: Address;
  readonly etcd?: Address;
}

function readAddresses({ peer, api, etcd }: JoinFlags): NodeAddresses {
  return {
    peer: readAddress("--peer", peer),
    api: readAddress("--api", api),
    ...(etcd === undefined ? {} : { etcd: readAddress("--etcd", etcd) }),
  };
}

function readAddress(flag: string, text: string): Address {
  try {
    return parseAddress(text);
  } catch (cause) {
    const message = `Cannot use ${flag}: ${messageOf(cause)}`;
    throw new CommandError(ExitCode.usage, message, { cause });
  }
}
