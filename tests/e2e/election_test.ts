import assert from "node:assert/strict";
import { verifyCertificate } from "../../lib/certificate/mod.ts";
import { toTerm } from "../../lib/types.ts";
import { get, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

Deno.test("a killed leader is replaced, with a certificate, and no acknowledged write is lost", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const first = await cluster.leader();
  const follower = cluster.ids.find((id) => id !== first.id);
  assert.ok(follower !== undefined);
  await put(cluster, follower, { key: "greeting", value: "hello" });

  await cluster.process(first.id).end("SIGKILL");
  const survivors = cluster.ids.filter((id) => id !== first.id);
  const second = await cluster.leader(first.term + 1, survivors);
  assert.notEqual(second.id, first.id);
  for (const { id, term, certificate } of [first, second]) {
    verifyCertificate(certificate, cluster.group, { term: toTerm(term), leader: id });
  }

  assert.equal(await get(cluster, follower, "greeting"), "hello");
});
