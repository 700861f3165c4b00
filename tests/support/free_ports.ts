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
/** How many of them one program has for itself; the first one says that they are taken. */
const BLOCK_PORTS = 250;

/**
 * Test files run side by side. A port that is free now may be one that another file's node had a
 * moment ago and needs again after its restart. So each file takes a whole block, for as long as it runs.
 */
const block = takeBlock().addr.port;
let handedOut = 0;

/** For `floe cluster --base-port`, in a file whose other tests run before or after that cluster. */
export function findBasePort(): number {
  return block;
}

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
  const addresses = findFreeAddresses(3 * config.peers.length);
  const peers = config.peers.map((node, at) => {
    const [peer = node.peer, api = node.api, free] = addresses.slice(3 * at);
    const etcd = node.etcd === undefined || free === undefined ? {} : { etcd: free };
    return { ...node, peer, api, ...etcd };
  });
  return { ...config, peers };
}

function takeBlock(): Deno.TcpListener {
  const blocks = (PORTS.most + 1 - PORTS.least) / BLOCK_PORTS;
  const first = Math.floor(Math.random() * blocks);
  for (let tried = 0; tried < blocks; tried++) {
    const listener = tryListen(PORTS.least + BLOCK_PORTS * ((first + tried) % blocks));
    if (listener !== null) return listener;
  }
  throw new Error(`Each of the ${blocks} blocks of ports is taken`);
}

function listenSomewhere(): Deno.TcpListener {
  for (let tried = 1; tried < BLOCK_PORTS; tried++) {
    const listener = tryListen(block + 1 + handedOut++ % (BLOCK_PORTS - 1));
    if (listener !== null) return listener;
  }
  throw new Error(`Each of the ${BLOCK_PORTS} ports from ${block} on is taken`);
}

function tryListen(port: number): Deno.TcpListener | null {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
}
