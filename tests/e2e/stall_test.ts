import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import type { NodeId } from "../../lib/types.ts";
import type { ProcessEvent } from "./harness/events.ts";
import { Pause } from "./harness/pause.ts";
import { ask, get, put } from "./harness/persistent_client.ts";
import { type Leader, TestCluster } from "./harness/test_cluster.ts";

/** Every way to read what has been acknowledged. */
const CONSISTENCIES = ["linearizable", "lease"] as const;
const GREETING = "/v1/kv/greeting";

Deno.test("a leader that stands still is replaced, and answers nothing old when it goes on", async () => {
  await using cluster = new TestCluster({ nodes: 5 });
  const old = await cluster.leader();
  const others = cluster.ids.filter((id) => id !== old.id);
  await put(cluster, old.id, { key: "greeting", value: "before" });
  // The lease is fresh, and a client has just been served from it.
  const served = await ask(cluster, old.id, { path: `${GREETING}?consistency=lease` });
  assert.equal(JSON.parse(served.text).value, "before");

  const pause = await Pause.begin(cluster.process(old.id).pid);
  // Asked while it stands still, answered when it goes on: the first thing that it will do.
  const asked = CONSISTENCIES.map((consistency) => read(cluster, old.id, consistency));
  const next = await cluster.leader(old.term + 1, others);
  await put(cluster, next.id, { key: "greeting", value: "after" });
  await pause.end();

  for (const answer of await Promise.all(asked)) await assertNotOld(answer);
  for (const consistency of CONSISTENCIES) {
    await assertNotOld(await read(cluster, old.id, consistency));
  }
  await hasSteppedDown(cluster, old);
  // It follows, and knows what it missed.
  await cluster.leaderOf(old.id, next.term);
  assert.equal(await get(cluster, old.id, "greeting"), "after");
});

Deno.test("a write that reaches a leader which stands still is there if it is acknowledged", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const old = await cluster.leader();
  const others = cluster.ids.filter((id) => id !== old.id);
  const pause = await Pause.begin(cluster.process(old.id).pid);
  const next = await cluster.leader(old.term + 1, others);
  // Taken by the old leader, if at all, when it goes on and before it knows of the new one.
  const asked = cluster.fetch(old.id, "/v1/kv/late", { method: "PUT", body: "late" });
  await put(cluster, next.id, { key: "greeting", value: "after" });
  await pause.end();

  const answer = await asked;
  const text = await answer.text();
  const other = assertDefined(others[0], "no other node");
  const { status } = await ask(cluster, other, { path: "/v1/kv/late" });
  assert.ok([200, 404].includes(status), `${status}`);
  const present = status === 200;
  if (answer.status === 200) assert.ok(present, "an acknowledged write is there");
  else assert.ok(JSON.parse(text).maybeApplied || !present, `${text} and yet it is there`);
});

/** After it has led: it may have lost that before it stood still, where the machine is slow. */
async function hasSteppedDown(cluster: TestCluster, old: Leader): Promise<void> {
  const { said } = cluster.process(old.id);
  const isRoleThen = ({ event, term }: ProcessEvent) =>
    event === "role" && Number(term) >= old.term;
  const from = said.events.findIndex((event) => isRoleThen(event) && event["role"] === "leader");
  assert.notEqual(from, -1, "the leader said that it leads");
  await said.waitFor(
    "that it leads no more",
    (event) => isRoleThen(event) && event["role"] !== "leader",
    { from },
  );
}

async function read(
  cluster: TestCluster,
  id: NodeId,
  consistency: typeof CONSISTENCIES[number],
): Promise<Response> {
  return await cluster.fetch(id, `${GREETING}?consistency=${consistency}`);
}

async function valueOf(response: Response): Promise<string> {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text).value;
}

/** Refused for want of a leader, or the newest value: never the one from before. */
async function assertNotOld(response: Response): Promise<void> {
  if (response.status === 200) return assert.equal(await valueOf(response), "after");
  const text = await response.text();
  assert.ok([503, 504].includes(response.status), `${response.status}: ${text}`);
}
