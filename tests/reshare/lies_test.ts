import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { concatBytes } from "../../lib/bytes.ts";
import {
  type DealEntry,
  encodeWord,
  findLiars,
  type HeldEntry,
  PROGRESS_TICKS_MAX,
  type ReshareEntry,
  type ReshareEvent,
  signWord,
} from "../../lib/reshare/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { BAD_ENCODINGS } from "../frost/weak_points.ts";
import { nodeId, TestCluster } from "./harness.ts";

const LIAR = nodeId(2);

/** A cluster of five, three of whom sign, in which server_2's deals are something else. */
function withDeals(change: (elements: readonly Uint8Array[]) => readonly Uint8Array[]) {
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  cluster.lies = {
    entry: (entry, by) => {
      if (entry.kind !== "deal" || by !== LIAR) return entry;
      const word = { ...entry, elements: change(entry.elements) };
      return signWord(word, cluster.node(LIAR).sign);
    },
  };
  cluster.change(3, [1, 2, 3, 4, 5]);
  return cluster;
}

/** Everybody names the liar, and the change is made without its deal. */
function assertNamed(cluster: TestCluster, rule: string): void {
  const faults = cluster.eventsOf("faultFound");
  assert.equal(faults.length % 5, 0);
  assert.ok(faults.length > 0);
  assert.ok(faults.every((fault) => fault.node === LIAR && fault.rule === rule));
  assert.equal(cluster.membership.epoch, 2);
  assert.ok(!selectedIn(cluster).includes(LIAR));
  cluster.check();
}

function selectedIn({ log }: TestCluster): readonly NodeId[] {
  const select = log.find((entry) => entry.kind === "select");
  assert.ok(select?.kind === "select");
  return select.dealers;
}

function refusals(cluster: TestCluster): string[] {
  return cluster.events.flatMap((event: ReshareEvent & { readonly at: NodeId }) =>
    event.kind === "entryRefused" && event.at === nodeId(1) ? [event.reason] : []
  );
}

Deno.test("a dealer with another constant term is named by everybody", () => {
  assertNamed(
    withDeals(([, second, ...others]) => [
      assertDefined(second, "none"),
      assertDefined(second, "none"),
      ...others,
    ]),
    "wrong-commitment",
  );
});

Deno.test("a dealer with another degree is named by everybody", () => {
  assertNamed(withDeals((elements) => elements.slice(0, 2)), "wrong-commitment-length");
  assertNamed(
    withDeals((elements) => [...elements, ...elements.slice(1, 2)]),
    "wrong-commitment-length",
  );
});

Deno.test("a dealer with a point outside the group is named by everybody", () => {
  for (const [, rule, bytes] of BAD_ENCODINGS) {
    assertNamed(
      withDeals(([first, , third]) => [first, bytes, third].flatMap((it) => it ?? [])),
      rule,
    );
  }
});

Deno.test("a dealer with a wrong sub-share is named by its receiver, and left out", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  cluster.lies = {
    message: (message) =>
      message.kind === "subShare" && message.from === LIAR && message.to === nodeId(4)
        ? { ...message, secret: message.secret.map((byte, at) => at === 0 ? byte ^ 1 : byte) }
        : message,
  };
  cluster.change(3, [1, 2, 3, 4, 5]);
  assert.deepEqual(cluster.eventsOf("dealRefused").map(({ complaint }) => complaint), [
    { dealer: LIAR, rule: "bad-share" },
  ]);
  assert.ok(cluster.eventsOf("complaintReported").every(({ by }) => by === nodeId(4)));
  assert.ok(!selectedIn(cluster).includes(LIAR));
  cluster.check();
});

Deno.test("a dealer that sends nothing is left out, and one that sends garbage as well", () => {
  for (const secret of [null, new Uint8Array(0), new Uint8Array(32).fill(255)]) {
    const cluster = new TestCluster({ threshold: 3, voters: 5 });
    cluster.lies = {
      message: (message) => {
        if (message.kind !== "subShare" || message.from !== LIAR) return message;
        return secret === null ? null : { ...message, secret };
      },
    };
    cluster.change(3, [1, 2, 3, 4, 5]);
    assert.ok(!selectedIn(cluster).includes(LIAR));
    cluster.check();
  }
});

/** server_2 complains of others, without a reason. */
function withComplaints(dealers: readonly number[]) {
  const cluster = new TestCluster({ threshold: 4, voters: 5 });
  const complaints = dealers.map(nodeId).map((dealer) => ({ dealer, rule: "bad-share" } as const));
  cluster.lies = {
    entry: (entry, by) => {
      if (entry.kind !== "held" || by !== LIAR) return entry;
      const isAll = complaints.every(({ dealer }) => entry.dealers.includes(dealer));
      if (!isAll) return null;
      const word: Omit<HeldEntry, "signature"> = {
        kind: "held",
        change: entry.change,
        author: LIAR,
        dealers: entry.dealers.filter((id) => !dealers.map(nodeId).includes(id)),
        complaints,
      };
      return signWord(word, cluster.node(LIAR).sign);
    },
  };
  cluster.change(4, [1, 2, 3, 4, 5]);
  return cluster;
}

Deno.test("a receiver that complains falsely of one dealer changes nothing", () => {
  const cluster = withComplaints([3]);
  assert.equal(cluster.membership.epoch, 2);
  cluster.check();
});

Deno.test("a receiver that complains of more dealers than can lie is named", () => {
  const cluster = withComplaints([1, 3, 4]);
  const change = assertDefined(cluster.node(nodeId(1)).resharing.log.change, "no change");
  assert.deepEqual(findLiars(change), [LIAR]);
  cluster.tick(PROGRESS_TICKS_MAX);
  assert.match(
    cluster.eventsOf("aborted")[0]?.reason ?? "",
    /server_2 refuses server_3's deal.*server_2 must be lying/,
  );
  assert.equal(cluster.membership.epoch, 1);
});

Deno.test("nothing that is said in another's name is taken, whoever leads", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  const forged: string[] = [];
  cluster.lies = {
    entry: (entry, by) => {
      if (!("signature" in entry) || by !== LIAR) return entry;
      const lie = { ...entry, author: nodeId(3) };
      forged.push(entry.kind);
      cluster.log.push(lie, { ...entry, signature: new Uint8Array(64) });
      return entry;
    },
  };
  cluster.change(3, [1, 2, 3, 4, 5]);
  assert.deepEqual([...new Set(forged)].sort(), ["deal", "held", "ready"]);
  assert.ok(refusals(cluster).some((reason) => /did not sign/.test(reason)));
  assert.equal(cluster.membership.epoch, 2);
  cluster.check();
});

/** The log of a whole change of another cluster of the same keys and members. */
function recorded(seed?: number) {
  const cluster = new TestCluster({ threshold: 3, voters: 5, ...(seed ? { seed } : {}) });
  cluster.change(3, [1, 2, 3, 4, 5]);
  const find = <Kind extends ReshareEntry["kind"]>(kind: Kind) => {
    const found = cluster.log.find((entry) => entry.kind === kind);
    return assertDefined(found, kind) as Extract<ReshareEntry, { kind: Kind }>;
  };
  return { cluster, find };
}

Deno.test("a leader cannot select deals that not all hold, too few, or one twice", () => {
  for (const wrong of [[1, 2], [1, 2, 2], [1, 2, 9], []]) {
    const cluster = new TestCluster({ threshold: 3, voters: 5 });
    cluster.lies = {
      entry: (entry) => entry.kind === "select" ? { ...entry, dealers: wrong.map(nodeId) } : entry,
    };
    cluster.change(3, [1, 2, 3, 4, 5]);
    assert.ok(refusals(cluster).length > 0, `${wrong}`);
    assert.equal(cluster.node(nodeId(3)).record.next, null);
    assert.equal(cluster.node(nodeId(3)).resharing.log.change?.stage, "dealing");
  }
});

Deno.test("a leader cannot put a configuration into force without both certificates", () => {
  const { find } = recorded();
  const { byOld, byNew } = find("configuration");
  const wrong: Partial<ReturnType<typeof find<"configuration">>>[] = [
    { byNew: null },
    { byNew: byOld },
    { byOld: byNew ?? "" },
    { byOld: "" },
    { byOld: byOld.replace("threshold 3", "threshold 4") },
    { byOld: byOld.replace("10.0.0.1", "10.0.0.2") },
  ];
  for (const lie of wrong) {
    const cluster = new TestCluster({ threshold: 3, voters: 5 });
    cluster.lies = {
      entry: (entry) => entry.kind === "configuration" ? { ...entry, ...lie } : entry,
    };
    cluster.change(3, [1, 2, 3, 4, 5]);
    assert.ok(refusals(cluster).some((reason) => /Cannot (accept|read)/.test(reason)));
    assert.equal(cluster.membership.epoch, 1);
    assert.ok(cluster.node(nodeId(3)).record.current?.epoch === 1, "the old share is kept");
    cluster.check();
  }
});

Deno.test("a leader cannot prove with another note", () => {
  const { find } = recorded();
  const { byOld } = find("configuration");
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  cluster.lies = {
    entry: (entry) => entry.kind === "proof" ? { ...entry, note: byOld } : entry,
  };
  cluster.change(3, [1, 2, 3, 4, 5]);
  assert.match(refusals(cluster).join("\n"), /states something else than the log/);
  assert.equal(cluster.node(nodeId(3)).resharing.log.change?.stage, "proving");
});

Deno.test("what both epochs signed is in force, whatever stands before it in the log", () => {
  const { find } = recorded();
  const { byOld } = find("configuration");
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  cluster.lies = {
    entry: (entry) => {
      if (entry.kind !== "proof") return entry;
      return { kind: "configuration", change: entry.change, byOld, byNew: entry.note };
    },
  };
  cluster.change(3, [1, 2, 3, 4, 5]);
  assert.equal(cluster.node(nodeId(3)).resharing.log.change, null);
  cluster.check();
});

Deno.test("a leader that names another change in a configuration costs nobody its new share", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  cluster.lies = {
    entry: (entry) =>
      entry.kind === "configuration" ? { ...entry, change: "ab".repeat(32) } : entry,
  };
  cluster.change(3, [1, 2, 3, 4, 5]);
  assert.equal(cluster.membership.epoch, 2);
  for (const number of [1, 2, 3, 4, 5]) {
    const { current, next } = cluster.node(nodeId(number)).record;
    assert.deepEqual([current?.epoch, next], [2, null]);
  }
});

Deno.test("a proven change cannot be aborted", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  cluster.lies = {
    entry: (entry) => {
      if (entry.kind !== "configuration") return entry;
      cluster.log.push({ kind: "abort", change: entry.change, reason: "a lie" });
      return entry;
    },
  };
  cluster.change(3, [1, 2, 3, 4, 5]);
  assert.ok(refusals(cluster).includes("a proven change can only be completed"));
  cluster.check();
});

Deno.test("entries of a change that has ended, and of another, change nothing", () => {
  const { cluster } = recorded();
  const before = { ...cluster.membership };
  for (const entry of [...cluster.log]) cluster.commit(entry);
  assert.deepEqual(cluster.membership, before);
  for (const entry of recorded(7).cluster.log) cluster.commit(entry);
  assert.deepEqual(cluster.membership, before);
  cluster.check();
});

Deno.test("a leader cannot begin what breaks the chain or the intersection rule", () => {
  const { find } = recorded();
  const begin = find("begin");
  const wrong: [Partial<typeof begin>, RegExp][] = [
    [{ sequence: 2 }, /does not follow/],
    [{ attempt: 2 }, /attempt 2 does not follow 0/],
    [{ previous: new Uint8Array(32) }, /does not follow/],
    [{ threshold: 2 }, /not more than half/],
    [{ members: begin.members.slice(0, 3), threshold: 2 }, /two leaders of one term/],
    [{ members: begin.members.slice(0, 3), threshold: 3 }, /could miss a write/],
    [{ absent: [nodeId(1), nodeId(2), nodeId(3)] }, /fewer than 3/],
    [{ absent: [nodeId(9)] }, /no new voter/],
    [
      { members: begin.members.map((one) => ({ ...one, identifier: one.identifier + 5 })) },
      /cannot/,
    ],
  ];
  for (const [lie, reason] of wrong) {
    const cluster = new TestCluster({ threshold: 3, voters: 5 });
    cluster.commit({ ...begin, ...lie });
    assert.match(refusals(cluster).join(), reason);
    assert.equal(cluster.node(nodeId(1)).resharing.log.change, null);
  }
});

Deno.test("one change at a time: a second begin is refused, and a leader proposes none", () => {
  const cluster = new TestCluster({ threshold: 2, voters: 3 });
  cluster.lies = { entry: (entry) => entry.kind === "deal" ? null : entry };
  cluster.change(2, [1, 2, 3]);
  cluster.change(2, [1, 2]);
  assert.match(cluster.eventsOf("proposalRefused")[0]?.reason ?? "", /another one is under way/);
  const [begin] = cluster.log;
  cluster.commit(assertDefined(begin, "none"));
  assert.ok(refusals(cluster).includes("another change is under way"));
});

Deno.test("a node that deals nothing to others cannot hand them sub-shares", () => {
  const cluster = new TestCluster({ threshold: 2, voters: 3, joiners: 1 });
  cluster.lies = { entry: (entry) => entry.kind === "select" ? null : entry };
  cluster.change(3, [1, 2, 3, 4]);
  const { change } = cluster.node(nodeId(1)).resharing.log;
  const lie = {
    kind: "subShare",
    from: nodeId(4),
    to: nodeId(1),
    change: assertDefined(change, "no change").id,
    secret: new Uint8Array(32),
  } as const;
  cluster.step(nodeId(1), [{ kind: "message", message: lie }]);
  assert.equal(cluster.eventsOf("messageRefused")[0]?.from, nodeId(4));
});

Deno.test("encodeWord() tells words, changes, authors and contents apart", () => {
  const { find } = recorded();
  const { signature: _, ...deal }: DealEntry = find("deal");
  const held = { ...deal, kind: "held", dealers: [LIAR], complaints: [] } as const;
  const words = [
    deal,
    { ...deal, author: LIAR },
    { ...deal, change: "0" },
    { ...deal, elements: deal.elements.slice(1) },
    { ...deal, elements: [concatBytes(...deal.elements)] },
    held,
    { ...held, dealers: [] },
    { ...held, dealers: [], complaints: [{ dealer: LIAR, rule: "bad-share" }] },
    { kind: "ready", change: deal.change, author: deal.author },
  ] as const;
  assert.equal(new Set(words.map((word) => encodeWord(word).toHex())).size, words.length);
});
