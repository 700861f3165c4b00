/**
 * The configuration of a key generation, and what every node derives from it alike: the identifiers, and
 * the exact texts that are hashed and signed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assertDefined } from "../assert.ts";
import { concatBytes, encodeHex, encodeUtf8 } from "../bytes.ts";
import { checkRoster, type GenesisRoster } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import {
  type DkgParameters,
  FrostError,
  type FrostRefusal,
  type RandomBytes,
} from "../frost/mod.ts";
import type { NodeId } from "../types.ts";

/** Everything that a key generation depends on besides its inputs. */
export interface KeyGenerationConfig {
  /** The voters and the threshold; the same on every node. */
  readonly roster: GenesisRoster;
  /** This node: one of the roster's voters. */
  readonly self: NodeId;
  /**
   * Signs with this node's Ed25519 identity key: 64 bytes. The key stays with the caller. Each message
   * begins with its kind, `floe/keygen-hash/v1` or `floe/genesis/v1`.
   */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** A cryptographic source of randomness, for the polynomials. */
  readonly randomBytes: RandomBytes;
}

/** A checked configuration, with the values derived from it. */
export interface Plan extends KeyGenerationConfig {
  /** SHA-256 of the configuration, in hex. Peers with another hash cannot make a key with this node. */
  readonly configuration: string;
  /** This node's FROST identifier. */
  readonly identifier: number;
  /** All other voters, in the roster's order. */
  readonly peers: readonly NodeId[];
}

/**
 * Checks a configuration.
 *
 * @throws {CertificateError} `bad-roster` when the roster is not valid for a cluster.
 * @throws {InputError} when `self` is not in it.
 */
export function toPlan(config: KeyGenerationConfig): Plan {
  const { roster, self } = config;
  checkRoster(roster);
  const identifier = roster.voters.findIndex(({ id }) => id === self) + 1;
  if (identifier === 0) {
    throw new InputError(`Cannot generate key: ${self} is not a voter of ${roster.cluster}`);
  }
  return {
    ...config,
    configuration: hashConfiguration(roster),
    identifier,
    peers: roster.voters.map(({ id }) => id).filter((id) => id !== self),
  };
}

/** SHA-256 over everything that the voters must agree on beforehand, in hex. */
export function hashConfiguration(roster: GenesisRoster): string {
  return encodeHex(sha256(encodeUtf8(encodeConfiguration(roster))));
}

/** FROST's parameters for one attempt. The context binds each proof to the attempt. */
export function parametersOf({ roster }: Plan, attempt: number): DkgParameters {
  return {
    minParticipants: roster.threshold,
    maxParticipants: roster.voters.length,
    context: sha256(encodeUtf8(`${encodeConfiguration(roster)}attempt ${attempt}\n`)),
  };
}

/** The text that a node signs with its identity key to commit to its hash. */
export function encodeHashStatement(
  { configuration }: Plan,
  { attempt, hash }: { readonly attempt: number; readonly hash: Uint8Array },
): Uint8Array {
  return encodeUtf8(
    "floe/keygen-hash/v1\n" +
      `configuration ${configuration}\n` +
      `attempt ${attempt}\n` +
      `hash ${encodeHex(hash)}\n`,
  );
}

/**
 * SHA-256 over the attempt's context and every voter's hash, in the roster's order. Each hash binds its
 * sender's commitment, so equal transcripts mean equal commitments.
 */
export function hashTranscript(
  { context }: DkgParameters,
  hashes: readonly Uint8Array[],
): Uint8Array {
  return sha256(concatBytes(encodeUtf8("floe/keygen-transcript/v1\n"), context, ...hashes));
}

/** The FROST identifier of a voter of the roster. */
export function identifierOf({ roster }: Plan, voter: NodeId): number {
  return roster.voters.findIndex(({ id }) => id === voter) + 1;
}

/** The voter with a FROST identifier. */
function voterOf({ roster }: Plan, identifier: number): NodeId {
  return assertDefined(roster.voters[identifier - 1], `No voter has identifier ${identifier}`).id;
}

/** A voter's identity key. */
export function identityKeyOf({ roster }: Plan, voter: NodeId): Uint8Array {
  const found = roster.voters.find(({ id }) => id === voter);
  return assertDefined(found, `${voter} is not in the roster`).identityKey;
}

function encodeConfiguration({ cluster, epoch, threshold, voters }: GenesisRoster): string {
  return "floe/keygen/v1\n" +
    `cluster ${cluster}\n` +
    `epoch ${epoch}\n` +
    `threshold ${threshold} of ${voters.length}\n` +
    voters.map(({ id, identityKey }) => `voter ${id} ${encodeHex(identityKey)}\n`).join("");
}

function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** The rule that was broken. */
export type FaultRule =
  /** One of FROST's: a commitment, a proof or a share that is wrong. */
  | FrostRefusal
  /** The voter signed two different hashes for one attempt. */
  | "equivocation"
  /** The voter passed on a hash that its owner did not sign. */
  | "false-echo"
  /** An identity signature that does not verify. */
  | "bad-signature"
  /** The voter claims a transcript that contradicts its earlier messages. */
  | "wrong-transcript";

/** A voter broke a rule of key generation. The message never holds a secret. */
export class KeyGenerationFault extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "KeyGenerationFault";
  /** Which rule. */
  readonly rule: FaultRule;
  /** The voter at fault; null when it is not known. */
  readonly voter: NodeId | null;

  /** `why` says what was refused. */
  constructor(
    rule: FaultRule,
    why: string,
    options: { readonly voter: NodeId | null; readonly cause?: unknown },
  ) {
    super(`Cannot go on with key generation: ${why}`, { cause: options.cause });
    this.rule = rule;
    this.voter = options.voter;
  }
}

/** Runs a computation of FROST's. Its refusal becomes a fault of the voter that it names. */
export function blaming<Result>(plan: Plan, compute: () => Result): Result {
  return catching(FrostError, compute, (cause) => {
    const voter = cause.identifier === null ? null : voterOf(plan, cause.identifier);
    throw new KeyGenerationFault(cause.refusal, cause.message, { voter, cause });
  });
}
