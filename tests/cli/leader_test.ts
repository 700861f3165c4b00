import { deepEqual, equal, match } from "node:assert/strict";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { FakeNode } from "../http/fake_node.ts";
import { fakeCertificate } from "../http/fake_reports.ts";
import { floe } from "./fake_terminal.ts";

function withoutLeader(): FakeNode {
  const node = new FakeNode();
  node.leaderNow = { leader: null, term: toTerm(8), api: null, certificate: null };
  return node;
}

Deno.test("leader prints who leads, where, and how to check it", async () => {
  const outcome = await floe(["leader"], { hosts: { "a:1": new FakeNode() } });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(
    outcome.stdout,
    `leader     server_1
term       7
api        127.0.0.1:8001
to verify  floe leader --cert | floe verify - --key KEY
`,
  );
});

Deno.test("leader --cert prints the bare signed note, whatever the output format", async () => {
  for (const args of [["leader", "--cert"], ["leader", "--cert", "-o", "json"]]) {
    const { code, stdout } = await floe(args, { hosts: { "a:1": new FakeNode() } });
    deepEqual([code, stdout], [0, fakeCertificate(7).note]);
  }
});

Deno.test("leader -o json prints the API's answer", async () => {
  const { stdout } = await floe(["leader", "-o", "json"], { hosts: { "b:1": new FakeNode() } });
  deepEqual(JSON.parse(stdout), {
    leader: "server_1",
    term: 7,
    api: "127.0.0.1:8001",
    certificate: fakeCertificate(7).note,
  });
});

Deno.test("leader believes the highest term, not the node that is asked first", async () => {
  const newer = new FakeNode();
  newer.leaderNow = { ...newer.leaderNow, leader: toNodeId("server_3"), term: toTerm(9) };
  const { stdout } = await floe(["leader"], { hosts: { "a:1": new FakeNode(), "b:1": newer } });
  match(stdout, /^leader {5}server_3\nterm {7}9$/m);
});

Deno.test("leader takes a node that knows one over a newer term that knows none", async () => {
  const hosts = { "a:1": withoutLeader(), "b:1": new FakeNode() };
  match((await floe(["leader"], { hosts })).stdout, /server_1/);
});

Deno.test("leader exits with 3 when no node knows one, and with 5 when none answers", async () => {
  for (const args of [["leader"], ["leader", "--cert"], ["leader", "-o", "json"]]) {
    const unknown = await floe(args, { hosts: { "a:1": withoutLeader() } });
    deepEqual([unknown.code, unknown.stdout], [3, ""]);
    match(unknown.stderr, /^floe: No leader: 1 of 2 nodes answered, and none knows a leader\./);
    const unreachable = await floe(args);
    deepEqual([unreachable.code, unreachable.stdout], [5, ""]);
  }
});
