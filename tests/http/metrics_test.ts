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

Deno.test("GET /metrics refuses what it does not know", async () => {
  const app = openApp(new FakeNode());
  assert.equal((await app.request("/metrics?since=1")).status, 400);
  assert.equal((await app.request("/metrics", { method: "POST" })).status, 405);
});

async function scrape(): Promise<{ readonly response: Response; readonly text: string }> {
  const response = await openApp(new FakeNode()).request("/metrics");
  return { response, text: await response.text() };
}
