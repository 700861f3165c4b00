/**
 * `floe init`: makes a `cluster.json` from the cards of its nodes.
 *
 * @module
 */

import { Option } from "commander";
import {
  ClusterConfigError,
  fingerprintOf,
  formatAddress,
  formatClusterConfig,
  HISTORY_DEFAULTS,
  parseClusterConfig,
  PEERS_MAX,
  TIMING_PROFILES,
  type TimingConfig,
} from "../../config/mod.ts";
import { catching, InputError } from "../../errors.ts";
import { statFile, writeFileAtomically } from "../../keys/mod.ts";
import { marginsOf, marginWarnings } from "../../margins.ts";
import { LOG_LIMITS } from "../../raft/mod.ts";
import { type ClusterName, toClusterName } from "../../types.ts";
import { type NamedCard, readCards } from "../cards.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { globalFlags, newConfigPath, wholeNumberUpTo } from "../options.ts";
import {
  marginFields,
  printFields,
  printJson,
  printMarginWarnings,
  printTable,
} from "../output.ts";

/** Adds `floe init`. */
export function registerInit(program: Program, context: CommandContext): void {
  program
    .command("init")
    .summary("make a cluster.json from the nodes' cards")
    .description(
      "Checks the cards that floe keygen printed for each node, and writes the configuration of the " +
        "cluster: to --config, or ./cluster.json. Give every node the same file. The cards' order " +
        "is the nodes' order and cannot be changed later.",
    )
    .requiredOption("--cluster <name>", "the new cluster's name")
    .requiredOption(
      "--threshold <number>",
      "how many nodes must sign an election",
      wholeNumberUpTo(PEERS_MAX),
    )
    .addOption(
      new Option(
        "--profile <name>",
        "how far apart the nodes are: lan within one site, wan with answers that take up to 300 ms; " +
          "the timing options change parts of it",
      ).choices(["lan", "wan"]).default("lan"),
    )
    .option(
      "--heartbeat <ms>",
      "how often a leader shows that it is there: about the time of one answer between nodes",
      milliseconds,
    )
    .option(
      "--election-timeout <ms>",
      "how long a silent leader is trusted: ten heartbeats, as less ends leaders that are only slow, " +
        "and more waits longer for a new one",
      milliseconds,
    )
    .option(
      "--signing-timeout <ms>",
      "how long a voter may take to sign, before others are asked: at most half an election timeout",
      milliseconds,
    )
    .option("--force", "replace an existing configuration")
    .argument("<card...>", "files that hold one card or several; - for standard input")
    .action(async (names: readonly string[], options: InitFlags, command: Program) => {
      const flags = globalFlags(command);
      const path = newConfigPath(flags, context);
      checkReplaceable(path, options);
      const cards: NamedCard[] = [];
      for (const name of names) cards.push(...await readCards(name, context));
      const { cluster, threshold } = { ...options, cluster: toClusterName(options.cluster) };
      const text = formatConfig({ cluster, threshold, cards, timing: timingOf(options) });
      const fingerprint = fingerprintOf(parseClusterConfig(text));
      writeFileAtomically({ path, text, mode: 0o644 });
      const made = { cluster, threshold, cards, path, fingerprint };
      if (flags.output === "json") printJson(context.stdout, jsonOf(made));
      else printMade(made, context);
    });
}

/** A configuration that was written. */
interface Made {
  readonly cluster: ClusterName;
  readonly threshold: number;
  readonly cards: readonly NamedCard[];
  readonly path: string;
  readonly fingerprint: string;
}

function jsonOf({ cluster, threshold, cards, path, fingerprint }: Made): unknown {
  const quorum = { n: cards.length, threshold };
  const nodes = cards.map(({ card }) => card.id);
  const [margins, warnings] = [marginsOf(quorum), marginWarnings(quorum)];
  return { cluster, threshold, nodes, config: path, fingerprint, margins, warnings };
}

function printMade(
  { cluster, threshold, cards, path, fingerprint }: Made,
  context: CommandContext,
): void {
  const quorum = { n: cards.length, threshold };
  const rows = cards.map(({ card: { id, peer, api, etcd } }) =>
    [
      id,
      formatAddress(peer),
      formatAddress(api),
      etcd === undefined ? "-" : formatAddress(etcd),
    ] as const
  );
  printTable(context.stdout, ["NODE", "PEER", "API", "ETCD"], rows);
  context.stdout.write("\n");
  printFields(context.stdout, [
    ["cluster", cluster],
    ["must sign", `${threshold} of ${cards.length}`],
    ...marginFields(quorum),
    ["configuration", path],
    ["fingerprint", fingerprint],
  ]);
  printMarginWarnings(context.stderr, quorum);
}

interface InitFlags {
  readonly cluster: string;
  readonly threshold: number;
  readonly force?: true;
  readonly profile: "lan" | "wan";
  readonly heartbeat?: number;
  readonly electionTimeout?: number;
  readonly signingTimeout?: number;
}

/** Most milliseconds of a timing option. The configuration's own limits are narrower. */
const TIMING_MS_MAX = 1_000_000;
const milliseconds = wholeNumberUpTo(TIMING_MS_MAX);

function timingOf(options: InitFlags): TimingConfig {
  const profile = TIMING_PROFILES[options.profile];
  return {
    heartbeatMs: options.heartbeat ?? profile.heartbeatMs,
    electionTimeoutMs: options.electionTimeout ?? profile.electionTimeoutMs,
    signingTimeoutMs: options.signingTimeout ?? profile.signingTimeoutMs,
  };
}

function checkReplaceable(path: string, { force }: InitFlags): void {
  if (force === true || statFile(path) === null) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot write ${path}: the file exists, and a cluster may run with it. ` +
      "--force replaces it; --config names another file.",
  );
}

/** The configuration's text, checked as a node checks it. */
function formatConfig(
  { cluster, threshold, cards, timing }: Pick<Made, "cluster" | "threshold" | "cards"> & {
    readonly timing: TimingConfig;
  },
): string {
  const peers = cards.map(({ card: { signature: _, ...peer } }) => peer);
  const text = formatClusterConfig({
    cluster,
    threshold,
    peers,
    timing,
    log: LOG_LIMITS,
    history: HISTORY_DEFAULTS,
  });
  catching(ClusterConfigError, () => parseClusterConfig(text), (error) => {
    // The file does not exist yet, so the message has the cards' names instead of places in it.
    const lines = error.faults.map(({ path, message }) => `  ${path}: ${message}`);
    const cause = lines.join("\n").replaceAll(
      /peers\[([0-9]+)\]/g,
      (place, index) => cards[Number(index)]?.name ?? place,
    );
    throw new InputError(`Cannot make a cluster of these cards:\n${cause}`, { cause: error });
  });
  return text;
}
