/**
 * Voters of a real cluster that lie together: with their keys, a second leader of a term gets a certificate, and
 * claims to lead.
 *
 * @module
 */

import { assertDefined } from "../../../lib/assert.ts";
import { createCertifier } from "../../../lib/certificate/mod.ts";
import { readNodeKeys } from "../../../lib/keys/node_keys.ts";
import { toEpoch, toLogIndex, toTerm } from "../../../lib/types.ts";
import { encodeFrame } from "../../../lib/transport/frame.ts";
import { encodeMessage } from "../../../lib/transport/message_codec.ts";
import type { NodeId } from "../../../lib/types.ts";
import { connectMember, routeOf } from "../../attacks/member.ts";
import { certify } from "../../certificate/election.ts";
import { heartbeat } from "../../raft/messages.ts";
import type { TestCluster } from "./test_cluster.ts";

/** A certificate for `leader` that the cluster's own voters sign, though they have signed another one's. */
export function secondCertificate(
  cluster: TestCluster,
  { term, leader }: { readonly term: number; readonly leader: NodeId },
): string {
  const { group } = cluster;
  const certifiers = group.voters.map(({ id }) => {
    const { shares } = readNodeKeys(cluster.keyFolder(id), cluster.config);
    const { secret } = assertDefined(shares.reveal().current ?? undefined, "no share");
    return createCertifier({ group, self: id, share: secret, randomBytes });
  });
  const signers = certifiers.slice(0, group.threshold).map((_, at) => at);
  return certify(certifiers, signers, {
    epoch: toEpoch(1),
    term: toTerm(term),
    leader,
    lastLogIndex: toLogIndex(1_000_000),
    lastLogTerm: toTerm(term - 1),
  });
}

/** Has `from` claim to lead with this note, at one node, until that has logged what it makes of it. */
export async function claimToLead(
  cluster: TestCluster,
  { from, to, term, note, logged }: {
    readonly from: NodeId;
    readonly to: NodeId;
    readonly term: number;
    readonly note: string;
    readonly logged: "certificate.second" | "certificate.refused";
  },
): Promise<void> {
  using member = await connectMember(routeOf(cluster, { from, to }));
  await member.say(encodeFrame(encodeMessage(heartbeat({ from, to, term, note }))));
  await cluster.process(to).said.waitFor(logged, ({ event }) => event === logged);
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
