/**
 * etcd's protocol over gRPC at a node: a server that starts with its API, if the node has an `etcd` address.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { type Address, formatAddress, type PeerConfig } from "../../config/mod.ts";
import {
  createRpcs,
  type GrpcServer,
  type MemberAddresses,
  startGrpcServer,
} from "../../etcd/mod.ts";
import { type AuditSink, type Authorizer, recordOfEtcd, type TlsKeys } from "../../http/mod.ts";
import type { NodeApi } from "../../node/mod.ts";
import type { NodeId } from "../../types.ts";

/** The node that is served, and its addresses. */
interface ServedEtcdOptions {
  readonly node: NodeApi;
  readonly id: NodeId;
  /** Every node of the cluster. */
  readonly peers: readonly PeerConfig[];
  readonly listen: Address;
  readonly tls: TlsKeys | null;
  /** The API's: the same tokens are valid here. */
  readonly authorizer: Authorizer;
  /** Takes a record of each requested change; null for none. */
  readonly audit: AuditSink | null;
}

/** The addresses that etcd's clients get. */
export function memberAddresses(peers: readonly PeerConfig[]): readonly MemberAddresses[] {
  return peers.map(({ id, peer, api, etcd }) => ({
    id,
    peer: formatAddress(peer),
    api: formatAddress(api),
    etcd: etcd === undefined ? null : formatAddress(etcd),
  }));
}

/** See the module. */
export class ServedEtcd {
  /** Rejects when it cannot listen; else it never settles. */
  readonly failed: Promise<never>;
  readonly #started: Promise<GrpcServer | null>;

  /** Starts it. */
  constructor(options: ServedEtcdOptions) {
    const failed = Promise.withResolvers<never>();
    this.failed = failed.promise;
    // The caller that waits for the API's end gets this error there.
    this.failed.catch(() => {});
    this.#started = start(options).catch((error) => {
      failed.reject(error);
      return null;
    });
  }

  /** Takes another certificate, for new connections. */
  async replaceTlsKeys(keys: TlsKeys): Promise<void> {
    (await this.#started)?.replaceTlsKeys(keys);
  }

  /** Ends all calls and connections. */
  async stop(): Promise<void> {
    await (await this.#started)?.close();
  }
}

async function start(
  { node, id, peers, listen, tls, authorizer, audit }: ServedEtcdOptions,
): Promise<GrpcServer> {
  const logger = getLogger(["floe", "node"]);
  const members = memberAddresses(peers);
  const rpcs = createRpcs({
    node,
    self: id,
    members: () => members,
    isTls: tls !== null,
    admission: authorizer,
    ...(audit === null ? {} : { audit: (change) => audit(recordOfEtcd(change)) }),
  });
  const server = await startGrpcServer({
    rpcs,
    admission: authorizer,
    ...listen,
    ...(tls === null ? {} : { tls }),
    isLoopbackOnly: authorizer.access === "local",
    onError: (error) => logger.error("etcd.failed", { error }),
  });
  logger.info("etcd.started", { etcd: formatAddress(listen), tls: tls !== null });
  return server;
}
