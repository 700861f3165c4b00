/**
 * A cluster whose members change, for tests that need its notes: a genesis, the chain of memberships, and
 * elections by the shares of any epoch.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import {
  encodeMembershipNote,
  encodeMembershipStatement,
  encodeStatement,
  type GenesisStatement,
  type Member,
  type Membership,
  type MembershipCertificate,
  type MembershipStatement,
  toFirstMembership,
  toGenesisStatement,
  verifyMembership,
} from "../../lib/certificate/mod.ts";
import { keyId } from "../../lib/certificate/group_key.ts";
import { encodeSignedNote } from "../../lib/certificate/signed_note.ts";
import {
  aggregate,
  checkReshareCommitment,
  checkSubShare,
  combineSubShares,
  commit,
  dealReshare,
  type GroupPublicKeys,
  type SecretShare,
  signShare,
  trustedDealerKeygen,
} from "../../lib/frost/mod.ts";
import { type Epoch, toEpoch } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { electionFields, nodeId } from "./cluster.ts";
import { certifyGenesis, createFounders } from "./founders.ts";

/** The shares of one epoch. */
export interface Dealing {
  readonly group: GroupPublicKeys;
  readonly shares: readonly SecretShare[];
}

/** A cluster of `server_1` to `server_3`, two of whom sign, that changes as a test says. */
export class TestMemberships {
  readonly genesis: string;
  readonly statement: GenesisStatement;
  readonly certificates: MembershipCertificate[] = [];
  membership: Membership;
  #dealings = new Map<Epoch, Dealing>();
  #seed: number;

  constructor(seed = 1) {
    const founders = createFounders(2, 3, seed);
    const { group, shares } = trustedDealerKeygen({
      minParticipants: 2,
      maxParticipants: 3,
      randomBytes: seededBytes(seed),
    });
    this.statement = toGenesisStatement(founders.roster, group, seededBytes(seed)(32));
    this.genesis = certifyGenesis(founders, this.statement);
    this.membership = toFirstMembership(this.statement);
    this.#dealings.set(toEpoch(1), { group, shares });
    this.#seed = seed;
  }

  /** All notes of the chain, as `floe group --memberships` prints them. */
  get notes(): string {
    return this.certificates.map(({ byOld, byNew }) => byOld + (byNew ?? "")).join("");
  }

  /** Changes what is said about members within an epoch: these join, or take the place of their like. */
  amend(...changed: readonly Member[]): void {
    const others = this.#members().filter(({ id }) => changed.every((one) => one.id !== id));
    const statement = this.#next({ members: [...others, ...changed] });
    const byOld = this.#sign(statement, statement.epoch);
    this.#take({ byOld, byNew: null });
  }

  /** Deals new shares to these members, the others leave. */
  reshare(
    { voters, threshold = 2 }: { readonly voters: readonly number[]; readonly threshold?: number },
  ): void {
    const receivers = [...voters].toSorted((left, right) => left - right);
    const before = this.#dealing(this.membership.epoch);
    const dealing = reshareTo(receivers, before, { threshold, seed: this.#seed });
    const epoch = toEpoch(this.membership.epoch + 1);
    this.#dealings.set(epoch, dealing);
    const members = receivers.map((identifier) => ({
      ...this.member(identifier),
      verifyingShare: assertDefined(dealing.group.verifyingShares.get(identifier), "none"),
    }));
    const statement = this.#next({ members, epoch, threshold });
    const byOld = this.#sign(statement, this.membership.epoch);
    this.#take({ byOld, byNew: this.#sign(statement, epoch) });
  }

  /** The note of an election, signed by the shares of an epoch. */
  elect(term: number, leader: number, epoch: number = this.membership.epoch): string {
    const fields = electionFields({ term, leader: nodeId(leader), epoch });
    const { cluster: name, publicKey } = this.membership;
    const text = encodeStatement({ ...fields, cluster: name });
    const signature = signWith(this.#dealing(toEpoch(epoch)), text);
    return encodeSignedNote({ text, name, keyId: keyId(name, publicKey), signature });
  }

  /** A note of what could be stated next, signed by the shares of an epoch, whether or not it may follow. */
  propose(change: Partial<MembershipStatement>, by: number = this.membership.epoch): string {
    return this.#sign(this.#next({ members: this.#members(), ...change }), toEpoch(by));
  }

  /** A member as it is, or as it would join as a voter. */
  member(identifier: number, change: Partial<Member> = {}): Member {
    const id = nodeId(identifier);
    const known = this.membership.members.find((member) => member.id === id);
    return {
      id,
      role: "voter",
      identifier,
      identityKey: known?.identityKey ?? identityKey(100 * this.#seed + identifier),
      channelKey: seededBytes(100 + identifier)(32),
      peerAddress: `10.0.0.${identifier}:7101`,
      apiAddress: `10.0.0.${identifier}:7201`,
      verifyingShare: known?.verifyingShare ?? null,
      ...change,
    };
  }

  #members(): Member[] {
    return this.membership.members.map((known) => ({
      ...this.member(known.identifier),
      ...known,
    }));
  }

  #next(
    change: Pick<MembershipStatement, "members"> & Partial<MembershipStatement>,
  ): MembershipStatement {
    const { cluster, sequence, epoch, threshold, hash, publicKey } = this.membership;
    return {
      ...{ cluster, epoch, threshold, publicKey, previous: hash, sequence: sequence + 1 },
      ...change,
      members: change.members.toSorted((left, right) => left.identifier - right.identifier),
    };
  }

  #sign(statement: MembershipStatement, by: Epoch): string {
    const signature = signWith(this.#dealing(by), encodeMembershipStatement(statement, by));
    return encodeMembershipNote(statement, { by, signature });
  }

  #take(certificate: MembershipCertificate): void {
    this.membership = verifyMembership(this.membership, certificate);
    this.certificates.push(certificate);
  }

  #dealing(epoch: Epoch): Dealing {
    return assertDefined(this.#dealings.get(epoch), `No shares of epoch ${epoch}`);
  }
}

/** The public key of an identity that nobody needs to sign with. */
export function identityKey(seed: number): Uint8Array {
  return assertDefined(createFounders(2, 3, seed).roster.voters[0], "none").identityKey;
}

/** Deals new shares to these voters, by rising identifier, as the holders of enough old ones do. */
export function reshareTo(
  receivers: readonly number[],
  { group, shares }: Dealing,
  { threshold, seed }: { readonly threshold: number; readonly seed: number },
): Dealing {
  const parameters = { group, minParticipants: threshold, receivers };
  const deals = shares.slice(0, group.minParticipants)
    .map((share) => dealReshare(parameters, share, seededBytes(share.identifier + seed)));
  const commitments = deals.map(({ commitment }) => checkReshareCommitment(parameters, commitment));
  const results = receivers.map((identifier, at) => {
    const subShares = deals.map((deal, dealer) =>
      checkSubShare(
        assertDefined(commitments[dealer], "none"),
        assertDefined(deal.subShares[at], "none"),
      )
    );
    return combineSubShares(parameters, { identifier, commitments, subShares });
  });
  const { group: reshared } = assertDefined(results[0], "none");
  return { group: reshared, shares: results.map(({ share }) => share) };
}

/** Signs a text with enough of the shares. */
export function signWith({ group, shares }: Dealing, text: string): Uint8Array {
  const signers = shares.slice(0, group.minParticipants)
    .map((share) => ({ share, roundOne: commit(share, seededBytes(4)) }));
  const commitments = signers.map(({ roundOne }) => roundOne.commitment);
  const session = { group, message: encodeUtf8(text), commitments };
  const signatureShares = new Map(
    signers.map((one) => [one.share.identifier, signShare(session, one).signatureShare]),
  );
  const result = aggregate(session, { signatureShares });
  assert.ok(result.kind === "signature");
  return result.signature;
}
