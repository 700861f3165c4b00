/**
 * Certificates: what the voters of a cluster state together, and the proof that they stated it. An election
 * certificate states which node leads a term.
 *
 * A certificate is a {@linkcode Statement}, which is text that a person can read, with one ordinary Ed25519
 * signature, as a signed note. {@linkcode verifyCertificate} checks it offline. It needs only the group key.
 *
 * To make a certificate takes t voters and two rounds. Each voter has a {@linkcode Certifier}. The rules
 * that protect a voter are the same for every kind of cryptography: `signing_sessions.ts` checks who signs,
 * `scheme_certifier.ts` and `membership_signer.ts` check what is signed, and `nonce_pool.ts` makes sure that
 * no nonce is used for two requests. Below them a signing scheme does the arithmetic: FROST for two voters
 * or more, an ordinary key for one voter, hashes for simulations.
 *
 * Before the first election there must be a key. If the voters made it without a dealer, the genesis
 * certificate is their statement about it: {@linkcode verifyGenesis}. Later, membership certificates state
 * which nodes belong to the cluster. Each one names the one before: {@linkcode verifyMembershipChain}.
 *
 * @example Check offline which node leads
 * ```ts
 * const key = parseGroupKey("floe-test+64322cac+AYHv+nFR9CRp970/XSNFLj+K41XPlEdiYfuJlnCIyKAQ");
 * const note = `floe/election/v1
 * cluster floe-test
 * epoch 1
 * term 7
 * leader server_2
 * log 42 6
 *
 * \u2014 floe-test ZDIsrKOVv406jdArusWHrDKEHc/v0ggDsjQWh2zcP81XF2Xq3x/iS4lMJPoFW39DgroE/jpoVcNX0Wnrquj23lUfRgE=
 * `;
 * const { leader, term } = verifyCertificate(note, key);
 * if (leader !== "server_2" || term !== 7) throw new Error("the certificate says who leads");
 * ```
 *
 * @module
 */

import type { Certifier } from "./certifier.ts";
import {
  type CertifierOptions,
  createFrostCertifier,
  createSingleCertifier,
} from "./frost_certifier.ts";

export {
  type Certificate,
  CertificateError,
  type CertificateRefusal,
  type Certifier,
  type CombineResult,
  type ElectionFields,
  type Group,
  type GroupVoter,
  type NonceTicket,
  NOTE_LENGTH_MAX,
  type Roster,
  type SignerCommitment,
  type SigningRequest,
} from "./certifier.ts";
export {
  encodeStatement,
  type ExpectedElection,
  parseStatement,
  type Statement,
  STATEMENT_KIND,
  type VerifiedCertificate,
  verifyCertificate,
} from "./election.ts";
export { type CertifierOptions, toGroupPublicKeys } from "./frost_certifier.ts";
export {
  checkRoster,
  describeRosterDifference,
  encodeGenesis,
  encodeGenesisStatement,
  type Genesis,
  GENESIS_KIND,
  GENESIS_LENGTH_MAX,
  type GenesisRoster,
  type GenesisStatement,
  type GenesisVoter,
  parseGenesisStatement,
  type RosterVoter,
  toDealtStatement,
  toGenesisStatement,
  verifyGenesis,
  verifyGenesisSignature,
  voterKeyName,
} from "./genesis.ts";
export {
  createGrantKeys,
  encodeGrantStatement,
  type Grant,
  type GrantKeys,
  type GrantKeysOptions,
  type GrantStatement,
} from "./grant.ts";
export {
  encodePem,
  encodeVerifierKey,
  GROUP_KEY_LENGTH_MAX,
  type GroupKey,
  keyId,
  parseGroupKey,
} from "./group_key.ts";
export {
  encodeMembershipNote,
  encodeMembershipStatement,
  hashMembership,
  type Member,
  MEMBER_ADDRESS_LENGTH_MAX,
  MEMBERSHIP_KIND,
  MEMBERSHIP_LENGTH_MAX,
  type MembershipStatement,
  parseMembershipStatement,
  verifyMembershipNote,
} from "./membership.ts";
export {
  createMembershipSigner,
  type MembershipRequest,
  type MembershipSignature,
  type MembershipSigner,
  type SigningLeader,
} from "./membership_signer.ts";
export {
  beginMembershipChain,
  checkPlannedMembership,
  followMembership,
  type KnownMember,
  type Membership,
  type MembershipCertificate,
  type PlannedMembership,
  toFirstMembership,
  toGroup,
  verifyMembership,
  verifyMembershipChain,
} from "./membership_chain.ts";
export { encodeSignedNote, parseSignedNote, type SignedNote } from "./signed_note.ts";

/**
 * The certifier of one voter: FROST, or an ordinary Ed25519 key when it is the only voter.
 *
 * @throws {CertificateError} `not-a-signer` when `self` is no voter of the group.
 * @throws {InputError} when the share does not match the group.
 */
export function createCertifier(options: CertifierOptions): Certifier {
  return options.group.voters.length === 1
    ? createSingleCertifier(options)
    : createFrostCertifier(options);
}
