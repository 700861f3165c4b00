/**
 * What a cluster's notes prove together, under one key: its genesis, its members over time, and its leaders. It
 * works offline.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { equalBytes } from "../../bytes.ts";
import {
  beginMembershipChain,
  GENESIS_KIND,
  type GenesisRoster,
  type GenesisStatement,
  type GroupKey,
  hashMembership,
  type Membership,
  MEMBERSHIP_KIND,
  type MembershipCertificate,
  type MembershipStatement,
  STATEMENT_KIND,
  toFirstMembership,
  type VerifiedCertificate,
  verifyCertificate,
  verifyGenesis,
  verifyMembership,
  verifyMembershipNote,
} from "../../certificate/mod.ts";
import { type ClusterName, type Epoch, toClusterName } from "../../types.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { type Note, orRefuse, refusedFile } from "./notes.ts";

/** The keys that an auditor trusts. */
interface Trust {
  /** The group key, from the auditor; null if it comes from the genesis. */
  readonly key: GroupKey | null;
  /**
   * The configuration whose identity keys must have signed the genesis. It is read only if nothing else proves the
   * genesis.
   */
  roster(): Promise<{ readonly roster: GenesisRoster; readonly file: string }>;
}

/** What the notes prove. */
export interface Audit {
  /** The genesis, if the notes have it. */
  readonly genesis: AuditedGenesis | null;
  /** The membership after each step of the chain; the first is the genesis's own, if the notes have it. */
  readonly memberships: readonly Membership[];
  /** The elections, by rising term. */
  readonly elections: readonly AuditedElection[];
}

/** A genesis, and what proves it. */
export interface AuditedGenesis {
  readonly statement: GenesisStatement;
  /** The configuration whose keys signed it; null if the first membership names its hash under the group key. */
  readonly configFile: string | null;
}

/** An election, and the memberships of its epoch. */
export interface AuditedElection {
  readonly certificate: VerifiedCertificate;
  /** The membership that began its epoch; null if the notes do not have it. */
  readonly membership: Membership | null;
}

/** A membership note that the group key signed. */
interface SignedMembership extends Note {
  readonly statement: MembershipStatement;
  readonly by: Epoch;
}

/** A certificate of the chain, with the place of its notes. */
interface Link extends MembershipCertificate {
  readonly file: string;
  readonly sequence: number;
}

/**
 * Verifies all notes together.
 *
 * @throws {CommandError} with {@linkcode ExitCode.verificationFailed} for the first that does not verify,
 * and with {@linkcode ExitCode.usage} when nothing says which key to trust.
 */
export async function audit(notes: readonly Note[], trust: Trust): Promise<Audit> {
  const ofKind = (kind: Note["kind"]) => notes.filter((note) => note.kind === kind);
  const changes = ofKind(MEMBERSHIP_KIND);
  const genesis = await auditGenesis(ofKind(GENESIS_KIND), {
    ...trust,
    hasChanges: changes.length > 0,
  });
  const key = genesis?.statement ?? trust.key;
  if (key === null) {
    throw new CommandError(
      ExitCode.usage,
      "Elections and memberships are checked against the group key: name it with --key, or give " +
        "the file with the genesis certificate that it comes from as well",
    );
  }
  const memberships = auditMemberships(genesis, changes, key);
  const cluster = memberships[0]?.cluster ?? key.cluster;
  const elections = ofKind(STATEMENT_KIND)
    .map((note) => auditElection(note, { publicKey: key.publicKey, cluster }, memberships));
  return { genesis, memberships, elections: inOrder(elections) };
}

/**
 * The operators' identity keys prove a genesis, or the first membership does, which names its hash. The group key
 * alone does not, because anyone can write a genesis for a key.
 */
async function auditGenesis(
  notes: readonly Note[],
  { key, roster, hasChanges }: Trust & { readonly hasChanges: boolean },
): Promise<AuditedGenesis | null> {
  const [note, ...others] = notes;
  if (note === undefined) return null;
  const second = others.find(({ text }) => text !== note.text);
  if (second !== undefined) {
    throw refusedFile(second.file, "Cannot accept a second genesis certificate of one cluster");
  }
  const pinned = key !== null && hasChanges ? null : await roster();
  const statement = orRefuse(note, () => verifyGenesis(note.text, pinned?.roster));
  if (key === null || equalBytes(key.publicKey, statement.publicKey)) {
    return { statement, configFile: pinned?.file ?? null };
  }
  throw refusedFile(
    note.file,
    "Cannot accept genesis certificate: it is of another group key than --key",
  );
}

function auditMemberships(
  genesis: AuditedGenesis | null,
  notes: readonly Note[],
  key: GroupKey,
): readonly Membership[] {
  const links = toLinks(notes.map((note) => readMembership(note, key)));
  const begun = genesis === null ? null : toFirstMembership(genesis.statement);
  const chain = begun === null ? [] : [begun];
  for (const link of links) {
    const before = chain.at(-1);
    if (before === undefined) {
      const { publicKey } = key;
      const cluster = clusterOf(link);
      chain.push(orRefuse(link, () => beginMembershipChain(link, { cluster, publicKey })));
      continue;
    }
    if (link.sequence > before.sequence + 1) {
      const missing = before.sequence + 1;
      throw refusedFile(
        link.file,
        `Cannot follow membership ${link.sequence}: number ${missing} is in none of the files. ` +
          "floe group --memberships prints them all",
      );
    }
    chain.push(orRefuse(link, () => verifyMembership(before, link)));
  }
  return chain;
}

/** The cluster that a note names. The check of the note decides whether that is true. */
function clusterOf({ byOld }: MembershipCertificate): ClusterName {
  return toClusterName(/^cluster (.*)$/m.exec(byOld)?.[1]);
}

function readMembership(note: Note, { publicKey, cluster }: GroupKey): SignedMembership {
  return orRefuse(note, () => {
    const named = cluster ?? clusterOf({ byOld: note.text, byNew: null });
    return { ...note, ...verifyMembershipNote(note.text, { cluster: named, publicKey }) };
  });
}

/** The notes of each position of the chain as one certificate, in order. */
function toLinks(notes: readonly SignedMembership[]): Link[] {
  const positions = Map.groupBy(notes, ({ statement }) => statement.sequence);
  return [...positions].toSorted(([left], [right]) => left - right)
    .map(([sequence, ofOne]) => toLink(sequence, ofOne));
}

function toLink(sequence: number, notes: readonly SignedMembership[]): Link {
  const first = assertDefined(notes[0], "A position has no note");
  const hash = hashMembership(first.statement);
  const other = notes.find(({ statement }) => !equalBytes(hashMembership(statement), hash));
  if (other !== undefined) {
    throw refusedFile(
      other.file,
      `Cannot accept a second membership ${sequence}: the group key signed two that differ, so ` +
        "more voters lied than this cluster withstands",
    );
  }
  const [byOld, byNew, third] = [...new Map(notes.map((note) => [note.by, note])).values()]
    .toSorted((left, right) => left.by - right.by);
  const { file } = first;
  if (third !== undefined) {
    throw refusedFile(file, `Cannot accept membership ${sequence}: three epochs signed it`);
  }
  if (byOld !== undefined && byNew === undefined && byOld.by < first.statement.epoch) {
    throw refusedFile(
      file,
      `Cannot accept membership ${sequence}: the signature by epoch ${first.statement.epoch} is in ` +
        "none of the files",
    );
  }
  return { file, sequence, byOld: byOld?.text ?? "", byNew: byNew?.text ?? null };
}

function auditElection(
  note: Note,
  key: GroupKey,
  memberships: readonly Membership[],
): AuditedElection {
  const certificate = orRefuse(note, () => verifyCertificate(note.text, key));
  const { epoch, leader } = certificate;
  const membership = memberships.find((one) => one.epoch === epoch) ?? null;
  const isVoter = membership?.members.some(({ id, role }) => id === leader && role === "voter");
  if (isVoter !== false) return { certificate, membership };
  throw refusedFile(
    note.file,
    `Cannot accept certificate: its leader ${leader} is no voter of epoch ${epoch}`,
  );
}

/** By rising term, each once. Two leaders of one term prove that many voters lied. */
function inOrder(elections: readonly AuditedElection[]): AuditedElection[] {
  const ofTerm = new Map<number, AuditedElection>();
  for (const election of elections) {
    const { term, leader } = election.certificate;
    const known = ofTerm.get(term)?.certificate.leader ?? leader;
    if (known !== leader) {
      throw new CommandError(
        ExitCode.verificationFailed,
        `The group key signed ${known} and ${leader} as leaders of term ${term}: more voters lied ` +
          "than this cluster withstands",
      );
    }
    ofTerm.set(term, election);
  }
  return [...ofTerm.values()].toSorted((left, right) =>
    left.certificate.term - right.certificate.term
  );
}
