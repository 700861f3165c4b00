/**
 * What one node is told once, and what all nodes derive from it alike: who they are, which attempt
 * this is, and the exact texts that are hashed and signed on the way to a key.
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
  /** Who generates the key, and on which terms; the same on every node. */
  readonly roster: GenesisRoster;
  /** This node: one of the roster's voters. */
  readonly self: NodeId;
  /**
   * Signs as this node, with its Ed25519 identity key: 64 bytes. The key stays with the caller. What
   * is signed begins with its kind, `floe/keygen-hash/v1` or `floe/genesis/v1`.
   */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Where polynomials come from; a cryptographic source. */
  readonly randomBytes: RandomBytes;
}

/** A checked configuration, with what follows from it. */
export interface Plan extends KeyGenerationConfig {
  /** SHA-256 of the configuration, in hex; peers whose hash differs cannot make a key together. */
  readonly configuration: string;
  /** This node's FROST identifier. */
  readonly identifier: number;
  /** All other voters, in the roster's order. */
  readonly peers: readonly NodeId[];
}

/**
 * Checks a configuration.
 *
 * @throws {CertificateError} `bad-roster` when the roster can found no cluster.
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

/** What FROST is told of one attempt; the context binds each proof to it. */
export function parametersOf({ roster }: Plan, attempt: number): DkgParameters {
  return {
    minParticipants: roster.threshold,
    maxParticipants: roster.voters.length,
    context: sha256(encodeUtf8(`${encodeConfiguration(roster)}attempt ${attempt}\n`)),
  };
}

/** What a node signs, as itself, when it commits to the hash of what it will reveal. */
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
 * SHA-256 over the attempt's context and everybody's hash, in the roster's order. Each hash binds all
 * that its sender revealed, so equal transcripts mean equal commitments.
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
  /** Two hashes for one attempt, both signed: different peers were told different things. */
  | "equivocation"
  /** A hash passed on for somebody else's that this somebody never signed. */
  | "false-echo"
  /** An identity signature that does not verify. */
  | "bad-signature"
  /** Another transcript than everything that the voter said before amounts to. */
  | "wrong-transcript";

/** Somebody broke a rule of key generation. The message never holds a secret. */
export class KeyGenerationFault extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "KeyGenerationFault";
  /** Which rule. */
  readonly rule: FaultRule;
  /** Who; null where no single voter can be named. */
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

/** Runs a computation of FROST's; what it refuses becomes a fault of the voter it names. */
export function blaming<Result>(plan: Plan, compute: () => Result): Result {
  return catching(FrostError, compute, (cause) => {
    const voter = cause.identifier === null ? null : voterOf(plan, cause.identifier);
    throw new KeyGenerationFault(cause.refusal, cause.message, { voter, cause });
  });
}
