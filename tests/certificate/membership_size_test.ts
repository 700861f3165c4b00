/** How large a membership may be: everybody must be able to read what its shares sign. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { checkPlannedMembership, MEMBERS_MAX } from "../../lib/certificate/membership_chain.ts";
import { CertificateError, type Member } from "../../lib/certificate/mod.ts";
import { nodeId } from "./cluster.ts";
import { TestMemberships } from "./memberships.ts";

/** A statement that adds learners whose addresses have so many characters. */
function plan(learners: number, addressLength: number) {
  const world = new TestMemberships();
  const { membership: before } = world;
  const added = Array.from({ length: learners }, (_, at): Member => ({
    ...world.member(1),
    id: nodeId(at + 4),
    role: "learner",
    identifier: at + 4,
    identityKey: new Uint8Array(randomBytes(32)),
    channelKey: new Uint8Array(randomBytes(32)),
    verifyingShare: null,
    peerAddress: "a".repeat(addressLength),
  }));
  const { cluster, threshold, epoch, hash: previous } = before;
  const members = [1, 2, 3].map((number) => world.member(number));
  const planned = { cluster, threshold, epoch, previous, sequence: 1 };
  return { before, planned: { ...planned, members: [...members, ...added] } };
}

for (
  const [what, learners, addressLength, refusal] of [
    ["of many members with long addresses", 700, 250, /its 703 members take [0-9]+ bytes/],
    ["of more members than a message has", MEMBERS_MAX, 10, /has 1027 members, above 1024/],
  ] as const
) {
  Deno.test(`a statement ${what} is refused before anybody signs it`, () => {
    const { before, planned } = plan(learners, addressLength);
    assert.throws(() => checkPlannedMembership(before, planned), (error: Error) => {
      assert.ok(error instanceof CertificateError);
      assert.equal(error.refusal, "bad-roster");
      assert.match(error.message, refusal);
      return true;
    });
  });
}
