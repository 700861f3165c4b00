import { deepEqual, equal, match } from "node:assert/strict";
import { parseGroupKey } from "../../lib/certificate/group_key.ts";
import { createApp, createKeylessApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { ApiCounters, REQUEST_BYTES_MAX } from "../../lib/http/connections.ts";
import { marginsOf } from "../../lib/margins.ts";
import { toLogIndex, toNodeId } from "../../lib/types.ts";
import { FakeNode } from "./fake_node.ts";
import { fakeCertificate, fakeGroup } from "./fake_reports.ts";

function setUp() {
  const node = new FakeNode();
  return { node, app: createApp(node) };
}

async function jsonOf(response: Response) {
  equal(response.status, 200);
  equal(response.headers.get("content-type"), "application/json");
  equal(response.headers.get("cache-control"), "no-store");
  const text = await response.text();
  equal(text.at(-1), "\n");
  return JSON.parse(text);
}

async function problemOf(response: Response) {
  equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  equal(body.status, response.status);
  return body;
}

Deno.test("/v1/status adds the cluster and its margins to what the node says", async () => {
  const { node, app } = setUp();
  const body = await jsonOf(await app.request("/v1/status"));
  deepEqual(body, {
    cluster: "floe-test",
    epoch: 1,
    threshold: 4,
    n: 5,
    margins: { crashed: 1, lying: 2, lyingFollowers: 1, sharesLost: 1, sharesToForge: 4 },
    ...node.statusNow,
    counters: { ...node.statusNow.counters, ...new ApiCounters().counts },
  });
  deepEqual(body.peers[3], { id: "server_5", connected: false, matchIndex: null });
});

Deno.test("/v1/status counts the voters for its margins", async () => {
  const { node, app } = setUp();
  node.group = { ...fakeGroup, threshold: 2, voters: fakeGroup.voters.slice(0, 3) };
  const { n, margins } = await jsonOf(await app.request("/v1/status"));
  deepEqual([n, margins], [3, marginsOf({ n: 3, threshold: 2 })]);
});

Deno.test("/v1/leader names the leader, its API and its certificate", async () => {
  const { app } = setUp();
  deepEqual(await jsonOf(await app.request("/v1/leader")), {
    leader: "server_1",
    term: 7,
    api: "127.0.0.1:8001",
    certificate: fakeCertificate(7).note,
  });
});

Deno.test("/v1/leader answers with nulls when no leader is known", async () => {
  const { node, app } = setUp();
  node.leaderNow = { ...node.leaderNow, leader: null, api: null, certificate: null };
  deepEqual(await jsonOf(await app.request("/v1/leader")), {
    leader: null,
    term: 7,
    api: null,
    certificate: null,
  });
});

Deno.test("/v1/elections lists certificates, newest first, page by page", async () => {
  const { app } = setUp();
  const all = await jsonOf(await app.request("/v1/elections"));
  deepEqual(all.elections.map(({ term }: { term: number }) => term), [7, 5, 4, 2]);
  equal(all.nextBefore, null);
  deepEqual(all.elections[0], {
    term: 7,
    leader: "server_1",
    epoch: 1,
    lastLogIndex: 70,
    lastLogTerm: 6,
    certificate: fakeCertificate(7).note,
  });

  const first = await jsonOf(await app.request("/v1/elections?limit=2"));
  equal(first.nextBefore, 5);
  const second = await jsonOf(await app.request("/v1/elections?limit=2&before=5"));
  deepEqual(second.elections.map(({ term }: { term: number }) => term), [4, 2]);
  equal(second.nextBefore, null);
});

for (const query of ["limit=0", "limit=501", "limit=x", "before=-1", "before=1e9", "page=2"]) {
  Deno.test(`/v1/elections refuses ?${query}`, async () => {
    const problem = await problemOf(await setUp().app.request(`/v1/elections?${query}`));
    deepEqual([problem.status, problem.code], [400, "invalid_parameter"]);
  });
}

Deno.test("/v1/elections/{term} is JSON, or the bare signed note as text", async () => {
  const { app } = setUp();
  equal((await jsonOf(await app.request("/v1/elections/5"))).term, 5);
  const note = await app.request("/v1/elections/5", { headers: { accept: "text/plain" } });
  equal(note.headers.get("content-type"), "text/plain; charset=utf-8");
  equal(await note.text(), fakeCertificate(5).note);
});

/** What each route with notes answers as text, from a node that has one of each. */
const NOTES: Readonly<Record<string, readonly string[]>> = {
  "/v1/leader": [fakeCertificate(7).note],
  "/v1/elections?limit=2": [fakeCertificate(7).note, fakeCertificate(5).note],
  "/v1/elections/5": [fakeCertificate(5).note],
  "/v1/group": ["floe/genesis\n"],
  "/v1/dkg": ["floe/genesis\n"],
  "/v1/members/chain": ["floe/genesis\n", "by the old\n", "by the new\n", "one alone\n"],
  "/v1/evidence": [fakeCertificate(5).note, fakeCertificate(4).note],
};

Deno.test("every route whose answer has signed notes gives them as text, byte for byte", async () => {
  const { app, node } = setUp();
  node.genesis = "floe/genesis\n";
  node.keyGenerationNow = { ...node.keyGenerationNow, genesis: "floe/genesis\n" };
  node.chainNow = {
    ...node.chainNow,
    genesis: "floe/genesis\n",
    founding: "",
    memberships: [
      { byOld: "by the old\n", byNew: "by the new\n" },
      { byOld: "one alone\n", byNew: null },
    ],
  };
  const [first, second] = [fakeCertificate(5), fakeCertificate(4)];
  node.evidenceNow = {
    ...node.evidenceNow,
    twoLeaders: [{ term: first.term, first, second, noticedAt: 1 }],
  };
  for (const [path, notes] of Object.entries(NOTES)) {
    const answer = await app.request(path, { headers: { accept: "text/plain" } });
    deepEqual([answer.status, await answer.text()], [200, notes.join("\n")], path);
    equal(answer.headers.get("content-type"), "text/plain; charset=utf-8");
    equal(answer.headers.get("vary"), "accept");
    const json = await app.request(path, { headers: { accept: "*/*" } });
    equal(json.headers.get("vary"), "accept");
    match(json.headers.get("content-type") ?? "", /^application\/json/);
  }
});

Deno.test("a route that could have notes and has none says so to who wants them as text", async () => {
  const { app, node } = setUp();
  node.leaderNow = { ...node.leaderNow, leader: null, certificate: null };
  node.certificates = [];
  node.chainNow = { ...node.chainNow, genesis: null, founding: "", memberships: [] };
  node.keyGenerationNow = { ...node.keyGenerationNow, genesis: null };
  for (const path of Object.keys(NOTES).filter((path) => path !== "/v1/elections/5")) {
    const problem = await problemOf(await app.request(path, { headers: { accept: "text/plain" } }));
    deepEqual([problem.status, problem.code], [404, "note_not_found"], path);
    equal((await app.request(path)).status, 200);
  }
});

Deno.test("/v1/evidence tells of two leaders of a term, and of the last claim that was refused", async () => {
  const { app, node } = setUp();
  const empty = { twoLeaders: [], refused: { count: 0, last: null } };
  deepEqual(await jsonOf(await app.request("/v1/evidence")), empty);
  const [first, second] = [fakeCertificate(5), fakeCertificate(4)];
  const claim = { from: second.leader, term: first.term, reason: "no certificate", refusedAt: 2 };
  node.evidenceNow = {
    twoLeaders: [{ term: first.term, first, second, noticedAt: 1 }],
    refusedCount: 3,
    lastRefused: claim,
  };
  const signed = ({ leader, epoch, note }: typeof first) => ({ leader, epoch, certificate: note });
  deepEqual(await jsonOf(await app.request("/v1/evidence")), {
    twoLeaders: [{ term: 5, first: signed(first), second: signed(second), noticedAt: 1 }],
    refused: { count: 3, last: claim },
  });
});

Deno.test("/v1/elections/{term} refuses a term without an election, and what is no term", async () => {
  const { app } = setUp();
  equal((await problemOf(await app.request("/v1/elections/6"))).code, "election_not_found");
  equal((await problemOf(await app.request("/v1/elections/0"))).code, "election_not_found");
  for (const term of ["x", "-1", "05", "1.0", "9007199254740992", "%20", "5%00"]) {
    const problem = await problemOf(await app.request(`/v1/elections/${term}`));
    deepEqual([problem.status, problem.code], [400, "invalid_parameter"]);
    match(problem.detail, /Cannot read term/);
  }
});

Deno.test("/v1/group gives the group key in every form, and each form reads back", async () => {
  const body = await jsonOf(await setUp().app.request("/v1/group"));
  const { publicKey, verifierKey, pem, voters, ...rest } = body;
  const margins = marginsOf({ n: 5, threshold: 4 });
  deepEqual(rest, { cluster: "floe-test", epoch: 1, threshold: 4, margins, genesis: null });
  equal(publicKey, fakeGroup.publicKey.toHex());
  for (const form of [publicKey, verifierKey, pem]) {
    deepEqual(parseGroupKey(form).publicKey, fakeGroup.publicKey);
  }
  match(verifierKey, /^floe-test\+[0-9a-f]{8}\+/);
  equal(voters.length, 5);
  deepEqual(voters[1], { id: "server_2", identifier: 2, verifyingShare: publicKey });
});

Deno.test("/v1/group has the genesis certificate, byte for byte, where there is one", async () => {
  const { node, app } = setUp();
  node.genesis = "floe/genesis/v1\n\n\u2014 floe-test/server_1 AAAA\n";
  equal((await jsonOf(await app.request("/v1/group"))).genesis, node.genesis);
});

Deno.test("/livez answers without a leader; /readyz then does not", async () => {
  const { node, app } = setUp();
  deepEqual(await jsonOf(await app.request("/livez")), { status: "ok" });
  deepEqual(await jsonOf(await app.request("/readyz")), { status: "ok" });
  node.statusNow = { ...node.statusNow, role: "follower", leader: null };
  deepEqual(await jsonOf(await app.request("/livez")), { status: "ok" });
  const response = await app.request("/readyz");
  equal(response.headers.get("retry-after"), "1");
  const problem = await problemOf(response);
  deepEqual([problem.status, problem.code, problem.retryAfterMs], [503, "not_ready", 1000]);
  match(problem.detail, /knows no leader/);
});

Deno.test("/readyz is not ready without a connection to the leader, or far behind", async () => {
  const { node, app } = setUp();
  const follower = { ...node.statusNow, id: toNodeId("server_2"), role: "follower" as const };
  const peers = (connected: boolean) => [{ id: toNodeId("server_1"), connected, matchIndex: null }];
  node.statusNow = { ...follower, peers: peers(false) };
  match((await problemOf(await app.request("/readyz"))).detail, /not connected to the leader/);
  node.statusNow = { ...follower, peers: peers(true), commitIndex: toLogIndex(1071) };
  match((await problemOf(await app.request("/readyz"))).detail, /1001 committed entries/);
  node.statusNow = { ...follower, peers: peers(true), commitIndex: toLogIndex(1070) };
  equal((await app.request("/readyz")).status, 200);
});

Deno.test("/readyz goes by the leader's commit index, not by the node's own", async () => {
  const { node, app } = setUp();
  const peers = [{ id: toNodeId("server_1"), connected: true, matchIndex: null }];
  const follower = { ...node.statusNow, id: toNodeId("server_2"), peers };
  node.statusNow = { ...follower, leaderCommitIndex: toLogIndex(1071) };
  match((await problemOf(await app.request("/readyz"))).detail, /1001 committed entries/);
  node.statusNow = { ...follower, leaderCommitIndex: toLogIndex(1070) };
  equal((await app.request("/readyz")).status, 200);
});

Deno.test("/readyz is not ready while the node is in trouble, whoever leads", async () => {
  const { node, app } = setUp();
  node.statusNow = { ...node.statusNow, trouble: "its data were lost" };
  const { code, detail } = await problemOf(await app.request("/readyz"));
  deepEqual([code, detail], [
    "not_ready",
    "Not ready: this node is in trouble: its data were lost",
  ]);
  deepEqual(await jsonOf(await app.request("/livez")), { status: "ok" });
});

for (const path of ["/", "/v1", "/v1/", "/v2/kv/a", "/v1/kvx", "/v1/status/", "/v1/%6Bv/a"]) {
  Deno.test(`${path} is not there`, async () => {
    const problem = await problemOf(await setUp().app.request(path));
    deepEqual([problem.status, problem.code], [404, "not_found"]);
  });
}

const METHODS: readonly (readonly [method: string, path: string, allow: string])[] = [
  ["POST", "/v1/kv/a", "PUT, GET, HEAD, DELETE"],
  ["OPTIONS", "/v1/kv/a", "PUT, GET, HEAD, DELETE"],
  ["PUT", "/v1/status", "GET, HEAD"],
  ["DELETE", "/v1/leader", "GET, HEAD"],
  ["POST", "/v1/elections", "GET, HEAD"],
  ["PATCH", "/v1/elections/5", "GET, HEAD"],
  ["PUT", "/v1/group", "GET, HEAD"],
  ["POST", "/livez", "GET, HEAD"],
  ["POST", "/readyz", "GET, HEAD"],
];
for (const [method, path, allow] of METHODS) {
  Deno.test(`${method} ${path} is not allowed, and the answer says what is`, async () => {
    const response = await setUp().app.request(path, { method });
    equal(response.headers.get("allow"), allow);
    const problem = await problemOf(response);
    deepEqual([problem.status, problem.code], [405, "method_not_allowed"]);
  });
}

const READ_PATHS = [
  "/v1/status",
  "/v1/leader",
  "/v1/elections",
  "/v1/elections/5",
  "/v1/group",
  "/livez",
  "/readyz",
];
for (const path of READ_PATHS) {
  Deno.test(`HEAD ${path} answers as GET does, without a body`, async () => {
    const response = await setUp().app.request(path, { method: "HEAD" });
    equal(response.status, 200);
    equal(response.headers.get("content-type"), "application/json");
    equal(await response.text(), "");
  });
}

for (const path of ["/v1/status", "/v1/leader", "/v1/group", "/v1/elections/5"]) {
  Deno.test(`${path} refuses parameters that it does not know`, async () => {
    const problem = await problemOf(await setUp().app.request(`${path}?verbose=1`));
    equal(problem.code, "invalid_parameter");
    match(problem.detail, /this path takes none/);
  });
}

Deno.test("a declared body that no one would read is refused above the request limit", async () => {
  const headers = { "content-length": String(REQUEST_BYTES_MAX + 1) };
  const unread = [["GET", "/v1/status"], ["DELETE", "/v1/kv/a"], ["POST", "/v1/leader/transfer"]];
  for (const [method = "", path = ""] of unread) {
    const { node, app } = setUp();
    const problem = await problemOf(await app.request(path, { method, headers }));
    equal(node.commands.length, 0);
    deepEqual([problem.status, problem.code], [413, "request_too_large"]);
  }
});

Deno.test("no answer lets a page of another origin read it", async () => {
  const { app } = setUp();
  const headers = { origin: "https://elsewhere.example" };
  for (const path of [...READ_PATHS, "/v1/kv/a"]) {
    const names = [...(await app.request(path, { headers })).headers.keys()];
    deepEqual(names.filter((name) => name.startsWith("access-control-")), []);
  }
});

Deno.test("/v1/dkg tells how far key generation is, as the node says", async () => {
  const { node, app } = setUp();
  deepEqual(await jsonOf(await app.request("/v1/dkg")), node.keyGenerationNow);
  equal((await problemOf(await app.request("/v1/dkg?verbose=1"))).code, "invalid_parameter");
});

Deno.test("a node without a key is alive, not ready, and answers everything else with no_key", async () => {
  const generating = new FakeNode().keyGenerationNow;
  const waitingFor = [{ id: toNodeId("server_5"), step: "connection" } as const];
  const report = { ...generating, phase: "connecting", attempt: 0, waitingFor } as const;
  const authorizer = new Authorizer({ node: new FakeNode(), access: { kind: "local" } });
  const app = createKeylessApp(() => report, { authorizer });
  deepEqual(await jsonOf(await app.request("/livez")), { status: "ok" });
  equal((await jsonOf(await app.request("/v1/dkg"))).phase, "connecting");

  const ready = await problemOf(await app.request("/readyz"));
  deepEqual([ready.status, ready.code], [503, "not_ready"]);
  match(ready.detail, /no key yet; this node waits for server_5/);

  const put = await problemOf(await app.request("/v1/kv/a", { method: "PUT", body: "b" }));
  deepEqual([put.status, put.code, put.maybeApplied], [503, "no_key", false]);
  match(put.detail, /floe-test has no key yet.*waits for server_5.*\/v1\/dkg/);
  equal(put.retryAfterMs, 1_000);
  const paths = ["/v1/kv/a", "/v1/status", "/v1/leader", "/v1/elections", "/v1/elections/1"];
  for (const path of [...paths, "/v1/group"]) {
    equal((await problemOf(await app.request(path))).code, "no_key", path);
  }
  const transfer = await app.request("/v1/leader/transfer", { method: "POST" });
  equal((await problemOf(transfer)).code, "no_key");
  equal((await problemOf(await app.request("/v1/kv/a", { method: "DELETE" }))).code, "no_key");

  const foreign = { headers: { origin: "https://elsewhere.example" } };
  equal((await problemOf(await app.request("/v1/kv/a", foreign))).code, "origin_refused");
});
