/**
 * A genuine certificate that belongs elsewhere: enough voters signed it, under the very same key, but
 * for another cluster or another epoch.
 *
 * @module
 */

import { assert } from "../../lib/assert.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { type NodeId, type Term, toLogIndex, toTerm } from "../../lib/types.ts";

/** Lets these voters, as many as must sign, certify a leader. */
export function signForeignNote(
  signers: ReadonlyMap<NodeId, Certifier>,
  { term, leader }: { readonly term: Term; readonly leader: NodeId },
): string {
  const [first] = signers.values();
  assert(first !== undefined, "Somebody signs");
  const place = { lastLogIndex: toLogIndex(0), lastLogTerm: toTerm(0) };
  const election = { epoch: first.epoch, term, leader, ...place };
  const commitments = [...signers].map(([voter, certifier]) => {
    return { voter, commitment: certifier.commit({ term, candidate: leader }) };
  });
  const request = { election, commitments };
  const shares = new Map([...signers].map(([voter, certifier]) => {
    return [voter, certifier.sign(certifier.takeNonce(request))];
  }));
  const result = first.combine(request, shares);
  assert(result.kind === "certificate", "Everybody's share is right");
  return result.certificate.note;
}
