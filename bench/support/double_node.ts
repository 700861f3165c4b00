/**
 * A node whose certificates prove nothing: `floe node` with the certifier's double, to learn what the
 * proof costs. Nothing but this benchmark can start one.
 *
 * @module
 */

import { createGrantKeys } from "../../lib/certificate/mod.ts";
import { processContext } from "../../lib/cli/process_context.ts";
import { startLogging } from "../../lib/cli/serve/logging.ts";
import { findPeer, loadClusterConfig, requirePinned } from "../../lib/config/cluster_config.ts";
import { startApiServer } from "../../lib/http/mod.ts";
import { readGroupFile } from "../../lib/keys/group_file.ts";
import { readIdentity } from "../../lib/keys/identity.ts";
import { Network } from "../../lib/node/network.ts";
import { startNode } from "../../lib/node/node.ts";
import { createCertifierDouble } from "../../tests/support/certifier_double.ts";

/** The value of `--name` on the command line. */
function flag(name: string): string {
  const value = Deno.args[Deno.args.indexOf(`--${name}`) + 1];
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
}

const config = requirePinned(await loadClusterConfig(flag("config")), flag("config"));
const { id: self, api } = findPeer(config, flag("id"));
const dataDir = flag("data-dir");
const identity = readIdentity({ dataDir, self, passphrase: null });
const { group, genesis } = readGroupFile(dataDir, config);
const stop = processContext().stopSignal();
startLogging({
  level: "info",
  format: "json",
  colour: false,
  node: self,
  sink: { writeSome: (bytes) => Deno.stderr.write(bytes) },
});
const certifier = createCertifierDouble({
  ...group,
  self,
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
});
const grants = createGrantKeys({
  cluster: config.cluster,
  epoch: group.epoch,
  self,
  signingKey: identity.signingKey,
  voters: config.peers.map(({ id, keys }) => ({ id, identityKey: keys.signingKey })),
});
const node = await startNode({
  config,
  self,
  openNetwork: () => new Network({ config, self, identity }),
  dataDir,
  group,
  genesis,
  openKeys: () => ({
    certifier,
    grants,
    members: null,
    founding: null,
    claim: () => {},
    persistShares: () => {},
  }),
  onRole: ({ role, term, leader, certificate }) => {
    const note = certificate?.note ?? null;
    console.log(JSON.stringify({ event: "role", role, term, leader, certificate: note }));
  },
});
const server = startApiServer({ node: node.api, ...api, signal: stop });
console.log(JSON.stringify({ event: "started" }));
await server.finished;
await node.close();
