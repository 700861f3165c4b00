/**
 * What the API's answers look like. Servers build these, clients read them.
 *
 * @module
 */

import type { TokenScope } from "../kv/mod.ts";
import type { Margins } from "../margins.ts";
import type { AwaitedStep, KeyPhase, NodeStatus } from "../node/mod.ts";

/** How a value's bytes stand in JSON: as text where they are well-formed UTF-8, else as base64. */
export type ValueEncoding = "utf8" | "base64";

/** `GET /v1/kv/{key}`. */
export interface KeyValueBody {
  /** As it was asked for. */
  readonly key: string;
  /** The value, as `encoding` says. */
  readonly value: string;
  /** How `value` is to be read. */
  readonly encoding: ValueEncoding;
  /** Revision of the write that created the key. */
  readonly createRevision: number;
  /** Revision of the write that produced this value. */
  readonly modRevision: number;
  /** How many writes the key has seen since it was created, from 1. */
  readonly version: number;
}

/** `PUT /v1/kv/{key}`. */
export interface PutBody {
  /** As it was asked for. */
  readonly key: string;
  /** Revision of the write that created the key; this one's own when `version` is 1. */
  readonly createRevision: number;
  /** Revision of this write. */
  readonly modRevision: number;
  /** How many writes the key has seen since it was created, from 1. */
  readonly version: number;
}

/** `DELETE /v1/kv/{key}`. Deleting what is not there succeeds: the key is gone, as asked. */
export interface DeleteBody {
  /** As it was asked for. */
  readonly key: string;
  /** Whether there was a key to delete. */
  readonly deleted: boolean;
  /** Revision of the deletion. */
  readonly revision: number;
}

/** A peer, in `GET /v1/status`. */
export interface PeerStatusBody {
  /** The peer. */
  readonly id: string;
  /** Whether the connection to it is up. */
  readonly connected: boolean;
  /** From a leader: the last index known to be durable on the peer; else null. */
  readonly matchIndex: number | null;
}

/** `GET /v1/status`. */
export interface StatusBody {
  /** As `cluster.json` names it. */
  readonly cluster: string;
  /** The dealing of shares in use. */
  readonly epoch: number;
  /** How many voters must sign. */
  readonly threshold: number;
  /** How many voters there are. */
  readonly n: number;
  /** What follows from `n` and `threshold`. */
  readonly margins: Margins;
  /** The node that answers. */
  readonly id: string;
  /** What the node is in its term. */
  readonly role: NodeStatus["role"];
  /** Its current term. */
  readonly term: number;
  /** The certified leader it follows, or is. */
  readonly leader: string | null;
  /** Highest index known to be committed. */
  readonly commitIndex: number;
  /** Highest index applied to the store. */
  readonly appliedIndex: number;
  /** Index of the last entry in its log. */
  readonly lastLogIndex: number;
  /** Milliseconds since the node started. */
  readonly uptimeMs: number;
  /** Every other node, as this one sees it. */
  readonly peers: readonly PeerStatusBody[];
  /** What was counted since start, by name. */
  readonly counters: Readonly<Record<string, number>>;
}

/** `GET /v1/leader`. */
export interface LeaderBody {
  /** The leader's id, or null when none is known. */
  readonly leader: string | null;
  /** The current term. */
  readonly term: number;
  /** Where the leader's API is, `host:port`, or null. */
  readonly api: string | null;
  /** The leader's election certificate, a signed note; there exactly when `leader` is. */
  readonly certificate: string | null;
}

/** One election, in `GET /v1/elections` and as `GET /v1/elections/{term}`. */
export interface ElectionBody {
  /** The term that was won. */
  readonly term: number;
  /** Who won it. */
  readonly leader: string;
  /** The dealing of shares that signed. */
  readonly epoch: number;
  /** Index of the last entry in the winner's log then. */
  readonly lastLogIndex: number;
  /** Term of that entry. */
  readonly lastLogTerm: number;
  /** The certificate, a signed note. */
  readonly certificate: string;
}

/** `GET /v1/elections`. */
export interface ElectionsBody {
  /** Newest term first. */
  readonly elections: readonly ElectionBody[];
  /** What to hand in as `before` to get the next page, or null on the last. */
  readonly nextBefore: number | null;
}

/** One voter in `GET /v1/group`. */
export interface GroupVoterBody {
  /** The node. */
  readonly id: string;
  /** Its FROST identifier, from 1. */
  readonly identifier: number;
  /** Its verifying share, 32 bytes in hex. */
  readonly verifyingShare: string;
}

/** `GET /v1/group`. */
export interface GroupBody {
  /** As `cluster.json` names it. */
  readonly cluster: string;
  /** The dealing of shares in use. */
  readonly epoch: number;
  /** How many voters must sign. */
  readonly threshold: number;
  /** Every voter, by rising identifier. */
  readonly voters: readonly GroupVoterBody[];
  /** What follows from `threshold` and the number of voters. */
  readonly margins: Margins;
  /** The group key, 32 bytes in hex. */
  readonly publicKey: string;
  /** The group key as a C2SP signed-note verifier key, for `sumdb/note` and its like. */
  readonly verifierKey: string;
  /** The group key as SubjectPublicKeyInfo in PEM, for `openssl pkeyutl -verify -rawin`. */
  readonly pem: string;
  /** The genesis certificate, a signed note; null where a dealer made the key. */
  readonly genesis: string | null;
}

/** One voter in `GET /v1/dkg`, as the node that answers sees it. */
export interface DkgPeerBody {
  /** The voter. */
  readonly id: string;
  /** Whether the connection to it is up. */
  readonly connected: boolean;
  /** Whether its `cluster.json` is the same; `unknown` until it has connected. */
  readonly configuration: "unknown" | "equal" | "different";
  /** Its commitment is here and checked. */
  readonly roundOne: boolean;
  /** Its share for this node is here and checked. */
  readonly roundTwo: boolean;
  /** Its own share is durable. */
  readonly ready: boolean;
  /** Its signature over the genesis statement is here. */
  readonly signed: boolean;
}

/** `GET /v1/dkg`: how the node that is asked came, or is coming, by its key. */
export interface DkgBody {
  /** As `cluster.json` names it. */
  readonly cluster: string;
  /** The node that answers. */
  readonly id: string;
  /** What it is doing about its key. */
  readonly phase: KeyPhase;
  /** The highest attempt entered; 0 before the first; null once the node runs. */
  readonly attempt: number | null;
  /** How many voters must sign an election. */
  readonly threshold: number;
  /** Every voter, in the configuration's order. */
  readonly voters: readonly string[];
  /** Every voter but the one that answers. */
  readonly peers: readonly DkgPeerBody[];
  /** Whom it waits for, and to do what. */
  readonly waitingFor: readonly { readonly id: string; readonly step: AwaitedStep }[];
  /** The genesis certificate, a signed note; null until there is one, and for a dealt key. */
  readonly genesis: string | null;
}

/** `GET /livez` and `GET /readyz` when all is well. */
export interface HealthBody {
  /** Always `ok`; everything else is a problem. */
  readonly status: "ok";
}

/** One token, in `GET /v1/tokens` and as `PUT /v1/tokens/{id}`. */
export interface TokenBody {
  /** Which it is: 16 hex digits. */
  readonly id: string;
  /** What people call it, or the empty string. */
  readonly name: string;
  /** What it allows: of `read`, `write` and `admin` at least one. */
  readonly scopes: readonly TokenScope[];
  /** It reads and writes keys that begin with one of these; none stands for all keys. */
  readonly prefixes: readonly string[];
  /** Revision of its creation. */
  readonly createRevision: number;
}

/** `GET /v1/tokens`. */
export interface TokensBody {
  /** By rising id. */
  readonly tokens: readonly TokenBody[];
}

/** `DELETE /v1/tokens/{id}`. Revoking what is not there succeeds: nobody gets in by it, as asked. */
export interface RevokedTokenBody {
  /** Which. */
  readonly id: string;
  /** Whether there was one. */
  readonly revoked: boolean;
  /** Revision of the revocation. */
  readonly revision: number;
}

/** `POST /v1/leader/transfer`. */
export interface TransferBody {
  /** Who led before. */
  readonly from: string | null;
  /** Who leads now. */
  readonly leader: string;
}
