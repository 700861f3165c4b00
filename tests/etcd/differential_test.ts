import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import type { Application } from "../../lib/http/route.ts";
import { toNodeId } from "../../lib/types.ts";
import { FakeNode } from "../http/fake_node.ts";
import { Random } from "../simulator/random.ts";
import { Comparison, type Send } from "./comparison.ts";
import { bodyFor, RequestGenerator } from "./generator.ts";
import { findEtcd, RealEtcd } from "./real_etcd.ts";

const REQUESTS = Number(Deno.env.get("FLOE_ETCD_REQUESTS") ?? 3_000);
const SEED = Deno.env.get("FLOE_ETCD_SEED") ?? "1";

const program = findEtcd();
if (program === null) {
  console.warn("etcd is not installed: its answers are not compared. FLOE_ETCD names its program.");
}

Deno.test({
  name: `etcd and Floe answer ${REQUESTS} requests alike`,
  ignore: program === null,
  fn: async () => {
    await using etcd = await RealEtcd.start(program ?? "");
    const floe = openEtcdApp(new FakeNode());
    const comparison = new Comparison({ etcd: sendTo(etcd), floe: sendToFloe(floe) });
    const random = new Random(`etcd/${SEED}`);
    const generator = new RequestGenerator(random, comparison.revisions);
    for (let count = 1; count <= REQUESTS; count++) {
      const request = generator.next();
      try {
        await comparison.same(request);
      } catch (cause) {
        const shown = `${request.path} ${JSON.stringify(request.body)}`;
        throw new Error(`Request ${count} of seed ${SEED}: ${shown}`, { cause });
      }
    }
    await compareWatches({ etcd, floe, comparison });
  },
});

/** What is watched, and what the last event has. */
const WATCHES = [
  { watch: { key: btoa("\0"), range_end: btoa("\0") }, end: ["eg==", "DELETE"] },
  { watch: { key: btoa("a"), range_end: btoa("b"), prev_kv: true }, end: ["bGFzdA=="] },
  {
    watch: { key: btoa("b"), rangeEnd: btoa("\0"), filters: ["NOPUT"], prev_kv: true },
    end: ["eg=="],
  },
  { watch: { key: btoa("\0"), range_end: btoa("\0"), filters: ["NODELETE"] }, end: ["eg=="] },
  { watch: { key: btoa("d"), range_end: btoa("c") }, end: [] },
  { watch: { key: btoa("a"), start_revision: "-1" }, end: [] },
  { watch: { key: btoa("a"), start_revision: "1" }, end: [] },
];

/** What both say of all that happened since history was last forgotten. */
async function compareWatches({ etcd, floe, comparison }: {
  readonly etcd: RealEtcd;
  readonly floe: Application;
  readonly comparison: Comparison;
}): Promise<void> {
  await comparison.same({ path: "/v3/kv/compaction", body: { revision: comparison.at(-300) } });
  const start_revision = comparison.at(-250);
  const last = { value: btoa("last"), prev_kv: true };
  await comparison.same({ path: "/v3/kv/put", body: { key: btoa("a"), ...last } });
  await comparison.same({ path: "/v3/kv/put", body: { key: btoa("z"), ...last } });
  await comparison.same({ path: "/v3/kv/deleterange", body: { key: btoa("z") } });
  for (const { watch, end } of WATCHES) {
    const create_request = { start_revision, ...watch };
    const body = (store: "etcd" | "floe") => ({
      method: "POST",
      body: JSON.stringify(bodyFor(store, { create_request })),
    });
    comparison.sameAnswers(
      await readWatch(await fetch(`${etcd.url}/v3/watch`, body("etcd")), end),
      await readWatch(await floe.request("/v3/watch", body("floe")), end),
    );
  }
}

/** All events of a watch up to the last key's, and what else came first. */
async function readWatch(response: Response, end: readonly string[]): Promise<unknown> {
  const [body] = [response.body];
  if (body === null) throw new Error("A watch without a body");
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const events: unknown[] = [];
  const others: unknown[] = [];
  let text = "";
  while (true) {
    const { done, value = "" } = await reader.read();
    text += value;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const { events: some = [], header: _header, ...rest } = JSON.parse(line).result;
      events.push(...some);
      // Where etcd says what is forgotten, Floe says where a client can begin anew.
      if (rest.compact_revision !== undefined) rest.compact_revision = "there";
      if (Object.keys(rest).length > 0) others.push(rest);
    }
    const last = JSON.stringify(events.at(-1) ?? "");
    const isOver = JSON.stringify(others).includes('"canceled":true') ||
      (events.length > 0 && end.every((part) => last.includes(part)));
    if (!done && !isOver) continue;
    await reader.cancel();
    return { events, others };
  }
}

function sendTo({ url }: RealEtcd): Send {
  return async (path, body) => {
    const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
    return readAnswer(response);
  };
}

function sendToFloe(app: Application): Send {
  return async (path, body) =>
    readAnswer(await app.request(path, { method: "POST", body: JSON.stringify(body) }));
}

function openEtcdApp(node: FakeNode): Application {
  const self = toNodeId("server_1");
  const members = () => [{ id: self, peer: "127.0.0.1:1", api: "127.0.0.1:2", etcd: null }];
  return createApp(node, {
    authorizer: new Authorizer({ node, access: { kind: "open" } }),
    etcd: { self, members, isTls: false },
  });
}

/** What is refused says so with `code` and a text, which older ones call `error`. */
async function readAnswer(response: Response): Promise<{ status: number; answer: unknown }> {
  const answer = JSON.parse(await response.text());
  // In etcd, those that end sooner come first.
  answer.leases?.sort((left: { ID: string }, right: { ID: string }) => left.ID < right.ID ? -1 : 1);
  // In etcd, those come in any order.
  if (answer.grantedTTL !== undefined) answer.keys?.sort();
  // How much is left of it is a matter of moments.
  if (answer.grantedTTL !== undefined) delete answer.TTL;
  if (response.ok) return { status: response.status, answer: withoutInnerHeaders(answer) };
  return { status: response.status, answer: { code: answer.code, text: answer.message } };
}

/** In etcd, the answers inside a transaction's have headers that are not complete. */
function withoutInnerHeaders(answer: { responses?: unknown }): unknown {
  if (answer.responses === undefined) return answer;
  const text = JSON.stringify(
    answer.responses,
    (name, value) => name === "header" ? undefined : value,
  );
  return { ...answer, responses: JSON.parse(text) };
}
