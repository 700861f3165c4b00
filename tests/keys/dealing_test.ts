import assert from "node:assert/strict";
import { createCertifier } from "../../lib/certificate/mod.ts";
import { generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { dealClusterKeys } from "../../lib/keys/dealing.ts";

for (const nodes of [1, 2, 5]) {
  Deno.test(`dealClusterKeys() makes keys that ${nodes} certifiers accept`, () => {
    const config = generateLocalCluster({ nodes });
    const { group, shares } = dealClusterKeys(config, randomBytes);
    assert.equal(group.threshold, config.threshold);
    assert.deepEqual(group.voters.map(({ id }) => id), config.peers.map(({ id }) => id));
    for (const share of shares) {
      const secret = share.reveal();
      const certifier = createCertifier({ group, self: share.node, share: secret, randomBytes });
      assert.deepEqual(certifier.voters, config.peers.map(({ id }) => id));
    }
  });
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
