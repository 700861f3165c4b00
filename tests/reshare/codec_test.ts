import assert from "node:assert/strict";
import { decodeUtf8, encodeUtf8 } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import {
  decodeMembersRecord,
  decodeReshareEntry,
  EMPTY_RECORD,
  encodeMembersRecord,
  encodeReshareEntry,
  MembershipLog,
  RESHARE_ENTRY_BYTES_MAX,
  type ReshareEntry,
} from "../../lib/reshare/mod.ts";
import { toFirstMembership } from "../../lib/certificate/mod.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { nodeId, TestCluster } from "./harness.ts";

/** One of each kind, of a cluster of three to which a learner and an address have come. */
function entries(): readonly ReshareEntry[] {
  const cluster = new TestCluster({ threshold: 2, voters: 3, joiners: 1 });
  cluster.change(2, [1, 2, 3], { members: cluster.members([1, 2, 3], [4]) });
  const begin = cluster.log[0];
  assert.ok(begin?.kind === "begin");
  const abort = { kind: "abort", change: "ab".repeat(32), reason: "nobody \u00fcber" } as const;
  const complaints = [{ dealer: nodeId(2), rule: "bad-share" }] as const;
  const complaining = cluster.log.flatMap((entry) =>
    entry.kind === "held" ? [{ ...entry, complaints }] : []
  );
  const { members, sequence, epoch, threshold } = begin;
  const goal = { threshold, members, leaving: members.slice(0, 1), isRefresh: true };
  const plan = { kind: "plan", id: toLogIndex(7), sequence, epoch, goal } as const;
  const planEnd = { kind: "planEnd", id: plan.id, outcome: "failed", reason: "why" } as const;
  return [...cluster.log, ...complaining, abort, plan, planEnd];
}

function entriesOfKinds<Kind extends ReshareEntry["kind"]>(wanted: Kind) {
  return entries().filter((entry): entry is Extract<ReshareEntry, { readonly kind: Kind }> =>
    entry.kind === wanted
  );
}

Deno.test("decodeReshareEntry() reads what encodeReshareEntry() writes", () => {
  const said = entries();
  assert.equal(new Set(said.map(({ kind }) => kind)).size, 10);
  for (const entry of said) assert.deepEqual(decodeReshareEntry(encodeReshareEntry(entry)), entry);
});

Deno.test("encodeReshareEntry() writes one text, whatever the order of the fields", () => {
  for (const entry of entries()) {
    const turned = Object.fromEntries(Object.entries(entry).reverse()) as unknown as ReshareEntry;
    assert.deepEqual(encodeReshareEntry(turned), encodeReshareEntry(entry));
  }
});

Deno.test("decodeReshareEntry() refuses every second way to write an entry", () => {
  for (const entry of entries()) {
    const text = decodeUtf8(encodeReshareEntry(entry));
    for (
      const wrong of [
        ` ${text}`,
        `${text}\n`,
        text.replace('"kind":', '"kind": '),
        text.replace(/^\{("kind":"[a-zA-Z]+"),/, "{").replace(/}$/, `,"kind":"${entry.kind}"}`),
        text.replace(/}$/, ',"more":1}'),
        text.replace(entry.kind, "other"),
        text.slice(0, -1),
        text.toUpperCase(),
        "",
        "null",
        "[]",
      ]
    ) {
      assert.throws(() => decodeReshareEntry(encodeUtf8(wrong)), InputError, wrong.slice(0, 99));
    }
  }
});

Deno.test("decodeReshareEntry() refuses or reads exactly each entry with one byte changed", () => {
  for (const entry of entries()) {
    const bytes = encodeReshareEntry(entry);
    for (let at = 0; at < bytes.length; at += 7) {
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      try {
        assert.deepEqual(encodeReshareEntry(decodeReshareEntry(flipped)), flipped);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
      }
    }
  }
});

Deno.test("decodeReshareEntry() refuses what is longer than an entry can be", () => {
  const bytes = new Uint8Array(RESHARE_ENTRY_BYTES_MAX + 1);
  assert.throws(() => decodeReshareEntry(bytes), /bytes are above/);
});

Deno.test("a record of the members and the entries after it lead to the same log as all entries", () => {
  const cluster = new TestCluster({ threshold: 2, voters: 3 });
  cluster.change(2, [1, 2, 3]);
  cluster.lies = { entry: (entry) => entry.kind === "select" ? null : entry };
  cluster.change(2, [1, 2, 3]);
  cluster.lies = {};
  const whole = new MembershipLog(toFirstMembership(cluster.genesis));
  for (const entry of cluster.log) whole.apply(entry);
  assert.equal(whole.change?.commonDealers.length, 3, "a change is under way, with its deals");
  const { certificates, attempt, entries } = whole;
  const position = { index: toLogIndex(9), term: toTerm(2) };
  const plan = entriesOfKinds("plan")[0] ?? null;
  const record = { ...position, certificates, attempt, plan, entries };
  assert.deepEqual(decodeMembersRecord(encodeMembersRecord(record)), record);
  assert.deepEqual(decodeMembersRecord(encodeMembersRecord(EMPTY_RECORD)), EMPTY_RECORD);
  const again = new MembershipLog(whole.current, attempt - 1);
  for (const entry of entries) again.apply(entry);
  assert.deepEqual(again.change?.id, whole.change?.id);
  assert.deepEqual(again.change?.commonDealers, whole.change?.commonDealers);
  assert.equal(again.attempt, whole.attempt);
});
