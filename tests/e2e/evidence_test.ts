/**
 * Two leaders of one term, which a cluster whose voters lie together can have: nodes keep the proof.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex } from "../../lib/bytes.ts";
import { runFloe } from "./harness/floe_process.ts";
import { TestCluster } from "./harness/test_cluster.ts";
import { claimToLead, secondCertificate } from "./harness/two_leaders.ts";

Deno.test("a second leader's certificate is not followed, and kept, shown, exported and verified as a lie", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  const [from, to] = cluster.ids.filter((id) => id !== leader.id);
  assert.ok(from !== undefined && to !== undefined);
  const { term } = leader;
  const note = secondCertificate(cluster, { term, leader: from });
  await claimToLead(cluster, { from, to, term, note, logged: "certificate.second" });

  const evidence = async () => await (await cluster.fetch(to, "/v1/evidence")).json();
  const [seen, ...others] = (await evidence()).twoLeaders;
  assert.deepEqual(others, []);
  assert.equal(seen.term, term);
  assert.deepEqual([seen.first.leader, seen.second.leader], [leader.id, from]);
  assert.equal(seen.second.certificate, note);

  await cluster.process(to).end("SIGKILL");
  const again = cluster.start(to);
  await again.said.waitFor("it shouts again", ({ event }) => event === "certificate.second");
  await again.said.waitFor("that it started", ({ event }) => event === "started");
  assert.deepEqual((await evidence()).twoLeaders, [seen]);
  const metrics = await (await cluster.fetch(to, "/metrics")).text();
  assert.match(metrics, /^floe_certificate_second_total 1$/m);

  await assertTold(cluster, note);
});

/** What the command line makes of it. */
async function assertTold(cluster: TestCluster, note: string): Promise<void> {
  const clients = ["--config", cluster.configFile];
  const status = await runFloe(["status", ...clients]);
  assert.match(status.stdout, /^TWO LEADERS /m);
  const exported = await runFloe(["audit", "export", ...clients]);
  assert.equal(exported.code, 0, exported.stderr);
  assert.ok(exported.stdout.includes(note));
  const folder = cluster.dataDir(assertDefined(cluster.ids[0], "no nodes"));
  Deno.writeTextFileSync(`${folder}/exported`, exported.stdout);
  const key = ["--key", encodeHex(cluster.group.publicKey)];
  for (const command of [["audit", "verify"], ["verify"]]) {
    const { code, stderr } = await runFloe([...command, `${folder}/exported`, ...key]);
    assert.equal(code, 7);
    assert.match(stderr, /The group key signed server_\d and server_\d as leaders of term \d+/);
  }
}
