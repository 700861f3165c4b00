import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { formatAddress } from "../../lib/address.ts";
import { pause } from "../../lib/deadline.ts";
import { findPeer } from "../../lib/config/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { deadline, WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** Libraries that were written for etcd, at real processes whose leader is killed under them. */

const etcd3 = await import("etcd3").catch(() => null);
if (etcd3 === null) console.warn("npm's etcd3 cannot be had: Floe is not tried with it.");

const hasEtcd3gw = await python(["-c", "import etcd3gw"]);
if (!hasEtcd3gw) console.warn("Python's etcd3gw is not installed: Floe is not tried with it.");

async function python(args: readonly string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("python3", {
      args: [...args],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}

/** Before a request is sent again. */
const RETRY_PAUSE_MS = 100;

async function killLeader(cluster: TestCluster): Promise<void> {
  const { id, term } = await cluster.leader();
  await cluster.process(id).end("SIGKILL");
  await cluster.leader(term + 1, cluster.ids.filter((other) => other !== id));
}

function etcdAddress(cluster: TestCluster, id: NodeId): string {
  const { etcd } = findPeer(cluster.config, id);
  return etcd === undefined ? "" : formatAddress(etcd);
}

type Client = InstanceType<NonNullable<typeof etcd3>["Etcd3"]>;

Deno.test({
  name: "npm's etcd3 keeps its lease, lock, leadership and watch when the leader is killed",
  ignore: etcd3 === null,
  // gRPC keeps timers of its own while connections end.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using cluster = new TestCluster({ nodes: 3 });
    await cluster.leader();
    const hosts = cluster.ids.map((id) => etcdAddress(cluster, id));
    const { Etcd3, EtcdLockFailedError } = etcd3 ?? await import("etcd3");
    const [first, second] = [new Etcd3({ hosts }), new Etcd3({ hosts })];
    try {
      const lease = first.lease(120);
      let isLost = false;
      lease.on("lost", () => isLost = true);
      await lease.put("session").value("mine");
      const lock = await first.lock("jobs").ttl(120).acquire();
      const campaign = first.election("service", 120).campaign("me");
      await campaign.wait();
      const observer = await second.election("service", 120).observe();
      equal(await leaderSeenBy(observer), "me");
      const watch = await watchValues(second, "changed");

      await killLeader(cluster);
      await persist("a put", () => first.put("changed").value("after"));
      await watch.seen("after");
      equal(await persist("a get", () => second.get("session").string()), "mine");
      await persist("a keepalive", () => lease.keepaliveOnce());
      equal(isLost, false);
      await rejects(
        persist("a held lock's refusal", () => second.lock("jobs").ttl(120).acquire()),
        EtcdLockFailedError,
      );
      await persist("a proclamation", () => campaign.proclaim("still me"));
      const leader = await persist("the leader", () => second.election("service", 120).leader());
      equal(leader, "still me");
      const both = await persist(
        "a transaction",
        () =>
          second.if("session", "Value", "==", "mine").then(second.put("session").value("seen"))
            .commit(),
      );
      equal(both.succeeded, true);
      await persist("a lock's release", () => lock.release());
      await persist("a free lock", () => second.lock("jobs").ttl(120).acquire());
      await observer.cancel();
      await watch.cancel();
    } finally {
      first.close();
      second.close();
    }
  },
});

/** What applications do: a request that was under way when the leader died fails, and is sent again. */
async function persist<Result>(what: string, work: () => PromiseLike<Result>): Promise<Result> {
  const { EtcdLockFailedError, EtcdError, GRPCGenericError } = etcd3 ?? await import("etcd3");
  const over = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;; await pause(RETRY_PAUSE_MS, over)) {
    try {
      return await work();
    } catch (cause) {
      const mayPass = cause instanceof GRPCGenericError || cause instanceof EtcdError;
      if (cause instanceof EtcdLockFailedError || !mayPass) throw cause;
      if (over.aborted) throw new Error(`Not within ${WAIT_TIMEOUT_MS} ms: ${what}`, { cause });
    }
  }
}

/** @throws {Error} at the deadline, with what was waited for. */
async function within<Value>(what: string, promise: Promise<Value>): Promise<Value> {
  return await deadline(promise, WAIT_TIMEOUT_MS).catch((cause) => {
    throw new Error(`${what}: ${cause.message}`, { cause });
  });
}

type Observer = Awaited<ReturnType<ReturnType<Client["election"]>["observe"]>>;

async function leaderSeenBy(observer: Observer): Promise<string> {
  const changed = new Promise<string>((resolve) =>
    observer.once("change", (value) => resolve(String(value)))
  );
  return observer.leader() ?? await within("the observer sees a leader", changed);
}

async function watchValues(client: Client, key: string) {
  const watcher = await client.watch().key(key).create();
  const values: string[] = [];
  const wanted = Promise.withResolvers<void>();
  let last = "";
  watcher.on("put", ({ value }) => {
    values.push(value.toString());
    if (values.at(-1) === last) wanted.resolve();
  });
  return {
    cancel: () => watcher.cancel(),
    seen: async (value: string) => {
      last = value;
      if (values.includes(value)) return;
      await within(`the watch sees ${value}`, wanted.promise);
    },
  };
}

Deno.test({
  name: "Python's etcd3gw keeps its lease, lock and watch when the leader is killed",
  ignore: !hasEtcd3gw,
  fn: async () => {
    await using cluster = new TestCluster({ nodes: 3 });
    const leader = await cluster.leader();
    const follower = cluster.ids.find((id) => id !== leader.id) ?? leader.id;
    const { api } = findPeer(cluster.config, follower);
    const script = new URL("../etcd/etcd3gw_client.py", import.meta.url).pathname;
    const child = new Deno.Command("python3", {
      args: [script, String(api.port)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = linesOf(child.stdout);
    const ready = JSON.parse(await lines.next());
    deepEqual(ready, { acquired: true, members: 3 });
    await killLeader(cluster);
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("go on\n"));
    await writer.close();
    const { ttl, refreshed, ...left } = JSON.parse(await lines.next());
    deepEqual(left, {
      seen: ["before", "after"],
      held: true,
      second: false,
      session: ["mine"],
      keys: ["session"],
      swapped: true,
      released: true,
    });
    deepEqual([ttl, refreshed].map(Number), [120, 120]);
    await lines.end();
    ok((await child.status).success);
  },
});

function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const next = async (): Promise<string> => {
    for (;;) {
      const end = text.indexOf("\n");
      if (end >= 0) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        return line;
      }
      const { done, value = "" } = await within("etcd3gw says something", reader.read());
      if (done) throw new Error(`etcd3gw ended early: ${text}`);
      text += value;
    }
  };
  return { next, end: () => reader.cancel() };
}
