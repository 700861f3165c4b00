import { deepEqual, equal, match } from "node:assert/strict";
import type { MembersChange, MembersRequest, MembersStatus } from "../../lib/node/members_api.ts";
import { RequestError } from "../../lib/node/api.ts";
import { toEpoch, toLogIndex, toNodeId } from "../../lib/types.ts";
import { createTestCard } from "../config/cards.ts";
import { FakeNode, openApp } from "../http/fake_node.ts";
import { fakeMember } from "../http/fake_reports.ts";
import { floe, type Surroundings } from "./fake_terminal.ts";

const ENV = { FLOE_ENDPOINTS: "a:1" };
const CARD = JSON.stringify(createTestCard(8));

/** A node that shows one status after the other, and the last one from then on. */
class ChangingNode extends FakeNode {
  readonly script: MembersStatus[] = [];

  override members(): MembersStatus {
    return this.script.length > 1 ? this.script.shift() ?? super.members() : this.script[0] ??
      super.members();
  }
}

/** A cluster in which a change of two steps goes well. */
function changing(): ChangingNode {
  const node = new ChangingNode();
  const quiet = { ...node.membersNow, change: null, lastChange: null };
  const [step] = node.changeNow.steps;
  if (step === undefined) throw new Error("a change has a step");
  const joining = { ...step, kind: "statement", text: "add server_8 as a learner." } as const;
  node.planNow = { ...node.planNow, steps: [joining, step] };
  const at = (stepsDone: number, change: Partial<MembersChange>): MembersStatus => ({
    ...quiet,
    change: { ...node.changeNow, stepsDone, waitingFor: [], ...change },
  });
  node.script.push(
    at(0, { stage: "between" }),
    at(1, { stage: "catchingUp", waitingFor: [toNodeId("server_8")] }),
    at(1, { stage: "dealing" }),
    at(1, { stage: "dealing" }),
    at(1, { stage: "dealing", attemptsFailed: 1, lastFailure: "server_5 is silent" }),
    at(1, { stage: "authorizing" }),
    {
      ...quiet,
      epoch: toEpoch(3),
      sequence: 5,
      lastChange: { id: node.changeNow.id, outcome: "completed", reason: null },
    },
  );
  return node;
}

function member(args: readonly string[], node: FakeNode, more: Surroundings = {}) {
  return floe(args, { hosts: { "a:1": node }, env: ENV, stdin: CARD, ...more });
}

Deno.test("member add prints the plan, carries it out, and shows each step once", async () => {
  const node = changing();
  const { code, stdout, stderr } = await member(["member", "add", "-", "--yes"], node);
  deepEqual([code, stdout], [0, "Done: 4 of 5 sign, in epoch 3, membership 5.\n"]);
  equal(
    stderr,
    `The plan has 2 steps. All the way, 2 voters may lie.
step 1  add server_8 as a learner.
step 2  new shares for everybody
Afterwards 1 share may be lost before the key is.
step 1 of 2: begins
step 1 of 2: done
step 2 of 2: the new nodes copy the log; waits for server_8 (floe join runs it)
step 2 of 2: the voters deal new shares
step 2 of 2: failed, and is tried again: server_5 is silent
step 2 of 2: the voters deal new shares
step 2 of 2: the old shares sign
step 2 of 2: done
`,
  );
  const [planned, asked] = node.membersRequests;
  deepEqual(planned, asked);
  deepEqual(asked?.add?.map(({ card, isLearner }) => [card.id, isLearner]), [["server_8", false]]);
});

const REQUESTS: readonly (readonly [args: string, asked: MembersRequest])[] = [
  ["member remove server_2", { remove: [toNodeId("server_2")] }],
  ["member remove server_2 --threshold 3", { remove: [toNodeId("server_2")], threshold: 3 }],
  ["member promote server_6", { promote: [toNodeId("server_6")] }],
  ["member demote server_2", { demote: [toNodeId("server_2")] }],
  ["reshare", { refresh: true }],
  ["reshare --threshold 5", { refresh: true, threshold: 5 }],
];
for (const [args, asked] of REQUESTS) {
  Deno.test(`${args} asks for that`, async () => {
    const node = changing();
    equal((await member([...args.split(" "), "--yes"], node)).code, 0);
    deepEqual(node.membersRequests, [asked, asked]);
  });
}

Deno.test("member replace removes one and adds the other in one change", async () => {
  const node = changing();
  equal((await member(["member", "replace", "server_4", "-", "-y"], node)).code, 0);
  const [, { remove = [], add = [] } = {}] = node.membersRequests;
  deepEqual([remove, add.map(({ card }) => card.id)], [["server_4"], ["server_8"]]);
});

Deno.test("member add --learner adds a learner that stays one", async () => {
  const node = changing();
  equal((await member(["member", "add", "-", "--learner", "-y"], node)).code, 0);
  equal(node.membersRequests[1]?.add?.[0]?.isLearner, true);
});

Deno.test("member update changes addresses, or takes a card", async () => {
  const node = changing();
  // The route looks the member up.
  node.script.length = 0;
  node.membersNow = {
    ...node.membersNow,
    change: null,
    lastChange: { id: toLogIndex(101), outcome: "completed", reason: null },
  };
  const update = ["member", "update", "server_4", "-y"];
  equal((await member([...update, "--peer", "10.0.0.4:1"], node)).code, 0);
  deepEqual(node.membersRequests[0]?.update?.[0]?.peer, { hostname: "10.0.0.4", port: 1 });
  const card = JSON.stringify(createTestCard(4, 77));
  equal((await member([...update, "--card", "-"], node, { stdin: card })).code, 0);
  deepEqual(
    node.membersRequests.at(-1)?.update?.[0]?.keys.signingKey.toHex(),
    createTestCard(4, 77).signingKey,
  );
});

Deno.test("a change asks a person, who may say no, and never goes on without a terminal", async () => {
  for (const answer of ["y", "YES"]) {
    const outcome = await member(["reshare"], changing(), { typed: [answer] });
    deepEqual([outcome.code, outcome.questions], [0, ["Carry it out? [y/N] "]]);
  }
  for (const answer of ["", "n", "yellow"]) {
    const node = changing();
    const { code, stderr } = await member(["reshare"], node, { typed: [answer] });
    deepEqual([code, node.timeouts], [1, []]);
    match(stderr, /floe: Nothing was changed\.\n$/);
  }
  const node = changing();
  const { code, stderr } = await member(["reshare"], node);
  deepEqual([code, node.timeouts], [2, []]);
  match(
    stderr,
    /^The plan has 2 steps[^]*there is no terminal to ask at\. --yes carries the plan out/,
  );
});

Deno.test("--yes alone takes no last spare share: that needs --allow-no-spare", async () => {
  const node = changing();
  node.planNow = { ...node.planNow, sparesAfter: 0, takesLastSpare: true };
  const refused = await member(["member", "remove", "server_2", "--yes"], node);
  equal(refused.code, 4);
  match(refused.stderr, /Afterwards no share may be lost before the key is\./);
  match(refused.stderr, /Nothing was changed: the plan leaves no spare share/);
  equal(node.membersRequests.length, 1);
  const allowed = ["member", "remove", "server_2", "--yes", "--allow-no-spare"];
  equal((await member(allowed, node)).code, 0);
  equal(node.membersRequests.at(-1)?.allowNoSpare, true);
});

Deno.test("a change that has nothing to do says so, and asks nobody", async () => {
  const node = changing();
  node.planNow = { ...node.planNow, steps: [] };
  const { code, stdout, questions } = await member(["member", "add", "-"], node);
  deepEqual([code, questions, node.timeouts], [0, [], []]);
  match(stdout, /^Nothing to change/);
});

Deno.test("a change that is cancelled or given up ends with 4, and says why", async () => {
  for (
    const [outcome, text] of [["cancelled", "was cancelled"], ["failed", "was given up"]] as const
  ) {
    const node = changing();
    const last = node.script.at(-1);
    if (last === undefined) throw new Error("a script has an end");
    node.script.splice(-1, 1, {
      ...last,
      lastChange: { id: toLogIndex(101), outcome, reason: "the card is wrong" },
    });
    const { code, stdout, stderr } = await member(["reshare", "-y"], node);
    deepEqual([code, stdout], [4, ""]);
    match(
      stderr,
      new RegExp(`floe: The change ${text}: the card is wrong\\. What was done of it stays`),
    );
  }
});

Deno.test("an interrupted command leaves the change to the cluster", async () => {
  const { code, stderr } = await member(["reshare", "-y"], changing(), {
    stop: AbortSignal.abort(),
  });
  equal(code, 1);
  match(stderr, /Interrupted\. The cluster goes on with the change: floe member status/);
});

/** A node that does not answer some of the times that its members are asked for. */
function silentAt(node: FakeNode, isSilent: (asked: number) => boolean) {
  const app = openApp(node);
  let asked = 0;
  return (request: Request) => {
    if (request.method === "GET" && isSilent(++asked)) throw new TypeError("connection refused");
    return app.fetch(request);
  };
}

Deno.test("a change is followed while no node answers, up to the timeout", async () => {
  const sometimes = silentAt(changing(), (asked) => asked % 2 === 0);
  const followed = await floe(["reshare", "-y"], { hosts: { "a:1": sometimes }, env: ENV });
  deepEqual([followed.code, followed.stdout], [
    0,
    "Done: 4 of 5 sign, in epoch 3, membership 5.\n",
  ]);
  const silent = silentAt(changing(), (asked) => asked > 2);
  const lost = await floe(["reshare", "-y"], { hosts: { "a:1": silent }, env: ENV });
  deepEqual([lost.code, lost.stdout, lost.waitedMs >= 5_000], [5, "", true]);
  match(lost.stderr, /The plan is in the log: the cluster goes on with it once it has a leader/);
});

Deno.test("what the cluster refuses is said as it says it", async () => {
  for (
    const [code, exit] of [
      ["members_refused", 4],
      ["members_changing", 4],
      ["no_change", 4],
    ] as const
  ) {
    const node = changing();
    node.failure = new RequestError(code, "server_8 was removed; choose another id", {
      maybeApplied: false,
    });
    const args = code === "no_change" ? ["member", "cancel"] : ["member", "add", "-", "-y"];
    const outcome = await member(args, node);
    equal(outcome.code, exit);
    match(outcome.stderr, /^floe: server_8 was removed; choose another id \(a:1\)\n$/);
  }
});

Deno.test("where no node leads, a change says that the key may be lost, and what to do", async () => {
  const node = new FakeNode();
  node.membersNow = { ...node.membersNow, trouble: "2 of 5 nodes can be reached, 4 must sign" };
  node.failure = new RequestError("not_leader", "There is no leader", { maybeApplied: false });
  const refused = await member(["reshare", "-y"], node);
  equal(refused.code, 5);
  match(
    refused.stderr,
    /2 of 5 nodes can be reached, 4 must sign\n$/,
  );
  const listed = await member(["member", "list"], node);
  equal(listed.code, 0);
  match(
    listed.stderr,
    /^warning: 2 of 5 nodes can be reached, 4 must sign\n$/,
  );
});

const MISUSES: readonly (readonly [args: readonly string[], stdin: string, message: RegExp])[] = [
  [["member", "add", "-"], "{}", /Cannot use card standard input: id: .*peer: /s],
  [["member", "add", "-"], "", /it holds 0 cards; give one, as floe join/],
  [["member", "add", "-"], `${CARD}\n${CARD}`, /it holds 2 cards/],
  [
    ["member", "add", "-"],
    CARD.replace("10.0.0.8:7101", "10.0.0.9:7101"),
    /its signature does not verify, so it was changed after server_8 made it/,
  ],
  [["member", "replace", "server_8", "-"], CARD, /a member that leaves never comes back/],
  [
    ["member", "update", "server_4", "--card", "-"],
    CARD,
    /the card is server_8's\. floe member rep/,
  ],
  [["member", "update", "server_4"], "", /Give either --card, or --peer or --api or both/],
  [
    ["member", "update", "server_4", "--card", "-", "--api", "a:1"],
    CARD,
    /a card has addresses of its own/,
  ],
  [["member", "update", "server_4", "--api", "nowhere", "-y"], "", /Cannot read api: /],
  [["reshare", "--threshold", "0"], "", /It must be a whole number from 1 to/],
];
for (const [args, stdin, message] of MISUSES) {
  Deno.test(`${args.join(" ")} refuses ${message.source.slice(0, 40)}`, async () => {
    const node = changing();
    node.script.length = 0;
    const { code, stderr, stdout } = await member(args, node, { stdin });
    deepEqual([code, stdout, node.membersRequests], [2, "", []]);
    match(stderr, message);
  });
}

Deno.test("member list shows who belongs to the cluster, and how each is", async () => {
  const node = new FakeNode();
  node.membersNow = {
    ...node.membersNow,
    members: [
      ...node.membersNow.members.slice(0, 6),
      { ...fakeMember(8), hasShare: false },
      fakeMember(7, "removed"),
    ],
    change: null,
  };
  const { code, stdout } = await member(["member", "list"], node);
  equal(code, 0);
  const [, table] = stdout.split(/^(?=MEMBER)/m);
  equal(
    table,
    `MEMBER    ROLE     SHARE  LOG      REACHABLE  PEER            API
server_1  leader   yes    current  yes        127.0.0.1:7101  127.0.0.1:7201
server_2  voter    yes    current  yes        127.0.0.1:7102  127.0.0.1:7202
server_3  voter    yes    current  yes        127.0.0.1:7103  127.0.0.1:7203
server_4  voter    yes    current  yes        127.0.0.1:7104  127.0.0.1:7204
server_5  voter    yes    behind   no         127.0.0.1:7105  127.0.0.1:7205
server_6  learner  -      current  yes        127.0.0.1:7106  127.0.0.1:7206
server_8  voter    none   current  yes        127.0.0.1:7108  127.0.0.1:7208
server_7  removed  -      -        -          -               -
`,
  );
  match(
    stdout,
    /^cluster floe-test, epoch 2, membership 3: 4 of 6 voters sign\nmay be down +2 of 6/,
  );
});

Deno.test("member status shows the change under way, or how the last one ended", async () => {
  const node = new FakeNode();
  const under = await member(["member", "status"], node);
  equal(
    under.stdout,
    `Change 101 is under way: step 1 of 1, the voters deal new shares; waits for server_5.
step 1  new shares for everybody
`,
  );
  node.membersNow = { ...node.membersNow, change: null };
  const ended = await member(["member", "status"], node);
  match(ended.stdout, /under way\.\nThe last one, 90, was cancelled: it was late\.\n$/);
  const json = JSON.parse((await member(["member", "status", "-o", "json"], node)).stdout);
  deepEqual(json, {
    change: null,
    lastChange: { id: 90, outcome: "cancelled", reason: "it was late" },
    trouble: null,
  });
});

Deno.test("member status --follow goes on to the end", async () => {
  const { code, stdout, stderr } = await member(["member", "status", "--follow"], changing());
  equal(code, 0);
  match(stdout, /^Change 101 is under way[^]*Done: 4 of 5 sign, in epoch 3, membership 5\.\n$/);
  match(stderr, /the old shares sign/);
});

Deno.test("member cancel ends the change, for a reason", async () => {
  const { code, stdout, requests } = await member(
    ["member", "cancel", "--reason", "wrong card"],
    new FakeNode(),
  );
  deepEqual([code, stdout], [0, "Change 101 is cancelled. floe member list shows what it did.\n"]);
  match(String(requests[0]), /DELETE a:1\/v1\/members\/change\?reason=wrong\+card/);
});

Deno.test("a change with -o json ends with one document", async () => {
  const { code, stdout } = await member(["reshare", "-y", "-o", "json"], changing());
  equal(code, 0);
  const { plan, change, outcome, members } = JSON.parse(stdout);
  deepEqual([plan.steps.length, change, outcome, members.epoch], [2, 101, "completed", 3]);
});
