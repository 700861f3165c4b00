/**
 * The nodes that join a cluster on this machine, now or in an earlier run.
 *
 * @module
 */

import { type ApiClient, MembersClient } from "../../client/mod.ts";
import { type Address, type ClusterConfig, findPeer, loadClusterConfig } from "../../config/mod.ts";
import { pause } from "../../deadline.ts";
import { InputError } from "../../errors.ts";
import { hasIdentity, hasKeyFiles } from "../../keys/mod.ts";
import { type NodeId, toNodeId } from "../../types.ts";
import type { MembersBody, MembersRequestBody } from "../../wire/mod.ts";
import { nodeFolder } from "../options.ts";
import type { LocalCluster, LocalNode } from "./local_cluster.ts";

/** How long the command waits while no node answers during a change. */
const SILENT_MS = 10_000;

/** How often the command checks whether a change is under way. */
const QUIET_PAUSE_MS = 200;

/** The cluster that new nodes join. */
interface NewcomersOptions {
  /** The folder of all nodes' folders. */
  readonly folder: string;
  readonly cluster: () => Pick<LocalCluster, "nodes" | "join" | "dismiss" | "retire">;
  /** Sends requests to all nodes. */
  readonly client: () => ApiClient;
  readonly stop: AbortSignal;
  /** Called with the outcome, in words. */
  readonly onEnd: (words: string) => void;
}

/** Adds nodes to a running cluster. */
export class Newcomers {
  readonly #options: NewcomersOptions;

  /** Starts nothing yet. */
  constructor(options: NewcomersOptions) {
    this.#options = options;
  }

  /**
   * Starts a new node and makes it a member, in the place of `replaced` if that is given. It becomes a member some
   * time after this returns.
   *
   * @returns what has begun, in words.
   * @throws {InputError} while other changes are under way.
   * @throws {ClientError} when the cluster refuses it.
   */
  async add(replaced: NodeId | null): Promise<string> {
    const { folder, cluster, client } = this.#options;
    const members = new MembersClient(client());
    const known = await this.#waitForQuiet(members);
    const ids = [...known.map(({ id }) => id), ...cluster().nodes.map(({ id }) => id)];
    const id = newId(ids, folder);
    const card = await cluster().join({ id, peer: freeAddress(), api: freeAddress() });
    // What the new node printed is a card, which the cluster checks.
    const add = [{ card }] as NonNullable<MembersRequestBody["add"]>;
    try {
      const begun = await members.change({
        add,
        ...(replaced === null ? {} : { remove: [replaced] }),
      });
      void this.#follow(members, { change: begun.id, id, replaced });
    } catch (error) {
      cluster().dismiss(id);
      throw error;
    }
    return `${id} joins${replaced === null ? "" : ` in the place of ${replaced}`}`;
  }

  /** Waits for a change that has just begun. @returns the members and the former members of the cluster. */
  async #waitForQuiet(members: MembersClient): Promise<MembersBody["members"]> {
    const patience = AbortSignal.any([this.#options.stop, AbortSignal.timeout(SILENT_MS)]);
    while (!patience.aborted) {
      const { change, members: known } = await members.read();
      if (change === null) return known;
      await pause(QUIET_PAUSE_MS, patience);
    }
    throw new InputError("The members are changing already: try again once that is done");
  }

  async #follow(
    members: MembersClient,
    { change, id, replaced }: {
      readonly change: number;
      readonly id: NodeId;
      readonly replaced: NodeId | null;
    },
  ): Promise<void> {
    const { cluster, stop, onEnd } = this.#options;
    try {
      const options = { onProgress: () => {}, signal: stop, silentMs: SILENT_MS };
      const end = await members.follow(change, options);
      if (end === null) return;
      const isIn = end.members.members.some((member) =>
        member.id === id && member.role !== "removed"
      );
      if (isIn && replaced !== null) cluster().retire(replaced);
      if (!isIn) cluster().dismiss(id);
      onEnd(
        isIn ? `${id} is a member` : `${id} is no member: ${end.ended?.reason ?? "unknown why"}`,
      );
    } catch (error) {
      onEnd(`${id} may not be a member: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** An id that no node ever had: the others' name with the next number. */
function newId(ids: readonly string[], folder: string): NodeId {
  const stem = (ids[0] ?? "server_").replace(/[0-9]+$/, "");
  const numbers = ids.map((id) => Number(/[0-9]+$/.exec(id)?.[0] ?? 0));
  for (let number = Math.max(0, ...numbers) + 1;; number++) {
    const id = toNodeId(`${stem}${number}`);
    if (!hasIdentity(nodeFolder(folder, id))) return id;
  }
}

function freeAddress(): Address {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr;
  return { hostname, port };
}

/** The nodes that joined in an earlier run: their folders have their own configurations. */
export async function findJoined(
  folder: string,
  { peers }: ClusterConfig,
  removed: ReadonlySet<string>,
): Promise<readonly LocalNode[]> {
  const joined: LocalNode[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (!isDirectory || removed.has(name) || peers.some(({ id }) => id === name)) continue;
    const dataDir = `${folder}/${name}`;
    if (!hasIdentity(dataDir) || !hasKeyFiles(dataDir)) continue;
    const config = await loadClusterConfig(`${dataDir}/cluster.json`);
    const { id, peer, api, etcd } = findPeer(config, name);
    joined.push({ id, peer, api, ...(etcd === undefined ? {} : { etcd }) });
  }
  return joined;
}
