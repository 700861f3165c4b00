/**
 * The pre-vote grant: a voter's signed statement that it would let a candidate open a term. t grants for
 * one candidate and one term prove that the term may begin (`lib/raft/term_proof.ts`). They also show which
 * candidate opened it.
 *
 * ```text
 * floe/prevote/v1
 * cluster <cluster name>
 * epoch <epoch>
 * term <term>
 * candidate <node id>
 * voter <node id>
 * ```
 *
 * Every line ends in a newline, numbers are decimal without leading zeros, and there is nothing else: one
 * set of fields has one text. The text itself is never sent. The node that checks a grant builds the text
 * from the fields that it expects.
 *
 * A voter signs its grants with its identity key, not with its share. So an attacker who steals a channel
 * key can send messages in the voter's name, but cannot make grants.
 *
 * @module
 */

import { type KeyObject, sign, verify } from "node:crypto";
import { assert } from "../assert.ts";
import { encodeUtf8 } from "../bytes.ts";
import { SIGNATURE_BYTES } from "../frost/mod.ts";
import { toPublicKey } from "../native_key.ts";
import type { ClusterName, Epoch, NodeId, Term } from "../types.ts";
import type { Roster } from "./certifier.ts";
import type { RosterVoter } from "./genesis.ts";

/** The first line, which names the kind of the statement. No other kind begins with it. */
const GRANT_KIND = "floe/prevote/v1";

/** The fields of a grant that vary. The voter, the cluster and the epoch are known. */
export interface Grant {
  /** The term that the candidate may open. */
  readonly term: Term;
  /** The node that may open it. */
  readonly candidate: NodeId;
}

/** Signs one node's grants, and checks the grants of all voters. Synchronous; the key stays inside. */
export interface GrantKeys {
  /** This node's signature over a grant: 64 bytes. The node must be a voter. */
  sign(grant: Grant): Uint8Array;
  /** Whether the signature is this voter's over this grant. Invalid bytes give false, never an error. */
  verify(voter: NodeId, grant: Grant, signature: Uint8Array): boolean;
}

/** The settings of grant keys. */
export interface GrantKeysOptions extends Omit<Roster<RosterVoter>, "threshold"> {
  /** This node. */
  readonly self: NodeId;
  /** Its Ed25519 identity key. SECRET: kept as long as the node runs, and never exported. */
  readonly signingKey: KeyObject;
}

/** All fields of a grant's text. */
export interface GrantStatement extends Grant {
  /** The name in every statement. */
  readonly cluster: ClusterName;
  /** The epoch whose voters grant. */
  readonly epoch: Epoch;
  /** The voter that grants. */
  readonly voter: NodeId;
}

/** Writes a grant's text: ASCII, six lines, each ending in a newline. */
export function encodeGrantStatement(statement: GrantStatement): string {
  const { cluster, epoch, term, candidate, voter } = statement;
  return `${GRANT_KIND}\n` +
    `cluster ${cluster}\n` +
    `epoch ${epoch}\n` +
    `term ${term}\n` +
    `candidate ${candidate}\n` +
    `voter ${voter}\n`;
}

/** Makes grant keys from the voters' identity keys. */
export function createGrantKeys(options: GrantKeysOptions): GrantKeys {
  const { cluster, epoch, self, signingKey } = options;
  const publicKeys = new Map(options.voters.map(({ id, identityKey }) => {
    return [id, toPublicKey("ed25519", identityKey)];
  }));
  const toMessage = (voter: NodeId, grant: Grant) =>
    encodeUtf8(encodeGrantStatement({ cluster, epoch, ...grant, voter }));
  return {
    sign: (grant) => {
      assert(publicKeys.has(self), `${self} is not a voter`);
      return new Uint8Array(sign(null, toMessage(self, grant), signingKey));
    },
    verify: (voter, grant, signature) => {
      const key = publicKeys.get(voter);
      return key !== undefined && signature.length === SIGNATURE_BYTES &&
        verify(null, toMessage(voter, grant), key, signature);
    },
  };
}
