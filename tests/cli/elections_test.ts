import { deepEqual, equal, match } from "node:assert/strict";
import { FakeNode } from "../http/fake_node.ts";
import { fakeCertificate } from "../http/fake_reports.ts";
import { floe } from "./fake_terminal.ts";

Deno.test("elections prints a table, newest term first", async () => {
  const outcome = await floe(["elections"], { hosts: { "a:1": new FakeNode() } });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(
    outcome.stdout,
    `TERM  LEADER    EPOCH  LOG INDEX  LOG TERM
7     server_1  1      70         6
5     server_1  1      50         4
4     server_1  1      40         3
2     server_1  1      20         1
`,
  );
});

Deno.test("elections prints only the header when there were none", async () => {
  const node = new FakeNode();
  node.certificates = [];
  const { code, stdout } = await floe(["elections"], { hosts: { "a:1": node } });
  deepEqual([code, stdout], [0, "TERM  LEADER  EPOCH  LOG INDEX  LOG TERM\n"]);
});

Deno.test("elections --limit says on stderr how to see the rest", async () => {
  const hosts = { "a:1": new FakeNode() };
  const first = await floe(["elections", "--limit", "2"], { hosts });
  equal(first.stderr, "There are more: floe elections --before 5\n");
  deepEqual(first.requests, ["GET a:1/v1/elections?limit=2"]);
  const second = await floe(["elections", "--limit", "2", "--before", "5"], { hosts });
  match(second.stdout, /\n4 .*\n2 .*\n$/);
  equal(second.stderr, "");
});

Deno.test("elections -o json has the certificates", async () => {
  const { stdout } = await floe(["elections", "-o", "json"], { hosts: { "a:1": new FakeNode() } });
  const { elections, nextBefore } = JSON.parse(stdout);
  equal(nextBefore, null);
  equal(elections[0].certificate, fakeCertificate(7).note);
});

for (const flag of ["--limit=0", "--limit=501", "--limit=x", "--before=-1", "--before=1.5"]) {
  Deno.test(`elections ${flag} is a usage error`, async () => {
    const outcome = await floe(["elections", flag], { hosts: { "a:1": new FakeNode() } });
    deepEqual([outcome.code, outcome.stdout, outcome.requests.length], [2, "", 0]);
    match(outcome.stderr, /It must be a whole number from 1 to/);
  });
}

Deno.test("-o jsonl prints one election a line, and what is no list on one line", async () => {
  const hosts = { "a:1": new FakeNode() };
  const { code, stdout } = await floe(["elections", "-o", "jsonl"], { hosts, isTerminal: true });
  equal(code, 0);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  deepEqual(lines.map(({ term }) => term), [7, 5, 4, 2]);
  const leader = await floe(["-o", "jsonl", "leader"], { hosts, isTerminal: true });
  deepEqual(leader.stdout.trimEnd().split("\n").length, 1);
  equal(JSON.parse(leader.stdout).leader, "server_1");
});
