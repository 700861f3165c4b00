/**
 * A double of the grant keys for simulations. NOT A PROOF: it holds no key, and anybody can make its
 * grants. No configuration and no flag of a node selects it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { concatBytes, equalBytes } from "../../lib/bytes.ts";
import {
  type Certifier,
  encodeGrantStatement,
  type Grant,
  type GrantKeys,
} from "../../lib/certificate/mod.ts";
import type { GrantsProof } from "../../lib/raft/mod.ts";
import { type Epoch, type NodeId, toClusterName } from "../../lib/types.ts";

const CLUSTER = toClusterName("test");

/** Grant keys of a voter that prove nothing. */
export function createGrantDouble(self: NodeId, epoch: Epoch): GrantKeys {
  return {
    sign: (grant) => signatureOf(self, epoch, grant),
    verify: (voter, grant, signature) => equalBytes(signature, signatureOf(voter, epoch, grant)),
  };
}

/** The grants of the first t voters, or of `by`, as if they had given them. */
export function proofOf(
  { epoch, voters, threshold }: Pick<Certifier, "epoch" | "voters" | "threshold">,
  { term, candidate }: Grant,
  by: readonly NodeId[] = voters.slice(0, threshold),
): GrantsProof {
  const grants = voters.filter((voter) => by.includes(voter)).map((voter) => {
    return { voter, signature: signatureOf(voter, epoch, { term, candidate }) };
  });
  return { kind: "grants", term, epoch, membership: null, candidate, grants };
}

/** 64 bytes, as a real signature has. */
function signatureOf(voter: NodeId, epoch: Epoch, grant: Grant): Uint8Array {
  const text = encodeGrantStatement({ cluster: CLUSTER, epoch, ...grant, voter });
  const half = new Uint8Array(createHash("sha256").update(`double\n${text}`).digest());
  return concatBytes(half, half);
}
