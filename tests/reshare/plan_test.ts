import assert from "node:assert/strict";
import { majorityOf, marginsOf } from "../../lib/margins.ts";
import {
  CHANGED_VOTERS_MAX,
  type ChangeRequest,
  describePlan,
  explainIntersection,
  planChange,
  type VoterSet,
} from "../../lib/reshare/mod.ts";
import { nodeId } from "./harness.ts";

function set(threshold: number, voters: readonly number[]): VoterSet {
  return { threshold, voters: voters.map(nodeId) };
}

function numbers(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, at) => from + at);
}

function request(
  before: VoterSet,
  after: VoterSet,
  options: { absent?: readonly number[]; lying?: number } = {},
): ChangeRequest {
  const { absent = [], lying } = options;
  return { before, after, absent: absent.map(nodeId), ...(lying === undefined ? {} : { lying }) };
}

/** The plan's steps as "t of n"; empty when it is impossible. */
function stepsOf(asked: ChangeRequest): string[] {
  const plan = planChange(asked);
  return plan.kind === "impossible"
    ? []
    : plan.steps.map(({ after }) => `${after.threshold} of ${after.voters.length}`);
}

/** All subsets with at least `least` items. */
function* subsetsOf(items: readonly string[], least: number): Generator<ReadonlySet<string>> {
  for (let bits = 0; bits < 2 ** items.length; bits++) {
    const subset = new Set(items.filter((_, at) => bits & (1 << at)));
    if (subset.size === least) yield subset;
  }
}

function sharedLeast(left: VoterSet, leftSize: number, right: VoterSet, rightSize: number): number {
  let least = Infinity;
  for (const one of subsetsOf(left.voters, leftSize)) {
    for (const other of subsetsOf(right.voters, rightSize)) {
      least = Math.min(least, [...one].filter((id) => other.has(id)).length);
    }
  }
  return least;
}

Deno.test("explainIntersection() allows only what every pair of quorums survives", () => {
  for (const voters of [2, 3, 4]) {
    for (const removed of [0, 1, 2]) {
      for (const added of [0, 1, 2]) {
        const after = numbers(voters - Math.min(removed, voters) + added, 1 + removed);
        if (after.length < 2) continue;
        for (let t = majorityOf(voters); t <= voters; t++) {
          for (let next = majorityOf(after.length); next <= after.length; next++) {
            const [left, right] = [set(t, numbers(voters)), set(next, after)];
            const liars = Math.min(
              marginsOf({ n: voters, threshold: t }).lying,
              marginsOf({ n: after.length, threshold: next }).lying,
            );
            if (explainIntersection(left, right) !== null) continue;
            assert.ok(sharedLeast(left, t, right, next) > liars);
            assert.ok(sharedLeast(left, majorityOf(voters), right, next) > 0);
            assert.ok(sharedLeast(left, t, right, majorityOf(after.length)) > 0);
          }
        }
      }
    }
  }
});

Deno.test("explainIntersection() says which rule a change breaks", () => {
  assert.equal(explainIntersection(set(3, numbers(5)), set(3, numbers(5))), null);
  assert.match(
    explainIntersection(set(3, numbers(5)), set(3, [1, 2, 3, 4, 6])) ?? "",
    /two leaders of one term/,
  );
  assert.match(explainIntersection(set(5, numbers(5)), set(2, [1, 2, 3])) ?? "", /new leader/);
  assert.match(explainIntersection(set(3, numbers(5)), set(3, [1, 2, 3])) ?? "", /old leader/);
});

Deno.test("planChange() makes in one step what is safe in one", () => {
  const five = numbers(5);
  assert.deepEqual(stepsOf(request(set(3, five), set(3, five))), ["3 of 5"]);
  assert.deepEqual(stepsOf(request(set(3, five), set(4, five))), ["4 of 5"]);
  assert.deepEqual(stepsOf(request(set(3, five), set(4, numbers(6)))), ["4 of 6"]);
  assert.deepEqual(stepsOf(request(set(3, five), set(3, numbers(4)))), ["3 of 4"]);
});

Deno.test("planChange() splits a replacement, and takes the dead voter out first", () => {
  const asked = request(set(3, numbers(5)), set(3, [1, 2, 3, 4, 6]), { absent: [5] });
  const plan = planChange(asked);
  assert.ok(plan.kind === "steps" && plan.steps.length === 2);
  assert.ok(plan.steps.every(({ after }) => !after.voters.includes(nodeId(5))));
  assert.ok(plan.steps.every(({ absent }) => absent.length === 0));
});

Deno.test("planChange() replaces a dead voter at every n from 3 on, with every threshold", () => {
  for (const n of numbers(7, 3)) {
    for (let t = majorityOf(n); t < n; t++) {
      const after = [...numbers(n - 1), n + 1];
      const steps = stepsOf(request(set(t, numbers(n)), set(t, after), { absent: [n] }));
      assert.ok(steps.length === 1 || steps.length === 2, `${t} of ${n}: ${steps}`);
    }
  }
});

Deno.test("planChange() replaces one voter while another is down, which stays without a share", () => {
  const asked = request(set(3, numbers(5)), set(3, [1, 2, 3, 5, 6]), { absent: [4, 5] });
  const plan = planChange(asked);
  assert.ok(plan.kind === "steps" || describePlan(asked, plan).length === 1);
  const alone = planChange(request(set(4, numbers(7)), set(4, [1, 2, 3, 4, 5, 7, 8]), {
    absent: [6, 7],
  }));
  assert.ok(alone.kind === "steps");
  assert.ok(alone.steps.every(({ absent }) => absent.join() === nodeId(7)));
});

Deno.test("planChange() goes only where each step is safe and can sign, whatever is asked", () => {
  for (const n of [3, 4, 5, 7]) {
    for (let t = majorityOf(n); t <= n; t++) {
      for (const m of [2, 3, 4, 5, 6, 9]) {
        for (const from of [1, 2, 3]) {
          for (let next = Math.max(2, majorityOf(m)); next <= m; next++) {
            const asked = request(set(t, numbers(n)), set(next, numbers(m, from)));
            const plan = planChange(asked);
            assert.ok(plan.kind === "steps", `${t} of ${n} to ${next} of ${m} from ${from}`);
            let before = asked.before;
            for (const { after, margins } of plan.steps) {
              assert.equal(explainIntersection(before, after), null);
              assert.ok(margins.lying >= plan.lying);
              before = after;
            }
            assert.equal(before.threshold, next);
            assert.deepEqual([...before.voters].sort(), [...asked.after.voters].sort());
          }
        }
      }
    }
  }
});

Deno.test("planChange() replaces all of a cluster", () => {
  const steps = stepsOf(request(set(3, numbers(5)), set(3, numbers(5, 6))));
  assert.ok(steps.length > 2 && steps.at(-1) === "3 of 5", `${steps}`);
});

Deno.test("planChange() says why nothing can be done", () => {
  const five = set(3, numbers(5));
  const why = (asked: ChangeRequest) => {
    const plan = planChange(asked);
    assert.ok(plan.kind === "impossible");
    assert.deepEqual(describePlan(asked, plan), [`This change cannot be made: ${plan.why}.`]);
    return plan.why;
  };
  assert.match(why(request(five, set(2, numbers(5)))), /not more than half/);
  assert.match(why(request(five, set(1, [1]))), /of 2 or more/);
  assert.match(why(request(five, five, { absent: [1, 2, 3] })), /2 voters with a share are up/);
  assert.match(why(request(five, set(4, numbers(6)), { absent: [6] })), /is to join, and is down/);
  assert.match(why(request(five, five, { lying: 1 })), /withstands fewer than 1 liars/);
  assert.match(
    why(request(five, set(4, numbers(5)), { absent: [4, 5] })),
    /3 of the new voters are up, and 4 must sign/,
  );
  const many = numbers(5 + CHANGED_VOTERS_MAX + 1);
  assert.match(why(request(five, set(majorityOf(many.length), many))), /ask for fewer/);
});

Deno.test("describePlan() tells an operator each step and its margins", () => {
  const asked = request(set(3, numbers(5)), set(3, [1, 2, 3, 4, 6]), { absent: [5] });
  const lines = describePlan(asked, planChange(asked));
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? "", /^remove server_5.*: 3 of 5 becomes \d of \d\. /);
  assert.match(
    lines[1] ?? "",
    /3 of 5\. \d may be down meanwhile; afterwards 2 may be down, and 0 may lie\.$/,
  );
});
