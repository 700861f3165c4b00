import { deepEqual, equal, match, ok } from "node:assert/strict";
import { PEERS_MAX } from "../lib/config/cluster_config_schema.ts";
import {
  majorityOf,
  type Margins,
  marginsOf,
  marginWarnings,
  type Quorum,
} from "../lib/margins.ts";

/** Every cluster that a configuration may describe. */
const CLUSTERS: readonly Quorum[] = range(1, PEERS_MAX).flatMap((n) =>
  range(1, n).filter((threshold) => 2 * threshold > n).map((threshold) => ({ n, threshold }))
);

/** What README promises, counted out on voters 1 to n instead of calculated. */
function countOut({ n, threshold }: Quorum): Margins {
  const majority = range(1, n).findIndex((count) => 2 * count > n) + 1;
  const canLose = (needed: number) => range(0, n).findLast((lost) => n - lost >= needed) ?? NaN;
  // The two quorums with the fewest voters in common: the first ones, and the last ones.
  const shared = (first: number, last: number) =>
    range(1, n).filter((voter) => voter <= first && voter > n - last).length;
  return {
    crashed: Math.min(canLose(threshold), canLose(majority)),
    lying: shared(threshold, threshold) - 1,
    lyingFollowers: shared(threshold, majority) - 1,
    sharesLost: canLose(threshold),
    sharesToForge: range(1, n).find((stolen) => stolen >= threshold) ?? NaN,
  };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

Deno.test("majorityOf() is the least number of voters of which any two sets share one", () => {
  for (const n of range(1, PEERS_MAX)) {
    ok(2 * majorityOf(n) > n);
    ok(2 * (majorityOf(n) - 1) <= n);
  }
});

Deno.test("marginsOf() is what counting out gives, for every n and t that may be", () => {
  equal(CLUSTERS.length, 2601);
  for (const cluster of CLUSTERS) {
    const { n, threshold } = cluster;
    deepEqual(marginsOf(cluster), countOut(cluster), `${threshold} of ${n}`);
  }
});

Deno.test("marginsOf() is never below nothing, and a key that can be lost can be kept", () => {
  for (const cluster of CLUSTERS) {
    const margins = marginsOf(cluster);
    ok(Object.values(margins).every((margin) => margin >= 0));
    equal(margins.sharesLost + margins.sharesToForge, cluster.n);
    ok(margins.lyingFollowers <= margins.lying);
  }
});

const PUBLISHED: readonly (readonly [t: number, n: number, crashed: number, lying: number])[] = [
  [3, 5, 2, 0],
  [4, 5, 1, 2],
  [3, 4, 1, 1],
];
for (const [threshold, n, crashed, lying] of PUBLISHED) {
  Deno.test(`${threshold} of ${n} tolerates ${crashed} crashes and ${lying} liars`, () => {
    const margins = marginsOf({ n, threshold });
    deepEqual([margins.crashed, margins.lying], [crashed, lying]);
  });
}

Deno.test("an even number of nodes adds no crash margin to one fewer, and one liar", () => {
  for (const { n, threshold } of CLUSTERS.filter(({ n }) => n % 2 === 0)) {
    const fewer = { n: n - 1, threshold: threshold - 1 };
    ok(2 * fewer.threshold > fewer.n, "one fewer of one fewer is a cluster, too");
    equal(marginsOf({ n, threshold }).crashed, marginsOf(fewer).crashed);
    equal(marginsOf({ n, threshold }).lying, marginsOf(fewer).lying + 1);
  }
});

Deno.test("marginWarnings() has nothing to say of an odd number of whom one may be lost", () => {
  for (const cluster of CLUSTERS) {
    const { n, threshold } = cluster;
    equal(marginWarnings(cluster).length === 0, n % 2 === 1 && threshold < n);
  }
});

Deno.test("marginWarnings() says that one lost share loses the key where all must sign", () => {
  for (const cluster of CLUSTERS.filter(({ n }) => n > 1)) {
    const { n, threshold } = cluster;
    const warns = marginWarnings(cluster).some((sentence) =>
      /lost share loses the key/.test(sentence)
    );
    equal(warns, threshold === n);
  }
});

Deno.test("marginWarnings() speaks in whole sentences, the worst first", () => {
  deepEqual(marginWarnings({ n: 2, threshold: 2 }), [
    "All 2 nodes must sign: one that is down stops every election, and one lost share loses the " +
    "key for ever.",
    "An even number of nodes adds no crash margin: 2 of 2 tolerates 0 crashes, and so does 1 of 1. " +
    "The last node only makes room for one more liar.",
  ]);
  match(
    marginWarnings({ n: 4, threshold: 3 }).join(),
    /3 of 4 tolerates 1 crash, and so does 2 of 3/,
  );
  match(marginWarnings({ n: 1, threshold: 1 }).join(), /^There is one node: /);
});
