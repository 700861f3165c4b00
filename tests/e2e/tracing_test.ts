import { deepEqual, equal } from "node:assert/strict";
import { findPeer } from "../../lib/config/cluster_config.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** Tracing is Deno's own: a node that has it switched on sends a span of each request to a collector. */

interface Span {
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly {
    readonly key: string;
    readonly value: { stringValue?: string };
  }[];
}

interface Traces {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

/** OTLP's number for the span of a server. */
const SERVER = 2;
/** Long enough on a busy machine. */
const WAIT_MS = 60_000;

class Collector implements AsyncDisposable {
  readonly received: string[] = [];
  readonly #waiting = Promise.withResolvers<Span>();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const text = await request.text();
      this.received.push(text);
      if (new URL(request.url).pathname === "/v1/traces") this.#take(JSON.parse(text));
      return Response.json({});
    },
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The first span of a PUT. */
  async put(): Promise<Span> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("no span came")), WAIT_MS);
    try {
      return await Promise.race([this.#waiting.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #take({ resourceSpans }: Traces): void {
    const spans = resourceSpans.flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans)
    );
    const put = spans.find(({ name }) => name.startsWith("PUT"));
    if (put !== undefined) this.#waiting.resolve(put);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

Deno.test("a node with OTEL_DENO sends a span of a put, without its value", async () => {
  await using collector = new Collector();
  const env = {
    OTEL_DENO: "true",
    OTEL_SERVICE_NAME: "floe",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
  await using cluster = new TestCluster({ nodes: 1, env });
  const { id } = await cluster.leader();
  const { port } = findPeer(cluster.config, id).api;
  const url = `http://127.0.0.1:${port}/v1/kv/traced`;
  const answer = await fetch(url, { method: "PUT", body: "secret value" });
  equal(answer.status, 200);
  await answer.body?.cancel();
  const span = await collector.put();
  const attributes = new Map(span.attributes.map(({ key, value }) => [key, value.stringValue]));
  deepEqual(
    [span.kind, attributes.get("url.path"), attributes.get("http.response.status_code")],
    [SERVER, "/v1/kv/traced", "200"],
  );
  equal(collector.received.some((text) => text.includes("secret value")), false);
});
