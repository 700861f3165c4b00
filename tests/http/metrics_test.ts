import assert from "node:assert/strict";
import { FakeNode, openApp } from "./fake_node.ts";

Deno.test("GET /metrics has the node's figures in Prometheus' text format", async () => {
  const { response, text } = await scrape();
  assert.equal(response.status, 200);
  assert.match(String(response.headers.get("content-type")), /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^# HELP floe_server_has_leader .+\n# TYPE floe_server_has_leader gauge\n/m);
  for (const name of ["floe_raft_term", "floe_members_threshold", "process_cpu_seconds_total"]) {
    assert.match(text, new RegExp(`^${name} [0-9.e+]+$`, "m"));
  }
  assert.match(text, /^floe_members\{role="voter"\} [0-9]+$/m);
  assert.match(text, /^floe_network_peer_connected\{peer="[a-z0-9_]+"\} [01]$/m);
});

Deno.test("GET /metrics has cumulative buckets that end at all values", async () => {
  const { text } = await scrape();
  const name = "floe_log_persist_duration_seconds";
  assert.ok(text.includes(
    `${name}_bucket{le="0.001"} 1\n${name}_bucket{le="0.01"} 3\n${name}_bucket{le="+Inf"} 4\n` +
      `${name}_sum 0.5\n${name}_count 4\n`,
  ));
});

Deno.test("GET /metrics has each name once, with its type", async () => {
  const { text } = await scrape();
  const typed = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
  assert.equal(new Set(typed).size, typed.length);
  const sampled = [...text.matchAll(/^([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{.*\})? \S+$/gm)];
  for (const [line, name] of sampled) assert.ok(typed.includes(name), line);
});

Deno.test("GET /metrics has watches, leases, and the shares that were missing by peer and reason", async () => {
  const { text } = await scrape();
  for (
    const line of [
      "floe_mvcc_watchers 3",
      "floe_leases 4",
      "floe_signing_nonces_ready 2",
      'floe_signing_failures_total{peer="server_3",reason="late"} 2',
      'floe_signing_failures_total{peer="server_4",reason="refused"} 1',
      "floe_write_commit_duration_seconds_count 4",
    ]
  ) assert.ok(text.includes(`${line}\n`), line);
});

Deno.test("GET /metrics counts requests by route and code, in as many lines as there are routes", async () => {
  const app = openApp(new FakeNode());
  const requests = [
    ...Array.from({ length: 50 }, (_, at) => ["GET", `/v1/kv/key-${at}?consistency=stale`]),
    ...Array.from({ length: 50 }, (_, at) => ["GET", `/nowhere/${at}`]),
    ...Array.from({ length: 50 }, (_, at) => [`METHOD${at}`, "/v1/leader"]),
    ["GET", "/livez"],
  ] as const;
  for (const [method, path] of requests) {
    await (await app.request(path ?? "", { method: method ?? "" })).body?.cancel();
  }
  const text = await (await app.request("/metrics")).text();
  const lines = text.split("\n").filter((line) => line.startsWith("floe_http_requests_total{"));
  assert.equal(lines.length, 4);
  const of = (part: string) => lines.find((line) => line.includes(part)) ?? "";
  assert.match(of('route="/v1/kv/'), /^floe_http_requests_total\{method="GET",.*code="404"\} 50$/);
  assert.match(of('route="none"'), /method="GET",route="none",code="404"\} 50$/);
  assert.match(of('method="other"'), /route="\/v1\/leader",code="405"\} 50$/);
  assert.match(of('route="/livez"'), /code="200"\} 1$/);
});

Deno.test("GET /metrics refuses what it does not know", async () => {
  const app = openApp(new FakeNode());
  assert.equal((await app.request("/metrics?since=1")).status, 400);
  assert.equal((await app.request("/metrics", { method: "POST" })).status, 405);
});

async function scrape(): Promise<{ readonly response: Response; readonly text: string }> {
  const response = await openApp(new FakeNode()).request("/metrics");
  return { response, text: await response.text() };
}
