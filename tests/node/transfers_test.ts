import assert from "node:assert/strict";
import { RequestError } from "../../lib/node/api.ts";
import { Transfers } from "../../lib/node/transfers.ts";
import type { Input, Output } from "../../lib/raft/mod.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { NO_OUTPUT } from "../raft/harness.ts";

const TARGET = toNodeId("n2");
const DEADLINE_MS = 1000;

function transfers(): { wishes: Transfers; inputs: Input[] } {
  const inputs: Input[] = [];
  return { wishes: new Transfers((input) => inputs.push(input)), inputs };
}

function led(leader: string | null): Output {
  const id = leader === null ? null : toNodeId(leader);
  const role = { role: "follower", term: toTerm(2), leader: id, certificate: null } as const;
  return { ...NO_OUTPUT, role };
}

function handedOver(): Output {
  return {
    ...NO_OUTPUT,
    transfers: [{ kind: "handedOver", transferId: 1, target: TARGET }],
    role: led(null).role,
  };
}

/** The code of a failure after which nothing comes of the wish. */
async function code(promise: Promise<unknown>): Promise<string> {
  const { code, maybeApplied } = await failureOf(promise);
  assert.equal(maybeApplied, false);
  return code;
}

async function failureOf(promise: Promise<unknown>): Promise<RequestError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof RequestError);
    return error;
  }
  return assert.fail("the transfer succeeded");
}

Deno.test("request() resolves with the target once it is known to lead", async () => {
  const { wishes, inputs } = transfers();
  const leader = wishes.request(null, DEADLINE_MS);
  assert.deepEqual(inputs, [{ kind: "transfer", transferId: 1, target: null }]);
  wishes.handle(handedOver());
  wishes.handle(led("n2"));
  assert.equal(await leader, "n2");
});

Deno.test("request() fails when another node is elected in the end", async () => {
  const { wishes } = transfers();
  const failure = code(wishes.request(TARGET, DEADLINE_MS));
  wishes.handle(handedOver());
  wishes.handle(led("n3"));
  assert.equal(await failure, "transfer_failed");
});

Deno.test("request() is not settled by a leader that was known before", async () => {
  const { wishes } = transfers();
  const failure = failureOf(wishes.request(TARGET, DEADLINE_MS));
  wishes.handle(led("n2"));
  wishes.stop();
  const { code, maybeApplied } = await failure;
  assert.deepEqual([code, maybeApplied], ["stopping", true]);
});

Deno.test("request() says that a target that did not take over may do so late", async () => {
  const { wishes } = transfers();
  const failure = failureOf(wishes.request(TARGET, DEADLINE_MS));
  wishes.handle({
    ...NO_OUTPUT,
    transfers: [{ kind: "aborted", transferId: 1, target: TARGET }],
  });
  const { code, maybeApplied, message } = await failure;
  assert.deepEqual([code, maybeApplied], ["transfer_failed", true]);
  assert.match(message, /did not take over within an election timeout, and may still do so/);
});

const REFUSALS = {
  notLeader: "not_leader",
  transferring: "transferring",
  noTarget: "no_target",
} as const;

for (const [reason, expected] of Object.entries(REFUSALS)) {
  Deno.test(`request() refused with ${reason} fails with ${expected}`, async () => {
    const { wishes } = transfers();
    const failure = code(wishes.request(TARGET, DEADLINE_MS));
    const refused = reason as keyof typeof REFUSALS;
    wishes.handle({
      ...NO_OUTPUT,
      transfers: [{ kind: "refused", transferId: 1, reason: refused }],
    });
    assert.equal(await failure, expected);
  });
}

for (
  const [wanted, expected] of [
    [TARGET, `Cannot hand over to ${TARGET}: it does not follow this leader`],
    [null, "Cannot hand over: no follower that is connected is far enough to lead"],
  ] as const
) {
  Deno.test(`request() for ${wanted ?? "any follower"} names whom there is not`, async () => {
    const { wishes } = transfers();
    const failure = failureOf(wishes.request(wanted, DEADLINE_MS));
    wishes.handle({
      ...NO_OUTPUT,
      transfers: [{ kind: "refused", transferId: 1, reason: "noTarget" }],
    });
    const { code, maybeApplied, message } = await failure;
    assert.deepEqual([code, maybeApplied, message], ["no_target", false, expected]);
  });
}

Deno.test("request() after which nobody is known to lead ends at its deadline", async () => {
  const { wishes } = transfers();
  const failure = failureOf(wishes.request(TARGET, DEADLINE_MS));
  wishes.handle(handedOver());
  wishes.expire(DEADLINE_MS - 1);
  wishes.expire(DEADLINE_MS);
  const { code, maybeApplied } = await failure;
  assert.deepEqual([code, maybeApplied], ["timeout", true]);
});
