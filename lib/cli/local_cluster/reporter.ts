/**
 * Reports a local cluster's events, as text or as JSON.
 *
 * @module
 */

import { type ClusterConfig, formatAddress } from "../../config/mod.ts";
import type { Quorum } from "../../margins.ts";
import type { NodeId } from "../../types.ts";
import type { CommandContext } from "../command.ts";
import {
  describeMargins,
  printable,
  printFields,
  printMarginWarnings,
  printTable,
} from "../output.ts";
import type { LocalNode, NodeState } from "./local_cluster.ts";
import { LOG_FILE } from "./node_process.ts";

/** The values for the commands that a report suggests. */
interface ReportOptions {
  /** The nodes. */
  readonly config: ClusterConfig;
  /** The configuration for clients; null if they find it by themselves. */
  readonly configFile: string | null;
  /** The configuration for nodes. */
  readonly nodeConfigFile: string;
  /** The folder of all nodes' folders. */
  readonly folder: string;
  /** The command line of Floe. */
  readonly program: string;
  /** The nodes of the cluster, running or not. */
  readonly nodes: () => readonly LocalNode[];
  /** Every node's last announced state. */
  readonly states: () => ReadonlyMap<NodeId, NodeState>;
  /** The page's address, for a cluster with this key. */
  readonly pageOf: (publicKey: string) => string;
}

type Of<Name extends ClusterEvent["event"]> = Extract<ClusterEvent, { readonly event: Name }>;

/** One JSON object a line. */
export function reportToPrograms(context: CommandContext): (event: ClusterEvent) => void {
  return (event) => context.stdout.write(toEventLine(event));
}

/** An event as a line of JSON. */
export function toEventLine(event: ClusterEvent): string {
  return JSON.stringify(event) + "\n";
}

/** Prints a table once the cluster is ready, then a line for each event. */
export function reportToPeople(
  options: ReportOptions,
  context: CommandContext,
): (event: ClusterEvent) => void {
  const pids = new Map<string, number>();
  let group: Of<"group"> | null = null;
  let leader: Of<"leader"> | null = null;
  let isReady = false;
  const tell = (line: string) => context.stderr.write(printable(line) + "\n");
  return (event) => {
    switch (event.event) {
      case "starting":
        tell(`Starting ${event.nodes} nodes of ${event.cluster} ...`);
        return printMarginWarnings(context.stderr, quorumOf(options.config));
      case "group":
        group = event;
        return event.ms === null ? undefined : tell(describeKey(event, options));
      case "node":
        return void pids.set(event.id, event.pid);
      case "leader":
        leader = event;
        return isReady ? tell(describeLeader(event)) : undefined;
      case "ready":
        isReady = true;
        if (group !== null && leader !== null) {
          printOverview({ ...options, group, leader, pids }, context);
        }
        return;
      case "exit":
        return describeExit(event, { ...options, hasKey: group !== null }).forEach(tell);
      case "removed":
        return tell(describeRemoved(event));
      case "logFailed":
        return tell(
          `Cannot write ${event.path}: ${event.reason}. ${event.id} goes on, and its log is lost ` +
            "until this works again.",
        );
      case "dropped":
        return tell(describeDropped(event.count));
      case "stopped":
        return tell(`All nodes are stopped. Their data is kept in ${options.folder}.`);
      default:
        return event satisfies never;
    }
  };
}

/** The line that replaces lines that could not be written. */
export function describeDropped(count: number): string {
  return `(${count} lines were lost here: they could not be written)`;
}

function describeRemoved({ id }: Of<"removed">): string {
  return `${id} was removed from the cluster. It is not started again, and its folder can be deleted.`;
}

function describeKey({ ms }: Of<"group">, { config }: ReportOptions): string {
  return `All ${config.peers.length} nodes have made the cluster's key together, ${ms} ms after the start`;
}

function describeLeader({ id, term, ms }: Of<"leader">): string {
  return `${id} leads term ${term}, certificate valid, ${ms} ms after its predecessor was lost`;
}

function describeExit(
  { id, pid, code, signal, log }: Of<"exit">,
  { config, nodeConfigFile, folder, program, states, hasKey }: ReportOptions & {
    readonly hasKey: boolean;
  },
): string[] {
  const how = signal === null ? `exit code ${code}` : signal;
  const left = [...states().values()].filter((state) => state !== "down").length;
  const { threshold, peers } = config;
  const consequence = !hasKey
    ? `The cluster has no key yet, which takes all ${peers.length} nodes: the others wait for it.`
    : left >= threshold
    ? "The others go on."
    : `${left} of ${peers.length} are left and ${threshold} must sign: no node can lead.`;
  return [
    `${id} (pid ${pid}) has ended: ${how}. ${consequence} The end of ${folder}/${id}/${LOG_FILE}:`,
    ...log.map((line) => `  ${line}`),
    `Start it again: ${program} node --id ${id} --config ${nodeConfigFile} --data-dir ${folder}/${id}`,
  ];
}

interface Overview extends ReportOptions {
  readonly group: Of<"group">;
  readonly leader: Of<"leader">;
  readonly pids: ReadonlyMap<string, number>;
}

function printOverview(overview: Overview, { stdout }: CommandContext): void {
  const { config, folder, group, leader, pids } = overview;
  const states = overview.states();
  const client = clientProgram(overview);
  const nodes = overview.nodes();
  const hasEtcd = nodes.some(({ etcd }) => etcd !== undefined);
  const rows = nodes.map(({ id, api, etcd }) => [
    id,
    states.get(id) ?? null,
    `http://${formatAddress(api)}`,
    ...(hasEtcd ? [etcd === undefined ? null : formatAddress(etcd)] : []),
    pids.get(id) ?? null,
  ]);
  printTable(stdout, ["NODE", "ROLE", "API", ...(hasEtcd ? ["ETCD"] : []), "PID"], rows);
  stdout.write("\n");
  printFields(stdout, [
    ["group key", group.publicKey],
    ["genesis", describeGenesis(group, config)],
    ["leader", `${leader.id}, term ${leader.term}`],
    ["certificate", `valid, ${leader.ms} ms after the start`],
    ["tolerates", describeMargins(quorumOf(config))],
    ["page", overview.pageOf(group.publicKey)],
    ["data, logs", `${folder}/<node>, ${folder}/<node>/${LOG_FILE}`],
  ]);
  stdout.write(`
The certificate, signed by ${group.threshold} of ${config.peers.length} voters together:

${leader.note.trimEnd().replaceAll(/^(?=.)/gm, "  ")}

Try, in another terminal:
  ${client} put greeting hello
  ${client} get greeting
  ${client} leader --cert > leader.note
  ${overview.program} verify leader.note --key ${group.verifierKey}

Stop with Ctrl-C.
`);
}

function describeGenesis({ genesis }: Of<"group">, { peers }: ClusterConfig): string {
  if (genesis !== null) return `signed by all ${peers.length} nodes, who made the key together`;
  return peers.length === 1
    ? "none: the one node has the whole key"
    : "none: a dealer made the key";
}

function quorumOf({ threshold, peers }: ClusterConfig): Quorum {
  return { n: peers.length, threshold };
}

/** The command line of Floe for a client command, with the option that finds the nodes. */
function clientProgram({ program, configFile }: ReportOptions): string {
  return configFile === null ? program : `${program} --config ${configFile}`;
}

/** One event. With `-o json`, exactly these objects are printed, one on each line. */
export type ClusterEvent =
  /** The first event: the nodes will be started. */
  | { readonly event: "starting"; readonly cluster: string; readonly nodes: number }
  /** The cluster's key: at the start, or when the nodes have made it. */
  | {
    readonly event: "group";
    readonly cluster: string;
    readonly threshold: number;
    readonly publicKey: string;
    readonly verifierKey: string;
    /** The genesis certificate; null if a dealer made the key. */
    readonly genesis: string | null;
    /**
     * The time from the start until the nodes had made it. The certificate was verified against their
     * signing keys. Null when the key existed before.
     */
    readonly ms: number | null;
  }
  /** A node's process was started. */
  | {
    readonly event: "node";
    readonly id: string;
    readonly api: string;
    /** The address for etcd's clients, or null. */
    readonly etcd: string | null;
    readonly pid: number;
  }
  /**
   * A leader, whose certificate was verified against the group key. `ms` is the time since the last leader
   * was lost; for the first leader, since the start.
   */
  | {
    readonly event: "leader";
    readonly id: string;
    readonly term: number;
    readonly certificate: "valid";
    readonly ms: number;
    /** The certificate itself. */
    readonly note: string;
  }
  /** All running nodes know the first leader. */
  | { readonly event: "ready" }
  /** A node's process ended, and the cluster had not stopped it. The others go on. */
  | {
    readonly event: "exit";
    readonly id: string;
    readonly pid: number;
    readonly code: number;
    readonly signal: string | null;
    /** The end of its log. */
    readonly log: readonly string[];
  }
  /** A node was removed from the cluster. It is not started again. */
  | { readonly event: "removed"; readonly id: string }
  /** A node's log cannot be written. The node goes on; the log later says how much is missing. */
  | {
    readonly event: "logFailed";
    readonly id: string;
    readonly path: string;
    readonly reason: string;
  }
  /** This many events before this one were lost: the reader did not read, or a write failed. */
  | { readonly event: "dropped"; readonly count: number }
  /** The last event: all nodes have been stopped. */
  | { readonly event: "stopped" };
