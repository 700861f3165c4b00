import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import { get, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** What `ulimit -n` is on many machines. */
const OPEN_FILES_MAX = 1_024;
/** More than that. */
const IDLE_CONNECTIONS = 1_100;

Deno.test("a crowd of idle connections leaves a node descriptors for its peers, and for others", async () => {
  await using cluster = new TestCluster({
    nodes: 3,
    logLevel: "info",
    openFilesMax: OPEN_FILES_MAX,
  });
  await cluster.leader();
  const [id, other] = cluster.ids.map((id) => assertDefined(id, "a node"));
  assert.ok(id !== undefined && other !== undefined);
  const { hostname, port } = findPeer(cluster.config, id).api;
  using crowd = new DisposableStack();
  for (let count = 0; count < IDLE_CONNECTIONS; count++) {
    crowd.use(await Deno.connect({ hostname, port }));
  }

  for (let count = 0; count < 20; count++) {
    assert.equal((await cluster.fetch(id, "/livez")).status, 200);
  }
  await cluster.process(other).end("SIGKILL");
  cluster.start(other);
  await cluster.process(other).said.waitFor("it started", ({ event }) => event === "started");
  await put(cluster, id, { key: "a", value: "x" });
  assert.equal(await get(cluster, other, "a"), "x", "the peers reach each other");
  const { events } = cluster.process(id).said;
  const started = events.find(({ event }) => event === "api.started");
  const connectionsMax = Number(started?.["connectionsMax"]);
  assert.ok(connectionsMax > 500 && connectionsMax < OPEN_FILES_MAX - 200, `${connectionsMax}`);
  await cluster.process(id).said.waitFor(
    "that it is crowded",
    ({ event }) => event === "api.crowded",
  );
  const { counters } = await (await cluster.fetch(id, "/v1/status")).json();
  assert.equal(counters["api.accept_failed"], 0);
  assert.ok(counters["api.connection_evicted"] >= IDLE_CONNECTIONS - connectionsMax);
});
