/**
 * Addresses for nodes that are yet to start, or to start again, and addresses where nobody listens.
 *
 * @module
 */

import type { ClusterConfig } from "../../lib/config/cluster_config.ts";
import type { Address } from "../../lib/address.ts";

/**
 * Ports below those that the system hands out by itself. A port from among those may go to anybody's
 * connection while its node does not run, and for a minute after that connection has ended, and keep
 * the node from listening; and who dials it again and again may come to be connected to himself.
 */
const PORTS = { least: 12_000, most: 31_999 } as const;

/** So many different addresses of this machine at which nobody listens now. */
export function findFreeAddresses(count: number): readonly Address[] {
  using listeners = new DisposableStack();
  // All held at once, so that none is chosen twice.
  return Array.from({ length: count }, () => {
    const { hostname, port } = listeners.use(listenSomewhere()).addr;
    return { hostname, port };
  });
}

/** The same cluster, its nodes at other addresses: at ones where nobody listens now. */
export function onFreePorts(config: ClusterConfig): ClusterConfig {
  const addresses = findFreeAddresses(2 * config.peers.length);
  const peers = config.peers.map((node, at) => {
    const [peer = node.peer, api = node.api] = addresses.slice(2 * at);
    return { ...node, peer, api };
  });
  return { ...config, peers };
}

function listenSomewhere(): Deno.TcpListener {
  for (;;) {
    const port = PORTS.least + Math.floor(Math.random() * (PORTS.most - PORTS.least + 1));
    try {
      return Deno.listen({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
