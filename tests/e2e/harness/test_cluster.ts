/**
 * A real cluster for a test: one process a node, on free ports, in a folder of its own.
 *
 * @module
 */

import { assertDefined } from "../../../lib/assert.ts";
import type { Group } from "../../../lib/certificate/certifier.ts";
import { nodeFolder } from "../../../lib/cli/options.ts";
import { FreshConnections } from "../../../lib/cli/process_context.ts";
import { dealIntoFolders, keyFolder, openIdentities } from "../../../lib/cli/serve/node_folders.ts";
import { formatAddress } from "../../../lib/address.ts";
import {
  type ClusterConfig,
  findPeer,
  formatClusterConfig,
  generateLocalCluster,
  type HistoryConfig,
  type PinnedClusterConfig,
  type TimingConfig,
} from "../../../lib/config/cluster_config.ts";
import { readGroupFile } from "../../../lib/keys/group_file.ts";
import type { KeyFolder } from "../../../lib/keys/key_file.ts";
import type { Passphrase } from "../../../lib/keys/passphrase.ts";
import { readPassphraseFile } from "../../../lib/keys/passphrase.ts";
import type { EntryLimits } from "../../../lib/raft/mod.ts";
import type { NodeId } from "../../../lib/types.ts";
import { onFreePorts } from "../../support/free_ports.ts";
import type { ProcessEvent } from "./events.ts";
import { FloeProcess } from "./floe_process.ts";

/** What kind of cluster a test needs. */
export interface TestClusterOptions {
  /** How many nodes. */
  readonly nodes: number;
  /** How many must sign; a bare majority by default. */
  readonly threshold?: number;
  /** Other times than the defaults. */
  readonly timing?: Partial<TimingConfig>;
  /** Other limits of the log than the defaults. */
  readonly log?: Partial<EntryLimits>;
  /** Other limits of history than the defaults. */
  readonly history?: Partial<HistoryConfig>;
  /** How many of the last nodes are left out, for the test to stand in for. */
  readonly absent?: number;
  /** Whether the nodes are to make their key themselves, rather than be dealt it. */
  readonly keyless?: true;
  /** How much the nodes log; `debug` by default, for tests that wait for what is in the log. */
  readonly logLevel?: "debug" | "info";
  /** Further options of `floe node`. */
  readonly nodeFlags?: readonly string[];
  /** The program that runs a node, where it is not Floe's own. */
  readonly main?: string;
  /** What that program may do, as options of Deno; by default what Floe may. */
  readonly permissions?: readonly string[];
  /** The file with the passphrase of the nodes' secret files; by default they are not encrypted. */
  readonly passphraseFile?: string;
  /** Most files that a node may have open. */
  readonly openFilesMax?: number;
  /** Variables for the nodes beside the inherited ones. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Who leads, as `GET /v1/leader` tells. */
export interface Leader {
  /** The node. */
  readonly id: NodeId;
  /** Its term. */
  readonly term: number;
  /** Its certificate. */
  readonly certificate: string;
}

/**
 * A configuration on ports that are free now, and a folder that is deleted at the end.
 */
export class TestFolder implements Disposable {
  /** The folder. */
  readonly path: string;
  /** What encrypts the nodes' secret files; null where they are not encrypted. */
  readonly passphrase: Passphrase | null;
  /** The cluster's configuration. */
  readonly config: ClusterConfig;
  /** The file that says so. */
  readonly configFile: string;

  /** Makes the folder and the file. */
  constructor(options: TestClusterOptions) {
    this.path = Deno.makeTempDirSync({ prefix: "floe-e2e-" });
    const { passphraseFile } = options;
    this.passphrase = passphraseFile === undefined ? null : readPassphraseFile(passphraseFile);
    this.config = configure(options);
    this.configFile = `${this.path}/cluster.json`;
    Deno.writeTextFileSync(this.configFile, formatClusterConfig(this.config));
  }

  /** Deletes the folder. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The running cluster. Nodes log as JSON at level debug, so that tests wait for log events. */
export class TestCluster implements AsyncDisposable {
  /** The cluster's configuration, with every node's keys. */
  readonly config: PinnedClusterConfig;
  /** The program of the nodes that start from now on; Floe's own unless there is one. */
  main: string | undefined;
  readonly #folder: TestFolder;
  readonly #options: TestClusterOptions;
  readonly #processes = new Map<NodeId, FloeProcess>();
  /** A node that comes back is not asked over a connection to the process that it was before. */
  readonly #connections = new FreshConnections();

  /** Deals keys, unless the nodes are to make theirs, and starts every node. */
  constructor(options: TestClusterOptions) {
    this.#options = options;
    this.main = options.main;
    this.#folder = new TestFolder(options);
    this.config = openIdentities(this.#folder.config, this.#folder);
    Deno.writeTextFileSync(this.#folder.configFile, formatClusterConfig(this.config));
    if (options.keyless === undefined) dealIntoFolders(this.config, this.#folder);
    const present = options.nodes - (options.absent ?? 0);
    for (const { id } of this.config.peers.slice(0, present)) this.start(id);
  }

  /** Every node's id. */
  get ids(): readonly NodeId[] {
    return this.config.peers.map(({ id }) => id);
  }

  /** The cluster's key, once the first node has it. */
  get group(): Group {
    const [first] = this.ids;
    return readGroupFile(this.dataDir(assertDefined(first, "no nodes")), this.config).group;
  }

  /** The file that says how the cluster is configured. */
  get configFile(): string {
    return this.#folder.configFile;
  }

  /** A node's own data folder. */
  dataDir(id: NodeId): string {
    return nodeFolder(this.#folder.path, id);
  }

  /** The same, with what opens it. */
  keyFolder(id: NodeId): KeyFolder {
    return keyFolder(this.#folder, id);
  }

  /** The last process of a node, running or not. */
  process(id: NodeId): FloeProcess {
    return assertDefined(this.#processes.get(id), `${id} was never started`);
  }

  /** Starts a node, again if it has ended; with another configuration where one is given. */
  start(id: NodeId, configFile: string = this.#folder.configFile): FloeProcess {
    const place = ["--config", configFile, "--data-dir", this.dataDir(id)];
    const { logLevel = "debug", nodeFlags = [], passphraseFile } = this.#options;
    const { permissions, env, openFilesMax } = this.#options;
    const logging = ["--log-level", logLevel, "--log-format", "json"];
    const announcing = ["-o", "json", "--exit-with-parent"];
    const args = ["node", "--id", id, ...place, ...logging, ...announcing, ...nodeFlags];
    const variables = passphraseFile === undefined ? {} : { FLOE_PASSPHRASE_FILE: passphraseFile };
    const process = new FloeProcess(id, args, {
      ...(this.main === undefined ? {} : { main: this.main }),
      ...(permissions === undefined ? {} : { permissions }),
      ...(openFilesMax === undefined ? {} : { openFilesMax }),
      env: { ...variables, ...env },
    });
    this.#processes.set(id, process);
    return process;
  }

  /**
   * Waits until a node, by its own newest account, follows or is the leader of `atLeast` or a later
   * term, which is one of `among`: it may not know yet that another one is gone.
   */
  async leaderOf(
    id: NodeId,
    atLeast = 1,
    among: readonly NodeId[] = this.ids,
  ): Promise<Leader> {
    const { said } = this.process(id);
    const knows = ({ event, term, leader }: ProcessEvent) =>
      event === "role" && Number(term) >= atLeast && among.some((other) => other === leader);
    const newest = said.events.findLastIndex(({ event }) => event === "role");
    const { leader, term, certificate } = await said.waitFor(
      `who leads term ${atLeast} or later`,
      knows,
      { from: Math.max(0, newest) },
    );
    const { id: leaderId } = findPeer(this.config, String(leader));
    return { id: leaderId, term: Number(term), certificate: String(certificate) };
  }

  /** Waits until the running nodes agree on which of them leads `atLeast` or a later term. */
  async leader(atLeast = 1, among: readonly NodeId[] = this.ids): Promise<Leader> {
    for (let term = atLeast;;) {
      const leaders = await Promise.all(among.map((id) => this.leaderOf(id, term, among)));
      const [first] = leaders.toSorted((left, right) => right.term - left.term);
      const leader = assertDefined(first, "A leader among no nodes");
      if (leaders.every((other) => other.term === leader.term)) return leader;
      term = leader.term;
    }
  }

  /** A request to a node's API. */
  async fetch(id: NodeId, path: string, init?: RequestInit): Promise<Response> {
    const { api } = findPeer(this.config, id);
    return await this.#connections.fetch(`http://${formatAddress(api)}${path}`, init);
  }

  /** Kills every node and deletes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.end("SIGKILL")));
    this.#connections[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** At addresses where nobody listens now. */
function configure({ nodes, threshold, timing, log, history }: TestClusterOptions): ClusterConfig {
  const config = onFreePorts(
    generateLocalCluster({ nodes, ...(threshold === undefined ? {} : { threshold }) }),
  );
  return {
    ...config,
    timing: { ...config.timing, ...timing },
    log: { ...config.log, ...log },
    history: { ...config.history, ...history },
  };
}
