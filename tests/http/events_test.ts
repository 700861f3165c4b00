import { deepEqual, equal } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { EVENT_STREAMS_MAX } from "../../lib/http/connections.ts";
import type { TokenScope } from "../../lib/kv/token.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { newToken } from "../kv/support.ts";
import { EventReader } from "../support/event_stream.ts";
import { FakeNode } from "./fake_node.ts";

Deno.test("events begin with the node's name, and go on with the nodes as they see themselves", async () => {
  const node = new FakeNode();
  const response = await createApp(node).request("/v1/events");
  equal(response.headers.get("content-type"), "text/event-stream");
  equal(response.headers.get("cache-control"), "no-store");
  const events = new EventReader(response);
  deepEqual(await events.next(), {
    event: "start",
    id: null,
    data: { cluster: "floe-test", id: "server_1", intervalMs: 250 },
  });
  for (let times = 0; times < 2; times++) {
    const { event, data } = await events.next() ?? {};
    deepEqual([event, data], ["view", { nodes: node.views }]);
  }
  await events.cancel();
});

Deno.test("who leaves is no longer counted, and the node is no longer watched", async () => {
  const node = new FakeNode();
  const app = createApp(node);
  const readers: EventReader[] = [];
  for (let open = 0; open < EVENT_STREAMS_MAX; open++) {
    readers.push(new EventReader(await app.request("/v1/events")));
  }
  equal(node.clusterWatches, EVENT_STREAMS_MAX);
  const refused = await app.request("/v1/events");
  const { code, detail } = await refused.json();
  deepEqual([refused.status, code], [503, "overloaded"]);
  equal(detail, "Cannot show the cluster: 32 streams of events are open, the most at once");
  equal(node.clusterWatches, EVENT_STREAMS_MAX);
  for (const reader of readers) await reader.cancel();
  equal(node.clusterWatches, 0);
  await new EventReader(await app.request("/v1/events")).cancel();
});

Deno.test("HEAD opens no stream", async () => {
  const node = new FakeNode();
  const response = await createApp(node).request("/v1/events", { method: "HEAD" });
  deepEqual([response.status, node.clusterWatches], [200, 0]);
});

Deno.test("a parameter is refused, as of every route", async () => {
  const node = new FakeNode();
  const response = await createApp(node).request("/v1/events?since=1");
  const { code } = await response.json();
  deepEqual([response.status, code, node.clusterWatches], [400, "invalid_parameter", 0]);
});

/** What events and keys answer to a token with these scopes. */
async function statusesFor(scopes: readonly TokenScope[]): Promise<readonly number[]> {
  const node = new FakeNode();
  const id = "0123456789abcdef";
  const token = drawToken({ kind: "token", id });
  const secretDigest = digestSecret(token.secret);
  node.apply({ kind: "createToken", ...newToken("0"), id, secretDigest, scopes, prefixes: [] });
  const admin = { node: toNodeId("server_1"), secretDigest: new Uint8Array(32) };
  const authorizer = new Authorizer({ node, access: { kind: "tokens", admin } });
  const app = createApp(node, { authorizer });
  const headers = { authorization: `Bearer ${formatToken(token)}` };
  const statuses = [];
  for (const path of ["/v1/events", "/v1/status", "/v1/kv?prefix=", "/v1/tokens"]) {
    const response = await app.request(path, { headers });
    statuses.push(response.status);
    await response.body?.cancel();
  }
  return statuses;
}

Deno.test("events take the scope status, which read and admin have, and which shows no key", async () => {
  deepEqual(await statusesFor(["status"]), [200, 200, 403, 403]);
  deepEqual(await statusesFor(["read"]), [200, 200, 200, 403]);
  deepEqual(await statusesFor(["write"]), [403, 403, 403, 403]);
  deepEqual(await statusesFor(["admin"]), [200, 200, 200, 200]);
});

Deno.test("events without a token are refused where tokens are demanded", async () => {
  const node = new FakeNode();
  const admin = { node: toNodeId("server_1"), secretDigest: new Uint8Array(32) };
  const authorizer = new Authorizer({ node, access: { kind: "tokens", admin } });
  const response = await createApp(node, { authorizer }).request("/v1/events");
  const { code } = await response.json();
  deepEqual([response.status, code, node.clusterWatches], [401, "unauthorized", 0]);
});
