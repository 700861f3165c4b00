/**
 * Peer cards for tests, signed by identities that are the same each time.
 *
 * @module
 */

import { parseAddress } from "../../lib/address.ts";
import { createPeerCard, type PeerCardJson, toPeerCardJson } from "../../lib/config/mod.ts";
import { toPrivateKey, toRawPublicKey } from "../../lib/native_key.ts";
import { toNodeId } from "../../lib/types.ts";

/** The card of `server_<number>`, under another identity for another seed. */
export function createTestCard(number: number, seed = number): PeerCardJson {
  const signingKey = toPrivateKey("ed25519", new Uint8Array(32).fill(seed));
  const channelKey = toRawPublicKey(toPrivateKey("x25519", new Uint8Array(32).fill(seed + 100)));
  const keys = { signingKey: toRawPublicKey(signingKey), channelKey };
  const addresses = {
    peer: parseAddress(`10.0.0.${number}:7101`),
    api: parseAddress(`10.0.0.${number}:7201`),
  };
  const signer = { node: toNodeId(`server_${number}`), keys, signingKey };
  return toPeerCardJson(createPeerCard(signer, addresses));
}
