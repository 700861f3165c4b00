/**
 * A whole certified election in a few lines, for tests that need its parts.
 *
 * @module
 */

import type {
  Certifier,
  CombineResult,
  ElectionFields,
  SigningRequest,
} from "../../lib/certificate/certifier.ts";
import type { NodeId } from "../../lib/types.ts";
import { electionFields } from "./cluster.ts";

/** Who each certifier signs for: voters come in the order of the certifiers. */
export interface TestElection {
  /** What is signed, and with whom. */
  readonly request: SigningRequest;
  /** Every signer's share. */
  readonly shares: Map<NodeId, Uint8Array>;
}

/** Round one for the signers at these positions. */
export function requestOf(
  certifiers: readonly Certifier[],
  signers: readonly number[],
  election: ElectionFields = electionFields(),
): SigningRequest {
  const { term, leader: candidate } = election;
  const commitments = signers.flatMap((at) => {
    const [certifier, voter] = [certifiers[at], certifiers[0]?.voters[at]];
    if (certifier === undefined || voter === undefined) return [];
    return [{ voter, commitment: certifier.commit({ term, candidate }) }];
  });
  return { election, commitments };
}

/** Both rounds for the signers at these positions. */
export function runRounds(
  certifiers: readonly Certifier[],
  signers: readonly number[],
  election: ElectionFields = electionFields(),
): TestElection {
  const request = requestOf(certifiers, signers, election);
  const shares = new Map<NodeId, Uint8Array>();
  for (const at of signers) {
    const [certifier, voter] = [certifiers[at], certifiers[0]?.voters[at]];
    if (certifier === undefined || voter === undefined) continue;
    shares.set(voter, certifier.sign(certifier.takeNonce(request)));
  }
  return { request, shares };
}

/** The note of a certificate that must have come out. */
export function noteOf(result: CombineResult): string {
  if (result.kind !== "certificate") throw new Error(`cheaters: ${result.voters.join(", ")}`);
  return result.certificate.note;
}

/** A whole election: the note that the signers at these positions make. */
export function certify(
  certifiers: readonly Certifier[],
  signers: readonly number[],
  election: ElectionFields = electionFields(),
): string {
  const { request, shares } = runRounds(certifiers, signers, election);
  const [first] = certifiers;
  if (first === undefined) throw new Error("no certifiers");
  return noteOf(first.combine(request, shares));
}
