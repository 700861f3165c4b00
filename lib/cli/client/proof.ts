/**
 * How `floe verify` tells what it found to hold.
 *
 * @module
 */

import { encodeHex } from "../../bytes.ts";
import {
  encodeVerifierKey,
  type GenesisStatement,
  type VerifiedCertificate,
} from "../../certificate/mod.ts";
import type { OutputStream } from "../command.ts";
import { printFields, printTable } from "../output.ts";

/** A genesis that every node of a configuration signed. */
export interface ProvenGenesis {
  /** What they signed. */
  readonly statement: GenesisStatement;
  /** The file that pins the keys that they signed with. */
  readonly configFile: string;
}

/** What was verified: a genesis, an election, or an election by the key of a genesis. */
export type Proof =
  | { readonly genesis: ProvenGenesis; readonly election: null }
  | { readonly genesis: ProvenGenesis | null; readonly election: VerifiedCertificate };

/** The proof as data; `kind` is of the certificate that was asked about. */
export function toProofJson({ genesis, election }: Proof): unknown {
  if (election === null) return { valid: true, kind: "genesis", ...genesisJson(genesis) };
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = election;
  return {
    valid: true,
    kind: "election",
    ...{ cluster, epoch, term, leader, lastLogIndex, lastLogTerm },
    ...(genesis === null ? {} : { genesis: genesisJson(genesis) }),
  };
}

/** The proof for people: a block for each certificate, in the order in which one follows the other. */
export function printProof(stdout: OutputStream, { genesis, election }: Proof): void {
  if (genesis !== null) printGenesis(stdout, genesis);
  if (genesis !== null && election !== null) stdout.write("\n");
  if (election !== null) printElection(stdout, election);
}

function genesisJson({ statement, configFile }: ProvenGenesis): Record<string, unknown> {
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

function printGenesis(stdout: OutputStream, { statement, configFile }: ProvenGenesis): void {
  const { cluster, epoch, threshold, voters, publicKey, transcriptHash } = statement;
  const rows = voters.map(({ id, identityKey }) => [id, encodeHex(identityKey)]);
  printTable(stdout, ["SIGNED BY", "IDENTITY KEY"], rows);
  stdout.write("\n");
  printFields(stdout, [
    ["genesis", `valid, signed by all ${voters.length} nodes of ${configFile}`],
    ["cluster", cluster],
    ["epoch", epoch],
    ["must sign", `${threshold} of ${voters.length}`],
    ["group key", encodeHex(publicKey)],
    ["verifier key", encodeVerifierKey(cluster, publicKey)],
    ["transcript", encodeHex(transcriptHash)],
  ]);
}

function printElection(stdout: OutputStream, election: VerifiedCertificate): void {
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = election;
  printFields(stdout, [
    ["certificate", "valid"],
    ["cluster", cluster],
    ["term", term],
    ["leader", leader],
    ["epoch", epoch],
    ["log index", lastLogIndex],
    ["log term", lastLogTerm],
  ]);
}
