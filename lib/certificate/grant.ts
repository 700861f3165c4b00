/**
 * The pre-vote grant: one voter's signed word that it would let a candidate open a term. t grants of
 * one candidate for one term are the proof that the term may be (`lib/raft/term_proof.ts`), and the
 * evidence of who opened it.
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
 * Every line ends in a newline, numbers are decimal without leading zeros, and nothing else is there:
 * one set of fields has one text. The text itself never travels; who checks a grant builds it from
 * the fields that it expects.
 *
 * A grant is signed with the voter's own identity key, not with its share. Who steals a channel key
 * can say what it likes in a voter's name, but grant nothing.
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

/** The first line: which kind of statement this is. Nothing else is signed under it. */
const GRANT_KIND = "floe/prevote/v1";

/** What a voter grants, apart from its own name, the cluster's and the epoch, which are known. */
export interface Grant {
  /** The term that the candidate may open. */
  readonly term: Term;
  /** Who may open it. */
  readonly candidate: NodeId;
}

/** Signs one node's grants and checks those of all voters. Both are synchronous; the key stays inside. */
export interface GrantKeys {
  /** This node's signature over a grant: 64 bytes. Only a voter's is ever asked for. */
  sign(grant: Grant): Uint8Array;
  /** Whether the signature is this voter's over that grant. Never throws on foreign bytes. */
  verify(voter: NodeId, grant: Grant, signature: Uint8Array): boolean;
}

/** What makes grant keys. */
export interface GrantKeysOptions extends Omit<Roster<RosterVoter>, "threshold"> {
  /** This node. */
  readonly self: NodeId;
  /** Its Ed25519 identity key: SECRET, held for as long as the node runs, and never exported. */
  readonly signingKey: KeyObject;
}

/** Everything that a grant's text says. */
export interface GrantStatement extends Grant {
  /** As every statement names it. */
  readonly cluster: ClusterName;
  /** The dealing of shares whose voters grant. */
  readonly epoch: Epoch;
  /** Who grants. */
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

/** Grant keys over the voters' identities. */
export function createGrantKeys(options: GrantKeysOptions): GrantKeys {
  const { cluster, epoch, self, signingKey } = options;
  const publicKeys = new Map(options.voters.map(({ id, identityKey }) => {
    return [id, toPublicKey("ed25519", identityKey)];
  }));
  const toMessage = (voter: NodeId, grant: Grant) =>
    encodeUtf8(encodeGrantStatement({ cluster, epoch, ...grant, voter }));
  return {
    sign: (grant) => {
      assert(publicKeys.has(self), `${self} is no voter`);
      return new Uint8Array(sign(null, toMessage(self, grant), signingKey));
    },
    verify: (voter, grant, signature) => {
      const key = publicKeys.get(voter);
      return key !== undefined && signature.length === SIGNATURE_BYTES &&
        verify(null, toMessage(voter, grant), key, signature);
    },
  };
}
