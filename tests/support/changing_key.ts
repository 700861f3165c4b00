/**
 * A cluster's key in the hands of a test, which knows the secret: it deals shares of any epoch, and signs any
 * membership. Real signatures and real shares, without the protocol that makes them.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import { assertDefined } from "../../lib/assert.ts";
import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import {
  type Certifier,
  createCertifier,
  createGrantKeys,
  createMembershipSigner,
  encodeMembershipNote,
  encodeMembershipStatement,
  followMembership,
  type GrantKeys,
  type Group,
  type Member,
  type Membership,
  type MembershipSigner,
  type MembershipStatement,
  toFirstMembership,
  toGroup,
} from "../../lib/certificate/mod.ts";
import { toPrivateKey } from "../../lib/native_key.ts";
import type { ConfigurationEntry, PlannedMember } from "../../lib/reshare/mod.ts";
import { type Epoch, type NodeId, toClusterName, toEpoch, toNodeId } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";

const { Point } = ed25519;
const { Fn } = Point;

/** Who is to be a member. */
export interface Wanted {
  /** By their numbers. */
  readonly voters: readonly number[];
  readonly threshold: number;
  readonly learners?: readonly number[];
  /** Voters that get no share. */
  readonly absent?: readonly number[];
  /** Whether new shares are dealt; they are, unless told otherwise. */
  readonly isResharing?: boolean;
}

/** A change, as its configuration entry says it. */
export interface MadeChange {
  readonly entry: ConfigurationEntry;
  readonly membership: Membership;
}

/** The whole key, and every node's identity. */
export class ChangingKey {
  /** Where the chain begins. */
  readonly genesis: Membership;
  readonly #random: (length: number) => Uint8Array;
  readonly #secret: bigint;
  readonly #identities = new Map<NodeId, KeyObject>();
  readonly #shares = new Map<string, Uint8Array>();

  constructor({ voters, threshold, seed = 1 }: Wanted & { readonly seed?: number }) {
    this.#random = seededBytes(seed);
    this.#secret = this.#scalar();
    const dealt = this.#deal(toEpoch(1), { voters, threshold });
    this.genesis = toFirstMembership({
      cluster: toClusterName("floe-test"),
      epoch: toEpoch(1),
      threshold,
      publicKey: Point.BASE.multiply(this.#secret).toBytes(),
      voters: voters.map((number) => {
        const { id, identifier, identityKey } = this.#member(number);
        const verifyingShare = assertDefined(dealt.get(number), "dealt");
        return { id, identifier, identityKey, verifyingShare };
      }),
      transcriptHash: new Uint8Array(32),
    });
  }

  /** The next membership after `before`, signed by everybody who has to. */
  change(before: Membership, wanted: Wanted): MadeChange {
    const { voters, threshold, learners = [], absent = [], isResharing = true } = wanted;
    const epoch = toEpoch(before.epoch + (isResharing ? 1 : 0));
    const present = voters.filter((number) => !absent.includes(number));
    const dealt = isResharing
      ? this.#deal(epoch, { voters: present, threshold })
      : new Map(before.members.map((member) => [member.identifier, member.verifyingShare]));
    const members = [...voters, ...learners].toSorted((left, right) => left - right)
      .map((number): Member => ({
        ...this.#member(number),
        role: voters.includes(number) ? "voter" : "learner",
        verifyingShare: dealt.get(number) ?? null,
      }));
    const { cluster, sequence, publicKey, hash: previous } = before;
    const statement = {
      cluster,
      sequence: sequence + 1,
      epoch,
      threshold,
      publicKey,
      previous,
      members,
    };
    const byOld = this.sign(statement, before.epoch);
    const byNew = isResharing ? this.sign(statement, epoch) : null;
    const change = "00".repeat(32);
    const entry: ConfigurationEntry = { kind: "configuration", change, byOld, byNew };
    return { entry, membership: followMembership(before, statement) };
  }

  /** A note by the shares of an epoch, as if t of them had signed. */
  sign(statement: MembershipStatement, by: Epoch): string {
    const signature = this.#sign(encodeUtf8(encodeMembershipStatement(statement, by)));
    return encodeMembershipNote(statement, { by, signature });
  }

  /** A node's share of an epoch; null where it was dealt none. */
  share(epoch: Epoch, node: NodeId): Uint8Array | null {
    return this.#shares.get(`${epoch} ${node}`) ?? null;
  }

  /** A certifier with a share, or without. */
  certifier(membership: Membership, self: NodeId, share: Uint8Array | null): Certifier {
    return createCertifier({ group: toGroup(membership), self, share, randomBytes: this.#random });
  }

  /** A signer of memberships. */
  signer(group: Group, self: NodeId, share: Uint8Array | null): MembershipSigner {
    return createMembershipSigner({ group, self, share, randomBytes: this.#random });
  }

  /** Signs as a node, with its identity. */
  signAs(self: NodeId, message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#identityOf(self)));
  }

  /** What is drawn; the same for the same seed. */
  get randomBytes(): (length: number) => Uint8Array {
    return this.#random;
  }

  /** Grant keys with the node's identity. */
  grants({ cluster, epoch, members: voters }: Membership, self: NodeId): GrantKeys {
    const signingKey = this.#identityOf(self);
    return createGrantKeys({ cluster, epoch, self, signingKey, voters });
  }

  /** A node as a proposal lists it. */
  planned(number: number, role: "voter" | "learner"): PlannedMember {
    return { ...this.#member(number), role };
  }

  #member(number: number): Omit<Member, "role" | "verifyingShare"> {
    const id = nodeId(number);
    const der = createPublicKey(this.#identityOf(id)).export({ format: "der", type: "spki" });
    return {
      id,
      identifier: number,
      identityKey: new Uint8Array(der).slice(-32),
      channelKey: hashOf(`channel ${id}`),
      peerAddress: `10.0.0.${number}:7101`,
      apiAddress: null,
    };
  }

  #identityOf(id: NodeId): KeyObject {
    const known = this.#identities.get(id) ?? toPrivateKey("ed25519", hashOf(`identity ${id}`));
    this.#identities.set(id, known);
    return known;
  }

  /** A fresh polynomial whose value at 0 is the secret. */
  #deal(epoch: Epoch, { voters, threshold }: Wanted): Map<number, Uint8Array> {
    const coefficients = [this.#secret];
    while (coefficients.length < threshold) coefficients.push(this.#scalar());
    return new Map(voters.map((number) => {
      const value = coefficients.reduceRight(
        (sum, coefficient) => Fn.add(Fn.mul(sum, BigInt(number)), coefficient),
        0n,
      );
      this.#shares.set(`${epoch} ${nodeId(number)}`, Fn.toBytes(value));
      return [number, Point.BASE.multiply(value).toBytes()];
    }));
  }

  /** RFC 8032 §5.1.6, from the secret scalar. */
  #sign(message: Uint8Array): Uint8Array {
    const nonce = this.#scalar();
    const commitment = Point.BASE.multiply(nonce).toBytes();
    const publicKey = Point.BASE.multiply(this.#secret).toBytes();
    const challenge = toScalar(sha512(concatBytes(commitment, publicKey, message)));
    return concatBytes(commitment, Fn.toBytes(Fn.add(nonce, Fn.mul(challenge, this.#secret))));
  }

  #scalar(): bigint {
    return toScalar(this.#random(64));
  }
}

/** `n1`, `n2`, ... */
export function nodeId(number: number): NodeId {
  return toNodeId(`n${number}`);
}

function toScalar(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => Fn.create(sum * 256n + BigInt(byte)), 0n);
}

function sha512(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha512").update(bytes).digest());
}

function hashOf(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest());
}
