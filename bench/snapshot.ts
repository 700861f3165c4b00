/**
 * `deno task bench snapshot [--megabytes 1024] [--rounds 3]`: whether a snapshot makes anyone miss
 * heartbeats. Three nodes hold so much data; one of them loses its disk's key-value store again and
 * again, and gets it back by a snapshot, while nobody asks for anything and while clients write.
 *
 * What counts are the gaps between heartbeats, as each node logs them, from the receiver's start until it
 * has installed the snapshot, against those of a quiet cluster just before. An election in that time
 * would mean that somebody missed too many.
 *
 * @module
 */

import { assertDefined } from "../lib/assert.ts";
import { findPeer } from "../lib/config/cluster_config.ts";
import { VALUE_BYTES_MAX } from "../lib/limits.ts";
import type { NodeId } from "../lib/types.ts";
import type { ProcessEvent } from "../tests/e2e/harness/events.ts";
import { TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { HttpClient } from "./support/http_client.ts";
import { quantile } from "./support/statistics.ts";

const MEGABYTES = readFlag("megabytes", 1024);
const ROUNDS = readFlag("rounds", 3);
const FILLERS = 4;
const WRITERS = 16;
const SMALL_VALUE = new Uint8Array(256).fill(0x61);
const CALM_MS = 10_000;
const SNAPSHOT_TIMEOUT_MS = 30 * 60 * 1000;
/** So that the log does not reach back: a node that lost its store needs a snapshot. */
const LOG = { entriesMax: 10_000, bytesMax: 8 * 1024 * 1024 };

interface Gaps {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Round {
  readonly seconds: number;
  readonly elections: number;
  readonly writes: number;
  readonly sent: Gaps;
  readonly received: Gaps;
  readonly receiver: Gaps;
}

await using cluster = new TestCluster({ nodes: 3, log: LOG });
await cluster.leader();
await fill();
const calm = await watchCalm();
const idle = await measure({ writers: 0 });
const writing = await measure({ writers: WRITERS });
const table = Object.entries({ idle, writing }).map(([load, round]) => [load, flatten(round)]);
console.table({
  calm: flatten(calm),
  ...Object.fromEntries(table),
});
console.log(JSON.stringify({ bench: "snapshot", megabytes: MEGABYTES, calm, idle, writing }));

/** The round whose longest gap at the leader is the median. */
async function measure(load: { readonly writers: number }): Promise<Round> {
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await snapshotOnce(load));
  rounds.sort((left, right) => left.sent.max - right.sent.max);
  return assertDefined(rounds[Math.floor(ROUNDS / 2)], "a round");
}

/** A follower loses its store and gets it back. */
async function snapshotOnce({ writers }: { readonly writers: number }): Promise<Round> {
  const { leader, follower, receiver } = await findRoles();
  await cluster.process(receiver).end("SIGTERM");
  const folder = cluster.dataDir(receiver);
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.startsWith("kv.db")) Deno.removeSync(`${folder}/${name}`);
  }
  const from = new Map([leader, follower].map((id) => [id, saidOf(id).length]));
  const startedMs = performance.now();
  const over = new AbortController();
  const work = Array.from(
    { length: writers },
    (_, writer) => write({ leader, writer, over: over.signal }),
  );
  const { said } = cluster.start(receiver);
  await said.waitFor("a snapshot", isInstalled, { timeoutMs: SNAPSHOT_TIMEOUT_MS });
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  over.abort();
  const writes = (await Promise.all(work)).reduce((sum, count) => sum + count, 0);
  const [byLeader, byFollower] = [leader, follower].map((id) => saidOf(id).slice(from.get(id)));
  const events = [...byLeader ?? [], ...byFollower ?? [], ...said.events];
  return {
    seconds,
    writes: Math.round(writes / seconds),
    elections: events.filter(({ event }) => event === "prevote.started").length,
    sent: gapsOf(byLeader),
    received: gapsOf(byFollower),
    receiver: gapsOf(said.events),
  };
}

async function watchCalm(): Promise<Pick<Round, "sent" | "received">> {
  const { leader, follower } = await findRoles();
  const from = [saidOf(leader).length, saidOf(follower).length];
  await new Promise((resolve) => setTimeout(resolve, CALM_MS));
  return {
    sent: gapsOf(saidOf(leader).slice(from[0])),
    received: gapsOf(saidOf(follower).slice(from[1])),
  };
}

/** Who leads now, and the others. */
async function findRoles(): Promise<Record<"leader" | "follower" | "receiver", NodeId>> {
  const answer = await cluster.fetch(assertDefined(cluster.ids[0], "a node"), "/v1/leader");
  const { leader: name } = await answer.json();
  const leader = findPeer(cluster.config, name).id;
  const [follower, receiver] = cluster.ids.filter((id) => id !== leader);
  return {
    leader,
    follower: assertDefined(follower, "a second node"),
    receiver: assertDefined(receiver, "a third node"),
  };
}

function isInstalled({ event }: ProcessEvent): boolean {
  return event === "snapshot.installed";
}

function saidOf(id: NodeId): readonly ProcessEvent[] {
  return cluster.process(id).said.events;
}

/** Between one heartbeat and the next, in milliseconds, by the node's own log. */
function gapsOf(events: readonly ProcessEvent[] = []): Gaps {
  const times = events
    .filter(({ event }) => event === "heartbeat.sent" || event === "heartbeat.received")
    .map(({ time }) => Date.parse(String(time)));
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? time));
  return { p50: quantile(gaps, 0.5), p99: quantile(gaps, 0.99), max: quantile(gaps, 1) };
}

async function fill(): Promise<void> {
  const count = Math.ceil(MEGABYTES * 1024 * 1024 / VALUE_BYTES_MAX);
  const value = new Uint8Array(VALUE_BYTES_MAX).fill(0x61);
  const { leader } = await findRoles();
  await Promise.all(Array.from({ length: FILLERS }, async (_, filler) => {
    using http = await HttpClient.connect(findPeer(cluster.config, leader).api);
    for (let number = filler; number < count; number += FILLERS) {
      await http.put(`large-${number}`, value);
    }
  }));
}

/** Writes without a pause until it is over; how often. */
async function write(
  { leader, writer, over }: {
    readonly leader: NodeId;
    readonly writer: number;
    readonly over: AbortSignal;
  },
): Promise<number> {
  using http = await HttpClient.connect(findPeer(cluster.config, leader).api);
  let count = 0;
  while (!over.aborted) {
    await http.put(`small-${writer}-${count % 1_000}`, SMALL_VALUE);
    count++;
  }
  return count;
}

function flatten(round: Partial<Round>): Record<string, unknown> {
  const show = (gaps: Gaps | undefined) => gaps && `${gaps.p50} / ${gaps.p99} / ${gaps.max}`;
  return {
    seconds: round.seconds,
    "writes/s": round.writes,
    elections: round.elections,
    "sent p50/p99/max ms": show(round.sent),
    "received": show(round.received),
    "by the receiver": show(round.receiver),
  };
}

function readFlag(name: string, fallback: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(Deno.args[at + 1]);
}
