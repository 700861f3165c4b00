/**
 * Shows an audit: as tables for people, as one document for programs.
 *
 * @module
 */

import { encodeHex, equalBytes } from "../../bytes.ts";
import { encodeVerifierKey, type KnownMember, type Membership } from "../../certificate/mod.ts";
import type { OutputStream } from "../command.ts";
import { printFields, printTable } from "../output.ts";
import type { Audit, AuditedElection, AuditedGenesis } from "./audit.ts";

/** An audit as JSON. A part that is not there is null or empty. */
export function toAuditJson({ genesis, memberships, elections }: Audit): unknown {
  return {
    valid: true,
    genesis: genesis === null ? null : genesisJson(genesis),
    memberships: memberships.filter(({ sequence }) => sequence > 0).map(membershipJson),
    elections: elections.map(electionJson),
  };
}

/** Prints an audit: the genesis, then the memberships, then the elections. */
export function printAudit(stdout: OutputStream, audit: Audit): void {
  const { genesis, memberships, elections } = audit;
  const blocks: (() => void)[] = [];
  if (genesis !== null) blocks.push(() => printGenesis(stdout, genesis));
  if (memberships.some(({ sequence }) => sequence > 0)) {
    blocks.push(() => printMemberships(stdout, memberships));
  }
  const [election, ...others] = elections;
  if (election !== undefined && others.length === 0) {
    blocks.push(() => printElection(stdout, election));
  } else if (election !== undefined) blocks.push(() => printElections(stdout, elections));
  blocks.forEach((print, at) => {
    if (at > 0) stdout.write("\n");
    print();
  });
}

/** The changes of a membership, as short sentences; the number of members if there is no earlier membership. */
function describeChange(before: Membership | null, after: Membership): string {
  if (before === null) return `${after.members.length} members, those before not at hand`;
  const changes = [
    ...after.members.flatMap((member) => {
      const known = before.members.find(({ id }) => id === member.id);
      return known === undefined ? [describeJoiner(member)] : describeMember(known, member);
    }),
    ...before.members.filter(({ id }) => after.members.every((member) => member.id !== id))
      .map(({ id }) => `${id} leaves`),
  ];
  if (after.threshold !== before.threshold) {
    changes.push(`${after.threshold} must sign, not ${before.threshold}`);
  }
  if (changes.length > 0) return changes.join("; ");
  // The genesis has neither addresses nor channel keys; the first statement of its epoch has them.
  return after.epoch === before.epoch
    ? "addresses and channel keys are stated"
    : "new shares for all voters";
}

function describeJoiner({ id, role, verifyingShare }: KnownMember): string {
  if (role === "learner") return `${id} joins as a learner`;
  return verifyingShare === null ? `${id} joins, without a share` : `${id} joins`;
}

function describeMember(before: KnownMember, after: KnownMember): string[] {
  const { id } = after;
  const changes: string[] = [];
  if (before.role !== after.role) {
    changes.push(after.role === "voter" ? `${id} votes` : `${id} votes no more`);
  } else if (after.role === "voter" && after.verifyingShare === null) {
    changes.push(`${id} has no share`);
  }
  if (!equalBytes(before.identityKey, after.identityKey)) changes.push(`${id}: new identity key`);
  const { channelKey: old, peerAddress, apiAddress } = before;
  // The genesis has neither channel keys nor addresses.
  if (old === undefined || after.channelKey === undefined) return changes;
  if (!equalBytes(old, after.channelKey)) changes.push(`${id}: new channel key`);
  if (peerAddress !== after.peerAddress || apiAddress !== after.apiAddress) {
    changes.push(`${id}: new address`);
  }
  return changes;
}

/** The threshold, and the number of voters. */
function mustSign({ threshold, members }: Membership): string {
  return `${threshold} of ${members.filter(({ role }) => role === "voter").length}`;
}

function genesisJson({ statement, configFile }: AuditedGenesis): Record<string, unknown> {
  const { cluster, epoch, threshold, voters, publicKey, transcriptHash } = statement;
  return {
    cluster,
    epoch,
    threshold,
    voters: voters.map(({ id, identityKey }) => ({ id, identityKey: encodeHex(identityKey) })),
    publicKey: encodeHex(publicKey),
    verifierKey: encodeVerifierKey(cluster, publicKey),
    transcriptHash: encodeHex(transcriptHash),
    config: configFile,
  };
}

function membershipJson(membership: Membership): Record<string, unknown> {
  const { cluster, sequence, epoch, threshold, members, hash } = membership;
  return {
    ...{ cluster, sequence, epoch, threshold, hash: encodeHex(hash) },
    members: members.map(({ id, role, identityKey, peerAddress, apiAddress, ...member }) => ({
      ...{ id, role, identityKey: encodeHex(identityKey) },
      hasShare: member.verifyingShare !== null,
      ...{ peer: peerAddress ?? null, api: apiAddress ?? null },
    })),
  };
}

function electionJson({ certificate, membership }: AuditedElection): Record<string, unknown> {
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = certificate;
  const election = { cluster, epoch, term, leader, lastLogIndex, lastLogTerm };
  return { ...election, membership: membership?.sequence ?? null };
}

function printGenesis(stdout: OutputStream, { statement, configFile }: AuditedGenesis): void {
  const { cluster, epoch, threshold, voters, publicKey, transcriptHash } = statement;
  const rows = voters.map(({ id, identityKey }) => [id, encodeHex(identityKey)]);
  printTable(stdout, ["SIGNED BY", "IDENTITY KEY"], rows);
  stdout.write("\n");
  const valid = configFile === null
    ? "valid, and named by membership 1"
    : `valid, signed by all ${voters.length} nodes of ${configFile}`;
  printFields(stdout, [
    ["genesis", valid],
    ["cluster", cluster],
    ["epoch", epoch],
    ["must sign", `${threshold} of ${voters.length}`],
    ["group key", encodeHex(publicKey)],
    ["verifier key", encodeVerifierKey(cluster, publicKey)],
    ["transcript", encodeHex(transcriptHash)],
  ]);
}

function printMemberships(stdout: OutputStream, memberships: readonly Membership[]): void {
  const rows = memberships.flatMap((membership, at) => {
    const { sequence, epoch } = membership;
    if (sequence === 0) return [];
    const what = describeChange(memberships[at - 1] ?? null, membership);
    return [[sequence, epoch, mustSign(membership), what]];
  });
  printTable(stdout, ["MEMBERSHIP", "EPOCH", "MUST SIGN", "CHANGE"], rows);
  const last = memberships.at(-1);
  if (last === undefined) return;
  stdout.write("\n");
  const members = last.members.map(({ id, role, identityKey, verifyingShare }) => {
    const roleText = role === "voter" && verifyingShare === null ? "voter, no share" : role;
    return [id, roleText, encodeHex(identityKey)];
  });
  printTable(stdout, ["MEMBER", "ROLE", "IDENTITY KEY"], members);
  stdout.write("\n");
  printFields(stdout, [
    ["memberships", `valid, up to number ${last.sequence}`],
    ["cluster", last.cluster],
    ["epoch", last.epoch],
    ["must sign", mustSign(last)],
    ["group key", encodeHex(last.publicKey)],
  ]);
}

function printElection(stdout: OutputStream, election: AuditedElection): void {
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = election.certificate;
  printFields(stdout, [
    ["certificate", "valid"],
    ["cluster", cluster],
    ["term", term],
    ["leader", leader],
    ["epoch", epoch],
    ["log index", lastLogIndex],
    ["log term", lastLogTerm],
    ...membershipField(election),
  ]);
}

/** Without a chain, only the group key checks an election, and the table says nothing about the voter. */
function membershipField({ membership }: AuditedElection): [string, string][] {
  if (membership === null) return [];
  const { sequence, epoch } = membership;
  const beginning = sequence === 0 ? "the genesis" : `membership ${sequence}`;
  return [["voter of", `epoch ${epoch}, which ${beginning} began`]];
}

function printElections(stdout: OutputStream, elections: readonly AuditedElection[]): void {
  const rows = elections.map(({ certificate, membership }) => {
    const { term, leader, epoch, lastLogIndex, lastLogTerm } = certificate;
    const known = membership === null ? "not in these files" : "voter of that epoch";
    return [term, leader, epoch, `${lastLogIndex} ${lastLogTerm}`, known];
  });
  printTable(stdout, ["TERM", "LEADER", "EPOCH", "LOG", "MEMBERSHIP"], rows);
  stdout.write("\n");
  printFields(stdout, [
    ["certificates", `valid, all ${elections.length}; no term has two leaders`],
    ["terms", describeTerms(elections)],
  ]);
}

/** Most terms that are named one by one. */
const TERMS_NAMED_MAX = 20;

/**
 * The range of terms, and the terms in it without a certificate: they had no leader, or the files lack its
 * certificate.
 */
function describeTerms(elections: readonly AuditedElection[]): string {
  const [first = 0, last = 0] = [elections[0], elections.at(-1)].map((one) =>
    one?.certificate.term
  );
  const known = new Set<number>(elections.map(({ certificate }) => certificate.term));
  const missing: number[] = [];
  for (let term: number = first; term < last && missing.length <= TERMS_NAMED_MAX; term++) {
    if (!known.has(term)) missing.push(term);
  }
  const range = `${first} to ${last}`;
  if (missing.length === 0) return `${range}, each with its leader`;
  const named = missing.slice(0, TERMS_NAMED_MAX).join(", ");
  return `${range}; no certificate of ${named}${missing.length > TERMS_NAMED_MAX ? ", ..." : ""}`;
}
