/**
 * `deno task bench election`: five processes, at least thirty elections by killing the leader with
 * SIGKILL. (a) from the pre-vote's sending to the certificate in hand; (b) from the kill to the first
 * acknowledged write. Then the same with the certifier's double: the difference is the price of proof.
 *
 * @module
 */

import type { NodeId } from "../lib/types.ts";
import { deadline } from "../tests/e2e/harness/events.ts";
import { type Leader, TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { summarize } from "./support/statistics.ts";

const NODES = 5;
const ELECTIONS = 30;
const WRITE_TIMEOUT_MS = 30_000;

interface Measured {
  /** (a), in milliseconds. */
  readonly certificateMs: readonly number[];
  /** (b), in milliseconds. */
  readonly failoverMs: readonly number[];
}

const proven = await measure({});
const double = new URL("./support/double_node.ts", import.meta.url).pathname;
const unproven = await measure({ main: double });

const figures = {
  bench: "election",
  nodes: NODES,
  certificateMs: summarize(proven.certificateMs),
  failoverMs: summarize(proven.failoverMs),
  withDouble: {
    certificateMs: summarize(unproven.certificateMs),
    failoverMs: summarize(unproven.failoverMs),
  },
};
console.table({
  "pre-vote to certificate, ms": figures.certificateMs,
  "the same without proof, ms": figures.withDouble.certificateMs,
  "kill to acknowledged write, ms": figures.failoverMs,
  "the same without proof, ms ": figures.withDouble.failoverMs,
});
console.log(JSON.stringify(figures));

async function measure(options: { readonly main?: string }): Promise<Measured> {
  const certificateMs: number[] = [];
  const failoverMs: number[] = [];
  await using cluster = new TestCluster({ nodes: NODES, logLevel: "info", ...options });
  let leader = await cluster.leader();
  for (let count = 0; count < ELECTIONS; count++) {
    const survivors = cluster.ids.filter((id) => id !== leader.id);
    const killedMs = performance.now();
    cluster.process(leader.id).end("SIGKILL");
    await firstWrite(cluster, survivors);
    failoverMs.push(performance.now() - killedMs);
    const next = await cluster.leader(leader.term + 1, survivors);
    certificateMs.push(await electionMs(cluster, next));
    await cluster.process(leader.id).ended;
    cluster.start(leader.id);
    await cluster.leaderOf(leader.id, next.term);
    leader = next;
  }
  return { certificateMs, failoverMs };
}

/** How long the winner says its election took. */
async function electionMs(cluster: TestCluster, { id, term }: Leader): Promise<number> {
  const won = await cluster.process(id).said.waitFor(
    `that it won term ${term}`,
    (record) => record["event"] === "election.won" && record["term"] === term,
  );
  return Number(won["ms"]);
}

/** Writes through every survivor at once, again and again, until one write is acknowledged. */
async function firstWrite(cluster: TestCluster, survivors: readonly NodeId[]): Promise<void> {
  const done = new AbortController();
  const attempts = survivors.map(async (id) => {
    while (!done.signal.aborted) {
      const answer = await cluster.fetch(id, "/v1/kv/failover", {
        method: "PUT",
        body: "x",
        signal: done.signal,
      }).catch(() => null);
      await answer?.body?.cancel();
      if (answer?.ok) return;
    }
  });
  await deadline(Promise.any(attempts), WRITE_TIMEOUT_MS);
  done.abort();
  await Promise.all(attempts);
}
