/**
 * Nodes that generate a key with everything real but the process: folders, identities, records and
 * connections over 127.0.0.1. A node can be killed at any point at which it writes or sends.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../../lib/assert.ts";
import { createCertifier, verifyGenesis } from "../../../lib/certificate/mod.ts";
import { keyFolder, openIdentities } from "../../../lib/cli/serve/node_folders.ts";
import { type PinnedClusterConfig, toGenesisRoster } from "../../../lib/config/cluster_config.ts";
import { readIdentity } from "../../../lib/keys/identity.ts";
import { readNodeKeys } from "../../../lib/keys/node_keys.ts";
import type { KeyPlace } from "../../../lib/keys/record_file.ts";
import {
  GenesisResponder,
  type KeyGenerationOptions,
  KeyGenerationRun,
} from "../../../lib/node/key_generation/key_generation_run.ts";
import { openOwnKeys, prepareKeyGeneration } from "../../../lib/node/key_generation/own_keys.ts";
import { Network } from "../../../lib/node/network.ts";
import type { NodeId } from "../../../lib/types.ts";
import { TestFolder } from "../../e2e/harness/test_cluster.ts";
import { seededBytes } from "../../frost/seeded_bytes.ts";

/** Short, so that what is lost with a connection is soon sent again. */
const TICK_MS = 10;

/** A node writes or sends, and this is just before or just after. */
export type Point = "beforePersist" | "afterPersist" | "beforeSend" | "afterSend" | "beforeKeep";

/** Thrown where a node dies; nothing that it would have done after that is done. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** A cluster that has no key yet. */
export class LiveCluster implements AsyncDisposable {
  readonly config: PinnedClusterConfig;
  readonly nodes: readonly LiveNode[];
  readonly #folder: TestFolder;

  constructor(nodes: number) {
    this.#folder = new TestFolder({ nodes });
    const folders = { path: this.#folder.path, passphrase: null };
    this.config = openIdentities(this.#folder.config, folders);
    const { config } = this;
    this.nodes = config.peers.map(({ id }) =>
      new LiveNode({ folder: keyFolder(folders, id), config })
    );
  }

  /** A node by its number, from 1. */
  node(number: number): LiveNode {
    return assertDefined(this.nodes[number - 1], `no node ${number}`);
  }

  /** Starts every node that is not up. */
  start(): void {
    for (const node of this.nodes) if (!node.isUp) node.start();
  }

  /** Resolves once every node has its key. */
  async finished(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.finished));
  }

  /** Asserts that all folders hold shares of one key with one genesis, that nobody runs with yet. */
  assertOneKey(): void {
    const keys = this.nodes.map(({ place }) => readNodeKeys(place.folder, this.config));
    const note = assertDefined(keys[0]?.genesis, "no genesis");
    verifyGenesis(note, toGenesisRoster(this.config));
    for (const [at, { group, genesis, shares, isInUse }] of keys.entries()) {
      assert.equal(genesis, note);
      assert.equal(isInUse, false);
      const randomBytes = seededBytes(1);
      const self = assertDefined(this.nodes[at], "a node of the keys").place.folder.self;
      const share = assertDefined(shares.reveal().current?.secret, "no share");
      createCertifier({ group, self, share, randomBytes });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.kill();
    this.#folder[Symbol.dispose]();
  }
}

/** One node, from one process to the next. */
export class LiveNode {
  readonly place: KeyPlace;
  /** Called at each point; may throw {@linkcode Killed}. */
  atPoint: (point: Point) => void = () => {};
  #network: Network | null = null;
  #run: KeyGenerationRun | null = null;

  constructor(place: KeyPlace) {
    this.place = place;
  }

  get id(): NodeId {
    return this.place.folder.self;
  }

  get isUp(): boolean {
    return this.#network !== null;
  }

  /** The run of this process; there is none where the keys were there at the start. */
  get run(): KeyGenerationRun {
    return assertDefined(this.#run, `${this.id} generates no key`);
  }

  /** Resolves once the node has its key; rejects where it died or failed before. */
  get finished(): Promise<void> {
    return this.#run?.finished ?? Promise.resolve();
  }

  /** Starts the node as `floe node` does; once it has its key, it answers those who have none. */
  start(): void {
    const { config, folder } = this.place;
    const identity = readIdentity(folder);
    const network = new Network({ config, self: folder.self, identity });
    this.#network = network;
    network.start();
    if (openOwnKeys(this.place) !== null) {
      this.#run = null;
      return this.#answer(network);
    }
    const options = prepareKeyGeneration(this.place, { identity, network });
    const run = new KeyGenerationRun(this.#withPoints(options));
    this.#run = run;
    run.finished.then(() => this.#answer(network), () => {});
    run.start();
  }

  /** Ends the process: nothing that was not durable stays. */
  async kill(): Promise<void> {
    this.#run?.stop();
    await this.#network?.close();
    this.#network = null;
  }

  #withPoints(options: KeyGenerationOptions): KeyGenerationOptions {
    const { network, persist, keep } = options;
    return {
      ...options,
      tickMs: TICK_MS,
      persist: (record) => {
        this.atPoint("beforePersist");
        persist(record);
        this.atPoint("afterPersist");
      },
      keep: (key) => {
        this.atPoint("beforeKeep");
        keep(key);
      },
      network: {
        use: (user) => network.use(user),
        isConnected: (peer) => network.isConnected(peer),
        isConfigurationEqual: (peer) => network.isConfigurationEqual(peer),
        sendKeyGeneration: (message) => {
          this.atPoint("beforeSend");
          const isSent = network.sendKeyGeneration(message);
          this.atPoint("afterSend");
          return isSent;
        },
      },
    };
  }

  #answer(network: Network): void {
    const { config, folder: { self } } = this.place;
    const { genesis } = readNodeKeys(this.place.folder, config);
    const responder = new GenesisResponder({
      config,
      self,
      genesis,
      send: (message) => network.sendKeyGeneration(message),
      nowMs: () => performance.now(),
    });
    network.use({
      onMessage: () => {},
      onKeyGenerationMessage: (message) => responder.answer(message),
    });
  }
}
