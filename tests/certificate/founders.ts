/**
 * Voters with identity keys for tests, and the genesis of a cluster of theirs.
 *
 * @module
 */

import { createPublicKey, sign } from "node:crypto";
import { encodeUtf8 } from "../../lib/bytes.ts";
import {
  encodeGenesis,
  encodeGenesisStatement,
  type GenesisRoster,
  type GenesisStatement,
  toGenesisStatement,
} from "../../lib/certificate/genesis.ts";
import { trustedDealerKeygen } from "../../lib/frost/mod.ts";
import { toPrivateKey } from "../../lib/native_key.ts";
import { type NodeId, toClusterName, toEpoch } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { nodeId } from "./cluster.ts";

/** A roster together with what only its voters have. */
export interface TestFounders {
  /** Everybody's public side. */
  readonly roster: GenesisRoster;
  /** Signs as each voter. */
  readonly signers: ReadonlyMap<NodeId, (message: Uint8Array) => Uint8Array>;
}

/** Founders `server_1`, `server_2`, ...; the same for the same seed. */
export function createFounders(threshold: number, count: number, seed = 1): TestFounders {
  const voters = Array.from({ length: count }, (_, at) => {
    const identitySeed = seededBytes(1000 * seed + at)(32);
    const key = toPrivateKey("ed25519", identitySeed);
    const der = createPublicKey(key).export({ format: "der", type: "spki" });
    return { id: nodeId(at + 1), identityKey: new Uint8Array(der).slice(-32), key };
  });
  return {
    roster: {
      cluster: toClusterName("floe-test"),
      epoch: toEpoch(1),
      threshold,
      voters: voters.map(({ id, identityKey }) => ({ id, identityKey })),
    },
    signers: new Map(voters.map(({ id, key }) => {
      return [id, (message: Uint8Array) => new Uint8Array(sign(null, message, key))];
    })),
  };
}

/** What founders could state about a key that a dealer made for them. */
export function createStatement({ roster }: TestFounders, seed = 1): GenesisStatement {
  const { group } = trustedDealerKeygen({
    minParticipants: roster.threshold,
    maxParticipants: roster.voters.length,
    randomBytes: seededBytes(seed),
  });
  return toGenesisStatement(roster, group, seededBytes(seed)(32));
}

/** Everybody's signature over a statement. */
export function signStatement(
  { signers }: TestFounders,
  statement: GenesisStatement,
): Map<NodeId, Uint8Array> {
  const message = encodeUtf8(encodeGenesisStatement(statement));
  return new Map([...signers].map(([id, signAs]) => [id, signAs(message)]));
}

/** A statement with everybody's signature. */
export function certifyGenesis(founders: TestFounders, statement: GenesisStatement): string {
  return encodeGenesis(statement, signStatement(founders, statement));
}
