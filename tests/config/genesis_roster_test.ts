import assert from "node:assert/strict";
import { generateLocalCluster, toGenesisRoster } from "../../lib/config/cluster_config.ts";

Deno.test("toGenesisRoster() takes over cluster, threshold, the peers' order and signing keys", () => {
  const config = generateLocalCluster({ nodes: 2 });
  const peers = config.peers.toReversed().map((peer, at) => ({
    ...peer,
    keys: { signingKey: new Uint8Array(32).fill(at), channelKey: new Uint8Array(32).fill(9) },
  }));
  assert.deepEqual(toGenesisRoster({ ...config, peers }), {
    cluster: "floe-local",
    epoch: 1,
    threshold: 2,
    voters: [
      { id: "server_2", identityKey: new Uint8Array(32).fill(0) },
      { id: "server_1", identityKey: new Uint8Array(32).fill(1) },
    ],
  });
});
