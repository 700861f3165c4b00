/**
 * `floe cluster`: a whole cluster on this machine, one process for each node.
 *
 * @module
 */

import { PORT_MAX } from "../../address.ts";
import {
  type ClusterConfig,
  formatAddress,
  generateLocalCluster,
  isPinned,
  loadClusterConfig,
  PEERS_MAX,
  type PinnedClusterConfig,
} from "../../config/mod.ts";
import { ApiClient, type Endpoint, systemClock } from "../../client/mod.ts";
import type { KnownKey } from "../../keys/mod.ts";
import type { NodeId } from "../../types.ts";
import { statFile } from "../../keys/mod.ts";
import type { CommandContext, Program, Terminal } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { DemoServer } from "../local_cluster/demo_server.ts";
import { Forger } from "../local_cluster/forger.ts";
import { LiveScreen } from "../local_cluster/live.ts";
import { LocalCluster, type LocalNode } from "../local_cluster/local_cluster.ts";
import { findJoined, Newcomers } from "../local_cluster/newcomers.ts";
import { isOneTimeDeno, npxGone, programName, selfCommand } from "../local_cluster/node_process.ts";
import {
  checkPorts,
  deleteNodeFolders,
  lockFolder,
  prepareKeys,
  readRemoved,
} from "../local_cluster/prepare.ts";
import {
  type ClusterEvent,
  describeDropped,
  reportToPeople,
  reportToPrograms,
  toEventLine,
} from "../local_cluster/reporter.ts";
import {
  clusterFolder,
  configPath,
  DATA_DIR_DEFAULT,
  globalFlags,
  lacksConfig,
  wholeNumberUpTo,
} from "../options.ts";
import { printable } from "../output.ts";
import { OutputQueue } from "../output_queue.ts";
import { aborted } from "../process_context.ts";
import { passphraseFromFile } from "../secrets/secret_input.ts";
import { readLogSettings } from "../serve/logging.ts";
import {
  type NodeFolders,
  openIdentities,
  pinnedConfigPath,
  writePinnedConfig,
} from "../serve/node_folders.ts";

/** Adds `floe cluster`. */
export function registerCluster(program: Program, context: CommandContext): void {
  program
    .command("cluster")
    .summary("run a whole cluster on this machine")
    .description(
      "Starts every node of the configuration as a process of its own, with an identity made here " +
        "if it has none. The nodes make their key together. The command shows the leader and verifies " +
        "its certificate: on a terminal as a live screen with keys to kill, pause and heal nodes (? " +
        "lists them), elsewhere line by line. Without a configuration it makes one, of " +
        `${NODES_DEFAULT} nodes. Data is kept between runs.`,
    )
    .option(
      "--nodes <number>",
      `make a configuration with this many nodes, at most ${PEERS_MAX}`,
      wholeNumberUpTo(PEERS_MAX),
    )
    .option(
      "--threshold <number>",
      "with --nodes: how many must sign",
      wholeNumberUpTo(PEERS_MAX),
    )
    .option(
      "--base-port <port>",
      "with --nodes: where the ports begin (7100)",
      wholeNumberUpTo(PORT_MAX),
    )
    .option("--data-dir <dir>", `where the nodes' folders are (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT})`)
    .option("--dealer", "deal the key on this machine, which then knows the whole key")
    .option("--fresh", "delete the nodes' data and keys first, but no identity with a pinned key")
    .option(
      "--for <seconds>",
      "stop after this time; exit code 5 if there was no leader",
      parseSeconds,
    )
    .option("--no-screen", "print lines also where there is a terminal to draw on")
    .option("--log-level <level>", "the nodes': debug, info, warn or error (FLOE_LOG_LEVEL, info)")
    .option("--log-format <format>", "the nodes': text or json (FLOE_LOG_FORMAT, text)")
    .action(async (options: ClusterFlags, command: Program) => {
      // Checked here, because wrong settings would end every node.
      readLogSettings(options, context);
      const stop = await stopSignal(options, context);
      const folder = clusterFolder(options, context);
      using _lock = lockFolder(folder);
      const asked = await openConfig({ options, folder, command }, context);
      checkPorts(asked.config);
      if (options.fresh === true) {
        deleteNodeFolders(folder, { keepIdentities: isPinned(asked.config) });
      }
      const removed = readRemoved(folder);
      const { config, configFile } = removed.size === 0 ? asked : await openFounders(asked, folder);
      // The nodes have no terminal for a question, so they read the file, too.
      using passphrase = passphraseFromFile(context);
      const folders = { path: folder, passphrase };
      const key = prepareKeys(config, { folders, dealer: options.dealer === true, removed });
      const pinned = openIdentities(config, folders, removed);
      const nodeConfigFile = isPinned(config) ? configFile : writePinnedConfig(pinned, folder);
      const joined = await findJoined(folder, pinned, removed);
      const files = { configFile, nodeConfigFile, folder, folders };
      const known = { ...files, joined, removed, key };
      await runCluster({ config: pinned, ...known, options, stop, command }, context);
    });
}

/** How many nodes a cluster without a configuration gets. */
const NODES_DEFAULT = 5;

/** Eleven days. A timer of Deno's cannot be much longer. */
const parseSeconds = wholeNumberUpTo(999_999);

interface ClusterFlags {
  readonly nodes?: number;
  readonly threshold?: number;
  readonly basePort?: number;
  readonly dataDir?: string;
  readonly dealer?: true;
  readonly fresh?: true;
  readonly for?: number;
  /** False with `--no-screen`. */
  readonly screen: boolean;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

interface ClusterRun {
  readonly config: PinnedClusterConfig;
  /** The configuration for clients. */
  readonly configFile: string;
  /** The configuration for nodes: the same, with keys. */
  readonly nodeConfigFile: string;
  readonly folder: string;
  /** The same folder, with the passphrase of its secret files. */
  readonly folders: NodeFolders;
  /** The nodes that joined in an earlier run. */
  readonly joined: readonly LocalNode[];
  /** The nodes that are members no more. */
  readonly removed: ReadonlySet<NodeId>;
  /** The group's key; null if the nodes make it. */
  readonly key: KnownKey | null;
  readonly options: ClusterFlags;
  readonly stop: AbortSignal;
  readonly command: Program;
}

/** Runs the nodes until `stop` aborts or none is left. */
async function runCluster(run: ClusterRun, context: CommandContext): Promise<void> {
  const { openTerminal } = context;
  const wantsScreen = run.options.screen && globalFlags(run.command).output !== "json";
  if (openTerminal === undefined || !wantsScreen) return await runInLines(run, context);
  await runLive(run, context, openTerminal);
}

/** With a screen, the nodes can be killed and started again, so only the user ends the cluster. */
async function runLive(
  run: ClusterRun,
  context: CommandContext,
  openTerminal: () => Terminal,
): Promise<void> {
  const clientOf = clientsOf(context);
  const { config } = run;
  let cluster: LocalCluster;
  let screen: LiveScreen;
  await using demo = openDemo(run, context, {
    cluster: () => cluster,
    onEnd: (words) => screen.tell(words),
  });
  {
    using terminal = openTerminal();
    const pageOf = (publicKey: string) => demo.address(publicKey);
    screen = new LiveScreen({
      config,
      removed: run.removed,
      terminal,
      clientOf,
      pageOf,
      cluster: () => cluster,
    });
    cluster = startCluster(run, context, (event) => screen.take(event));
    try {
      await Promise.race([screen.run(run.stop), cluster.failed()]);
    } finally {
      await cluster.stop();
    }
  }
  context.stderr.write(`All nodes are stopped. Their data is kept in ${run.folder}.\n`);
}

async function runInLines(run: ClusterRun, context: CommandContext): Promise<void> {
  const output = queueOutput(run, context);
  await using demo = openDemo(run, context, {
    cluster: () => cluster,
    onEnd: (words) => output.context.stderr.write(`${printable(words)}\n`),
  });
  const pageOf = (publicKey: string) => demo.address(publicKey);
  const report = reporter(run, output.context, {
    nodes: () => cluster.nodes,
    states: () => cluster.states,
    pageOf,
  });
  const cluster = startCluster(run, context, report);
  const stopped = aborted(run.stop);
  try {
    await Promise.race([stopped, cluster.ended()]);
  } finally {
    await cluster.stop();
    await output.close();
  }
  if (!run.stop.aborted) {
    throw new CommandError(
      ExitCode.failure,
      `Every node has ended. Their logs are in ${run.folder}.`,
    );
  }
  if (run.options.for !== undefined && !cluster.hasElected) {
    const why = cluster.group !== null ? "" : ": the nodes have not made their key";
    throw new CommandError(
      ExitCode.unavailable,
      `No leader within ${run.options.for} seconds${why}. Their logs are in ${run.folder}.`,
    );
  }
}

/** The page with buttons. */
function openDemo(
  { config, folders, stop }: ClusterRun,
  context: CommandContext,
  { cluster, onEnd }: {
    readonly cluster: () => LocalCluster;
    readonly onEnd: (words: string) => void;
  },
): DemoServer {
  const clientOf = clientsOf(context);
  const client = () => clientOf(cluster().nodes, DEMO_TIMEOUT_MS);
  const newcomers = new Newcomers({ folder: folders.path, cluster, client, stop, onEnd });
  const oneOf = (node: LocalNode) => clientOf([node], DEMO_TIMEOUT_MS);
  const forger = new Forger({ config, folders, cluster, clientOf: oneOf });
  return new DemoServer({ cluster, newcomers, forger, fetch: context.openFetch() });
}

/** Makes clients of nodes on this machine. */
function clientsOf(
  context: CommandContext,
): (nodes: readonly LocalNode[], timeoutMs: number) => ApiClient {
  const fetch = context.openFetch();
  return (nodes, timeoutMs) => {
    const endpoints = nodes.map(({ id, api }): Endpoint => {
      const label = formatAddress(api);
      return { url: `http://${label}`, label, id };
    });
    return new ApiClient({ endpoints, fetch, clock: systemClock, timeoutMs });
  };
}

/** How long the demo waits for an answer of the nodes. */
const DEMO_TIMEOUT_MS = 5_000;

function startCluster(
  run: ClusterRun,
  context: CommandContext,
  onEvent: (event: ClusterEvent) => void,
): LocalCluster {
  return new LocalCluster({
    ...run,
    configFile: run.nodeConfigFile,
    self: selfCommand(context),
    logFlags: logFlags(run.options),
    onEvent,
  }, performance.now());
}

/** The context with output that never blocks or ends the cluster. */
function queueOutput(
  { command }: ClusterRun,
  context: CommandContext,
): { readonly context: CommandContext; readonly close: () => Promise<void> } {
  const isJson = globalFlags(command).output === "json";
  const describe = (count: number) =>
    isJson ? toEventLine({ event: "dropped", count }) : `${describeDropped(count)}\n`;
  const stdout = new OutputQueue(context.stdout, describe);
  const stderr = new OutputQueue(context.stderr, (count) => `${describeDropped(count)}\n`);
  return {
    context: { ...context, stdout, stderr },
    close: async () => void await Promise.all([stdout.drain(), stderr.drain()]),
  };
}

interface OpenedConfig {
  readonly config: ClusterConfig;
  readonly configFile: string;
}

/** The configuration, with or without keys, and its file, which may not exist yet. */
async function openConfig(
  { options, folder, command }: Pick<ClusterRun, "options" | "folder" | "command">,
  context: CommandContext,
): Promise<OpenedConfig> {
  const flags = globalFlags(command);
  const { threshold, basePort } = options;
  const earlier = pinnedConfigPath(folder);
  if (lacksConfig(flags, context) && wantsEarlier(options) && statFile(earlier) !== null) {
    return { config: await loadClusterConfig(earlier), configFile: earlier };
  }
  const nodes = options.nodes ?? (lacksConfig(flags, context) ? NODES_DEFAULT : undefined);
  if (nodes === undefined) {
    if (threshold !== undefined || basePort !== undefined) {
      throw new CommandError(ExitCode.usage, "--threshold and --base-port go with --nodes");
    }
    const configFile = configPath(flags, context);
    return { config: await loadClusterConfig(configFile), configFile };
  }
  if (options.nodes !== undefined && flags.config !== undefined) {
    throw new CommandError(ExitCode.usage, "--config and --nodes exclude each other");
  }
  const config = generateLocalCluster({
    nodes,
    ...(threshold === undefined ? {} : { threshold }),
    ...(basePort === undefined ? {} : { basePort }),
  });
  return { config, configFile: `${folder}/cluster.json` };
}

/** Whether the cluster that the folder has goes on as it is, with the ports that its nodes have. */
function wantsEarlier({ nodes, threshold, basePort, fresh }: ClusterFlags): boolean {
  return fresh !== true && [nodes, threshold, basePort].every((flag) => flag === undefined);
}

/**
 * The founders with their keys, as the folder has them: where nodes were removed, the folder may lack identities,
 * and new ones would make another cluster.
 */
async function openFounders(asked: OpenedConfig, folder: string): Promise<OpenedConfig> {
  if (isPinned(asked.config)) return asked;
  return { ...asked, config: await loadClusterConfig(pinnedConfigPath(folder)) };
}

function reporter(
  { config, configFile, nodeConfigFile, folder, command }: ClusterRun,
  context: CommandContext,
  shown: {
    readonly nodes: () => LocalCluster["nodes"];
    readonly states: () => LocalCluster["states"];
    readonly pageOf: (publicKey: string) => string;
  },
): (event: ClusterEvent) => void {
  if (globalFlags(command).output === "json") return reportToPrograms(context);
  const isFound = configPath({}, context) === configFile;
  return reportToPeople({
    config,
    configFile: isFound ? null : configFile,
    nodeConfigFile,
    folder,
    program: programName(context),
    ...shown,
  }, context);
}

function logFlags({ logLevel, logFormat }: ClusterFlags): string[] {
  return [
    ...(logLevel === undefined ? [] : ["--log-level", logLevel]),
    ...(logFormat === undefined ? [] : ["--log-format", logFormat]),
  ];
}

/** Aborts at SIGINT and SIGTERM, when the time is over, and when npx has ended. */
async function stopSignal(options: ClusterFlags, context: CommandContext): Promise<AbortSignal> {
  const signals = [context.stopSignal()];
  if (isOneTimeDeno()) signals.push(await npxGone());
  if (options.for !== undefined) signals.push(AbortSignal.timeout(options.for * 1000));
  return AbortSignal.any(signals);
}
