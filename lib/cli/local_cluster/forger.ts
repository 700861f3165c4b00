/**
 * Forges a certificate in the demo, as a thief of one node's channel key could, and shows how a node refuses it.
 *
 * @module
 */

import { type ApiClient, bodyOf } from "../../client/mod.ts";
import { type ClusterConfig, toConfiguration } from "../../config/mod.ts";
import { pause } from "../../deadline.ts";
import { InputError } from "../../errors.ts";
import { readIdentity } from "../../keys/mod.ts";
import type { Message } from "../../raft/mod.ts";
import { Transport } from "../../transport/mod.ts";
import { type NodeId, toLogIndex, toTerm } from "../../types.ts";
import { type EvidenceBody, evidenceSchema, leaderSchema } from "../../wire/mod.ts";
import { keyFolder, type NodeFolders } from "../serve/node_folders.ts";
import type { LocalCluster, LocalNode, NodeState } from "./local_cluster.ts";

/** How often a node is asked whether it has refused the forgery. */
const ASK_MS = 50;
/** After this time the demonstration has failed. No node should be able to cause that. */
const FORGE_TIMEOUT_MS = 5_000;

/** The cluster, and the parts that the forger uses. */
interface ForgerOptions {
  readonly config: ClusterConfig;
  /** The nodes' folders, with the keys that a thief would have. */
  readonly folders: NodeFolders;
  readonly cluster: () => Pick<LocalCluster, "nodes" | "states">;
  /** Asks one node. */
  readonly clientOf: (node: LocalNode) => ApiClient;
}

/** See the module. */
export class Forger {
  readonly #options: ForgerOptions;

  /** Does nothing yet. */
  constructor(options: ForgerOptions) {
    this.#options = options;
  }

  /**
   * Sends a claim of another node to lead the next term, over that node's connection. The claim has the last
   * leader's certificate, changed to the name of the claimant.
   *
   * @returns what the node says to that, for people.
   * @throws {InputError} when the node cannot be shown anything now.
   */
  async forge(target: NodeId): Promise<string> {
    const { cluster, clientOf } = this.#options;
    const node = cluster().nodes.find(({ id }) => id === target);
    const thief = this.#findThief(target);
    if (node === undefined || thief === null) {
      throw new InputError(`${target} is out of reach now, or is the only node`);
    }
    const client = clientOf(node);
    const answer = await client.send({ method: "GET", path: "/v1/leader" });
    const { certificate, term } = bodyOf(answer, leaderSchema);
    if (certificate === null) throw new InputError("There is no certificate to forge yet");
    const forged = {
      term: term + 1,
      note: certificate.replace(/^leader .*$/m, `leader ${thief}`)
        .replace(/^term .*$/m, `term ${term + 1}`),
    };
    const { last, count } = await this.#show({ node, client, thief, ...forged });
    return `${target} refuses that ${thief} leads term ${last?.term}: ${last?.reason}. ` +
      `Its /metrics has floe_certificate_refused_total ${count}.`;
  }

  /** If possible not the leader, because its connection is taken over for a moment. */
  #findThief(target: NodeId): NodeId | null {
    const states = this.#options.cluster().states;
    if (!REACHED.includes(states.get(target) ?? "down")) return null;
    const others = [...states].filter(([id]) => id !== target);
    return others.find(([, state]) => state !== "leader")?.[0] ?? others[0]?.[0] ?? null;
  }

  async #show(
    { node, client, thief, term, note }: {
      readonly node: LocalNode;
      readonly client: ApiClient;
      readonly thief: NodeId;
      readonly term: number;
      readonly note: string;
    },
  ): Promise<EvidenceBody["refused"]> {
    const before = (await askRefused(client)).count;
    const message = claimOf({ from: thief, to: node.id, term, note });
    const transport = this.#open(thief, node);
    const signal = AbortSignal.timeout(FORGE_TIMEOUT_MS);
    try {
      transport.start();
      while (!signal.aborted) {
        transport.send(message);
        await pause(ASK_MS, signal);
        const refused = await askRefused(client);
        if (refused.count > before) return refused;
      }
    } finally {
      await transport.close();
    }
    throw new InputError(`${node.id} did not look at the forged certificate in time`);
  }

  #open(self: NodeId, { id, peer }: LocalNode): Transport {
    const { config, folders } = this.#options;
    const { channelKeys } = readIdentity(keyFolder(folders, self));
    const { keys: { channelKey } } = readIdentity(keyFolder(folders, id));
    return new Transport({
      self,
      cluster: config.cluster,
      channelKeys,
      configuration: toConfiguration(config),
      listen: { hostname: "127.0.0.1", port: 0 },
      peers: [{ id, ...peer, channelKey }],
      onMessage: () => {},
    });
  }
}

/** The states in which a node takes messages. */
const REACHED: readonly NodeState[] = ["follower", "preCandidate", "candidate", "leader"];

async function askRefused(client: ApiClient): Promise<EvidenceBody["refused"]> {
  const answer = await client.send({ method: "GET", path: "/v1/evidence" });
  return bodyOf(answer, evidenceSchema).refused;
}

/** A message that only a leader sends, with no content but the certificate. */
function claimOf(
  { from, to, term, note }: {
    readonly from: NodeId;
    readonly to: NodeId;
    readonly term: number;
    readonly note: string;
  },
): Message {
  const start = toLogIndex(0);
  return {
    kind: "appendRequest",
    from,
    to,
    term: toTerm(term),
    previousLogIndex: start,
    previousLogTerm: toTerm(0),
    entries: [],
    leaderCommit: start,
    matchIndex: start,
    round: 1,
    certificate: note,
    transferTarget: null,
  };
}
