import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { type Membership, verifyMembership } from "../../lib/certificate/mod.ts";
import { generateLocalCluster, type PinnedClusterConfig } from "../../lib/config/cluster_config.ts";
import { explainNoSpare, toGoal, toPlan } from "../../lib/node/members_goal.ts";
import type { MemberCard, MembersRequest } from "../../lib/node/members_api.ts";
import { ChangingKey, nodeId } from "../support/changing_key.ts";

const FIVE = [1, 2, 3, 4, 5];

/** A cluster whose genesis, and one statement after it, are known. */
function makeCluster(threshold = 3): { readonly key: ChangingKey; readonly current: Membership } {
  const key = new ChangingKey({ voters: FIVE, threshold });
  const wanted = { voters: FIVE, threshold, learners: [6], isResharing: false };
  const { entry } = key.change(key.genesis, wanted);
  return { key, current: verifyMembership(key.genesis, entry) };
}

const { key, current } = makeCluster();
const config: PinnedClusterConfig = { ...generateLocalCluster({ nodes: 1 }), peers: [] };

function card(number: number, port = 7101): MemberCard {
  const { id, identityKey, channelKey } = key.planned(number, "voter");
  return {
    id,
    peer: parseAddress(`10.0.0.${number}:${port}`),
    api: parseAddress(`10.0.0.${number}:${port + 100}`),
    keys: { signingKey: identityKey, channelKey },
  };
}

function goalOf(request: MembersRequest) {
  return toGoal({ current, config }, request);
}

const REFUSED: readonly (readonly [string, MembersRequest, RegExp])[] = [
  ["a member again", { add: [{ card: card(2), isLearner: false }] }, /n2 is a member already/],
  ["somebody who is none", { remove: [nodeId(9)] }, /n9 is no member; the members are n1, /],
  ["a voter's promotion", { promote: [nodeId(1)] }, /n1 is a voter already/],
  ["a learner's demotion", { demote: [nodeId(6)] }, /n6 is a learner already/],
  ["one node twice", { remove: [nodeId(1)], demote: [nodeId(1)] }, /n1 is named twice/],
  ["an address that is taken", {
    add: [{ card: { ...card(7), peer: parseAddress("10.0.0.1:7101") }, isLearner: false }],
  }, /10\.0\.0\.1:7101 is n1's address already, so it cannot be n7's/],
  ["nothing", {}, /Nothing would change/],
];

for (const [what, request, message] of REFUSED) {
  Deno.test(`toGoal() refuses ${what}`, () => {
    assert.throws(() => goalOf(request), message);
  });
}

Deno.test("toGoal() refuses an id that was used before", () => {
  const { entry } = key.change(current, { voters: [1, 2, 3, 4], threshold: 3 });
  const after = verifyMembership(current, entry);
  const request = { add: [{ card: card(5), isLearner: false }] };
  assert.throws(() => toGoal({ current: after, config }, request), /n5 was a member once/);
  assert.throws(
    () => toGoal({ current: after, config }, { remove: [nodeId(5)] }),
    /n5 was removed/,
  );
});

Deno.test("toGoal() gives a new node the next number, and who leaves frees its address", () => {
  const successor = { ...card(7), peer: parseAddress("10.0.0.4:7101") };
  const goal = goalOf({ remove: [nodeId(4)], add: [{ card: successor, isLearner: false }] });
  const joiner = goal.members.at(-1);
  assert.deepEqual([joiner?.id, joiner?.identifier, joiner?.role], ["n7", 7, "voter"]);
  assert.deepEqual(goal.leaving.map(({ id }) => id), ["n4"]);
});

Deno.test("toGoal() keeps a bare majority, and otherwise as many liars as before", () => {
  const add = [{ card: card(7), isLearner: false }];
  assert.equal(goalOf({ add }).threshold, 4);
  assert.equal(goalOf({ remove: [nodeId(5)] }).threshold, 3);
  const strict = makeCluster(4).current;
  assert.equal(toGoal({ current: strict, config }, { add }).threshold, 5);
  assert.equal(toGoal({ current: strict, config }, { remove: [nodeId(5)] }).threshold, 4);
  assert.equal(goalOf({ add, threshold: 5 }).threshold, 5);
});

Deno.test("toPlan() says each step: a statement first, then shares", () => {
  const goal = goalOf({ remove: [nodeId(4)], add: [{ card: card(7), isLearner: false }] });
  const up = FIVE.map(nodeId);
  const { steps } = toPlan(current, { goal, epoch: current.epoch, up });
  assert.deepEqual(steps[0]?.learners, ["n6", "n7"]);
  assert.match(steps[0]?.text ?? "", /^add n7 as a learner: 3 of 5 as before/);
  assert.ok(steps.length >= 2 && steps.slice(1).every(({ kind }) => kind === "resharing"));
  assert.deepEqual(steps.at(-1)?.voters.toSorted(), ["n1", "n2", "n3", "n5", "n7"]);
});

Deno.test("toPlan() removes who is down first, and refuses what cannot be signed", () => {
  const goal = goalOf({ remove: [nodeId(4)] });
  const plan = (up: readonly number[]) =>
    toPlan(current, { goal, epoch: current.epoch, up: up.map(nodeId) });
  assert.deepEqual(plan([1, 2, 3, 5]).steps[0]?.voters, ["n1", "n2", "n3", "n5"]);
  assert.throws(() => plan([1, 2]), /2 voters with a share are up, and 3 must sign/);
});

Deno.test("explainNoSpare() objects to a plan that leaves as many shares as must sign", () => {
  const why = (request: MembersRequest, up: readonly number[] = FIVE) => {
    const goal = goalOf(request);
    return explainNoSpare(toPlan(current, { goal, epoch: current.epoch, up: up.map(nodeId) }));
  };
  const removal = { remove: [nodeId(4), nodeId(5)], threshold: 3 };
  assert.match(why(removal) ?? "", /3 voters would hold a share, and 3 must sign/);
  assert.match(why(removal) ?? "", /--allow-no-spare, in the API allowNoSpare/);
  assert.match(why({ threshold: 5 }) ?? "", /5 voters would hold a share/);
  assert.match(
    why({ refresh: true }, [1, 2, 3]) ?? "",
    /n4, n5 cannot be reached, and would get no/,
  );
  assert.equal(why({ refresh: true }, [1, 2, 3, 4]), null);
  const replaced = { remove: [nodeId(5)], add: [{ card: card(7), isLearner: false }] };
  assert.equal(why(replaced, [1, 2, 3, 4]), null);
  assert.equal(why({ update: [{ ...card(6), peer: parseAddress("10.0.0.66:7101") }] }), null);
});

Deno.test("explainNoSpare() lets a cluster refresh that had no spare share before", () => {
  const key = new ChangingKey({ voters: [1, 2, 3], threshold: 3 });
  const wanted = { voters: [1, 2, 3], threshold: 3, isResharing: false };
  const current = verifyMembership(key.genesis, key.change(key.genesis, wanted).entry);
  const goal = toGoal({ current, config }, { refresh: true });
  const up = [1, 2, 3].map(nodeId);
  const plan = toPlan(current, { goal, epoch: current.epoch, up });
  assert.deepEqual([plan.sparesAfter, explainNoSpare(plan)], [0, null]);
});

Deno.test("toPlan() has nothing to do for a goal that only moves a learner's address", () => {
  const moved = goalOf({ update: [{ ...card(6), peer: parseAddress("10.0.0.66:7101") }] });
  const { steps } = toPlan(current, { goal: moved, epoch: current.epoch, up: [] });
  assert.deepEqual(steps.map(({ kind }) => kind), ["statement"]);
});
