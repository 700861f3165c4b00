import { deepEqual, equal, match } from "node:assert/strict";
import { formatAddress } from "../../lib/address.ts";
import { MEMBERS_BODY_BYTES_MAX } from "../../lib/http/connections.ts";
import { RequestError } from "../../lib/node/api.ts";
import { CANCEL_REASON_LENGTH_MAX, REQUESTED_MEMBERS_MAX } from "../../lib/wire/mod.ts";
import { createTestCard } from "../config/cards.ts";
import { FakeNode, openApp } from "./fake_node.ts";
import { fakeMember } from "./fake_reports.ts";

const CARD = createTestCard(8);

function setUp() {
  const node = new FakeNode();
  const app = openApp(node);
  const post = (body: unknown, path = "/v1/members") => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return app.request(path, { method: "POST", body: text });
  };
  return { node, app, post };
}

/** The status, code and detail of a refusal. */
async function problemOf(response: Response): Promise<[number, string, string]> {
  equal(response.headers.get("content-type"), "application/problem+json");
  const { code, detail } = await response.json();
  return [response.status, code, detail];
}

Deno.test("GET /v1/members shows members, the change under way, and how the last one ended", async () => {
  const { app } = setUp();
  const body = await (await app.request("/v1/members")).json();
  deepEqual([body.cluster, body.id, body.leader], ["floe-test", "server_1", "server_1"]);
  deepEqual([body.epoch, body.sequence, body.threshold, body.margins.crashed], [2, 3, 4, 1]);
  const [first, , , , , learner, removed] = body.members;
  deepEqual([first.role, first.hasShare, first.reachable, first.caughtUp], [
    "voter",
    true,
    true,
    true,
  ]);
  deepEqual([learner.role, learner.hasShare, learner.peer], ["learner", false, "127.0.0.1:7106"]);
  deepEqual(removed, {
    ...{ id: "server_7", role: "removed", identifier: null, hasShare: false },
    ...{ signingKey: null, channelKey: null, peer: null, api: null },
    ...{ reachable: false, matchIndex: null, caughtUp: null },
  });
  deepEqual([body.change.id, body.change.stage, body.change.waitingFor], [101, "dealing", [
    "server_5",
  ]]);
  deepEqual(body.lastChange, { id: 90, outcome: "cancelled", reason: "it was late" });
});

Deno.test("POST /v1/members hands all that is asked for to the node", async () => {
  const { node, post } = setUp();
  const asked = {
    add: [{ card: CARD }, { card: createTestCard(9), learner: true }],
    remove: ["server_1"],
    promote: ["server_6"],
    demote: ["server_2"],
    update: [createTestCard(3), { id: "server_4", api: "10.0.0.4:80" }],
    threshold: 3,
    refresh: true,
    allowNoSpare: true,
  };
  const response = await post(asked, "/v1/members?timeoutMs=70");
  equal(response.status, 200);
  deepEqual(node.timeouts, [70]);
  const [request] = node.membersRequests;
  deepEqual(request?.add?.map(({ card, isLearner }) => [card.id, isLearner]), [
    ["server_8", false],
    ["server_9", true],
  ]);
  equal(request?.add?.[0]?.card.keys.signingKey.toHex(), CARD.signingKey);
  const { remove, promote, demote, threshold, refresh, allowNoSpare } = asked;
  deepEqual(
    { ...request, add: undefined, update: undefined },
    {
      add: undefined,
      update: undefined,
      remove,
      promote,
      demote,
      threshold,
      refresh,
      allowNoSpare,
    },
  );
  const [card, addresses] = request?.update ?? [];
  deepEqual([card?.id, card && formatAddress(card.peer)], ["server_3", "10.0.0.3:7101"]);
  deepEqual(addresses && [formatAddress(addresses.peer), formatAddress(addresses.api)], [
    "127.0.0.1:7104",
    "10.0.0.4:80",
  ]);
  deepEqual(addresses?.keys.signingKey, fakeMember(4).identityKey);
});

Deno.test("POST /v1/members/plan plans the same, and changes nothing", async () => {
  const { node, post } = setUp();
  const response = await post({ threshold: 5 }, "/v1/members/plan");
  const { steps, ...margins } = await response.json();
  deepEqual([steps.length, steps[0].text], [1, "new shares for everybody"]);
  deepEqual(margins, { lying: 2, sparesAfter: 1, takesLastSpare: false });
  deepEqual(node.membersRequests, [{ threshold: 5 }]);
  deepEqual(node.timeouts, []);
});

Deno.test("DELETE /v1/members/change cancels, for a reason", async () => {
  const { app } = setUp();
  const cancel = (query: string) => app.request(`/v1/members/change${query}`, { method: "DELETE" });
  const ended = await (await cancel("?reason=wrong%20card&timeoutMs=9")).json();
  deepEqual(ended, { id: 101, outcome: "cancelled", reason: "wrong card" });
  equal((await (await cancel("")).json()).reason, "an operator cancelled it");
  for (const reason of ["", "a%0Ab", "%C3%A4", "x".repeat(CANCEL_REASON_LENGTH_MAX + 1)]) {
    const [status, code] = await problemOf(await cancel(`?reason=${reason}`));
    deepEqual([status, code], [400, "invalid_parameter"]);
  }
});

Deno.test("GET /v1/members/chain shows the chain to anybody", async () => {
  const { app, node } = setUp();
  deepEqual(await (await app.request("/v1/members/chain")).json(), node.chainNow);
});

const REFUSED_CARDS = [
  ["a card with another address", { ...CARD, peer: "10.0.0.9:1" }, /server_8: .*does not verify/],
  ["a card with another name", { ...CARD, id: "server_9" }, /floe keygen --id server_9 prints it/],
  ["a card with a key that is none", { ...CARD, signingKey: "0".repeat(64) }, /signingKey/],
  ["a card without an address", { ...CARD, api: "nowhere" }, /api: /],
] as const;
for (const [what, card, detail] of REFUSED_CARDS) {
  Deno.test(`POST /v1/members refuses ${what}, to be added and to replace another`, async () => {
    const { node, post } = setUp();
    for (const body of [{ add: [{ card }] }, { update: [card] }]) {
      const [status, code, text] = await problemOf(await post(body));
      deepEqual([status, code], [400, "invalid_request"]);
      match(text, detail);
    }
    deepEqual(node.membersRequests, []);
  });
}

const REFUSED_BODIES: readonly (readonly [what: string, body: unknown, detail: RegExp])[] = [
  ["nothing", {}, /it asks for nothing/],
  ["what is no JSON", "{", /the body is not JSON/],
  ["a field that it does not know", { evict: ["server_1"] }, /[Uu]nrecognized key/],
  ["a card with a field too many", { add: [{ card: { ...CARD, more: "a:1" } }] }, /add\.0\.card/],
  ["a name that is none", { remove: ["a b"] }, /a b/],
  ["an address that is none", { update: [{ id: "server_4", peer: "x" }] }, /Cannot read peer: /],
  ["an update of nothing", { update: [{ id: "server_4" }] }, /neither a peer nor an api address/],
  ["a threshold that is no number", { threshold: "3" }, /threshold/],
  ["a negative threshold", { threshold: -1 }, /threshold/],
  ["too many names", { remove: Array(REQUESTED_MEMBERS_MAX + 1).fill("a") }, /remove/],
];
for (const [what, body, detail] of REFUSED_BODIES) {
  Deno.test(`POST /v1/members refuses ${what}`, async () => {
    const { node, post } = setUp();
    for (const path of ["/v1/members", "/v1/members/plan"]) {
      const [status, code, text] = await problemOf(await post(body, path));
      deepEqual([status, code], [400, "invalid_request"]);
      match(text, detail);
    }
    deepEqual(node.membersRequests, []);
  });
}

Deno.test("POST /v1/members refuses an update of a node that is no member", async () => {
  const { post } = setUp();
  for (const id of ["server_7", "server_9"]) {
    const [status, code] = await problemOf(await post({ update: [{ id, peer: "10.0.0.1:1" }] }));
    deepEqual([status, code], [409, "members_refused"]);
  }
});

Deno.test("POST /v1/members refuses a body above its limit", async () => {
  const { post } = setUp();
  const [status, code] = await problemOf(await post(" ".repeat(MEMBERS_BODY_BYTES_MAX + 1)));
  deepEqual([status, code], [413, "request_too_large"]);
});

Deno.test("the routes of the members say what the node refuses, and that nothing was applied", async () => {
  const { node, app, post } = setUp();
  for (
    const [code, status] of [
      ["members_refused", 409],
      ["members_changing", 409],
      ["not_leader", 409],
      ["no_change", 409],
      ["timeout", 504],
    ] as const
  ) {
    node.failure = new RequestError(code, "server_3 was removed", { maybeApplied: false });
    const answers = [
      await post({ refresh: true }),
      await post({ refresh: true }, "/v1/members/plan"),
      await app.request("/v1/members/change", { method: "DELETE" }),
    ];
    for (const answer of answers) {
      const { maybeApplied, ...problem } = await answer.json();
      deepEqual([answer.status, problem.code, maybeApplied], [status, code, false]);
      equal(problem.detail, "server_3 was removed");
    }
  }
});

Deno.test("the routes of the members know no other parameter and no other method", async () => {
  const { app, post } = setUp();
  for (
    const path of [
      "/v1/members?x=1",
      "/v1/members/chain?x=1",
    ]
  ) {
    deepEqual((await problemOf(await app.request(path))).slice(0, 2), [400, "invalid_parameter"]);
  }
  for (const path of ["/v1/members?x=1", "/v1/members/plan?timeoutMs=1"]) {
    const problem = await problemOf(await post({ refresh: true }, path));
    deepEqual(problem.slice(0, 2), [400, "invalid_parameter"]);
  }
  for (const path of ["plan", "change", "chain", "server_1"]) {
    const response = await app.request(`/v1/members/${path}`, { method: "PUT" });
    equal(response.status, path === "server_1" ? 404 : 405);
    await response.body?.cancel();
  }
});
