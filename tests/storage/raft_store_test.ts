import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { openRaftStore } from "../../lib/storage/raft_store.ts";
import { toEpoch, toLogIndex, toTerm } from "../../lib/types.ts";
import {
  batch,
  certificate,
  copyAsIfKilled,
  entries,
  entry,
  findAfter,
  findIn,
  grants,
  hardState,
  persist,
  withFolder,
  withStore,
} from "./support.ts";

Deno.test("RaftStore is empty at first: term 0, no vote, no entries, no certificates", () =>
  withStore((store) => {
    assert.deepEqual(store.load(), {
      hardState: { currentTerm: 0, votedFor: null },
      logStart: { index: 0, term: 0 },
      members: null,
      entries: [],
      currentTermNote: null,
      grants: null,
    });
    assert.equal(store.lastIndex, 0);
    assert.deepEqual(store.elections({ limit: 10 }), []);
    assert.equal(store.election(toTerm(1)), null);
  }));

Deno.test("load() gives back after a restart exactly what was persisted", () =>
  withFolder(async (options) => {
    const log = [{ ...entry(1), kind: "certificate" as const }, ...entries(2, 5)];
    const written = {
      hardState: hardState(1, "server_2"),
      entries: log,
      certificates: [certificate(1)],
    };
    assert.deepEqual(await findAfter(options, batch(1, written)), {
      hardState: written.hardState,
      logStart: { index: 0, term: 0 },
      members: null,
      entries: log,
      currentTermNote: certificate(1).note,
      grants: null,
    });
  }));

Deno.test("load() gives back the grants of a term that has no certificate", () =>
  withFolder(async (options) => {
    const found = await findAfter(options, batch(1, { hardState: hardState(7) }));
    assert.deepEqual(found.grants, grants(7));
  }));

Deno.test("load() gives back the membership that grants are of, and what is known of the members", () =>
  withFolder(async (options) => {
    const membership = { byOld: "by 3\n\u2014 a b\n", byNew: "by 4\n" };
    const proof = { ...grants(7), epoch: toEpoch(4), membership };
    const position = { index: toLogIndex(1), term: toTerm(1) };
    const found = await findAfter(
      options,
      batch(1, { hardState: hardState(1), entries: entries(1, 2) }),
      batch(2, { hardState: hardState(7), grants: proof }),
      batch(3, { logStart: { position, keepsRest: true, members: '{"index":1}' } }),
    );
    assert.deepEqual(found.grants, proof);
    assert.equal(found.members, '{"index":1}');
    const amended = { ...proof, membership: { ...membership, byNew: null } };
    const later = batch(1, { hardState: hardState(8), grants: { ...amended, term: toTerm(8) } });
    assert.deepEqual((await findAfter(options, later)).grants, { ...amended, term: toTerm(8) });
  }));

Deno.test("RaftStore keeps entries of every kind", () =>
  withFolder(async (options) => {
    const kinds = ["certificate", "command", "configuration", "resharing"] as const;
    const log = kinds.map((kind, at) => ({ ...entry(at + 1), kind }));
    const found = await findAfter(options, batch(1, { hardState: hardState(1), entries: log }));
    assert.deepEqual(found.entries, log);
  }));

Deno.test("RaftStore refuses a term that nothing proves", () =>
  withFolder(async (options) => {
    const batches = [
      batch(1, { hardState: hardState(1) }),
      batch(2, { hardState: hardState(2), grants: null }),
    ];
    await assert.rejects(findAfter(options, ...batches), /nothing in it proves its term 2/);
  }));

Deno.test("load() gives back every batch when the process was killed, not closed", () =>
  withStore(async (store, options) => {
    for (let sequence = 1; sequence <= 10; sequence++) {
      const written = { hardState: hardState(sequence), entries: [entry(sequence, sequence)] };
      await persist(store, batch(sequence, written));
    }
    const found = findIn(copyAsIfKilled(options));
    assert.deepEqual(found.hardState, hardState(10));
    assert.deepEqual(found.entries.map(({ index, term }) => [index, term]).at(-1), [10, 10]);
    assert.equal(found.entries.length, 10);
  }));

Deno.test("load() may be asked once: what a start found is not kept", () =>
  withStore((store) => {
    store.load();
    assert.throws(() => store.load(), InvariantError);
  }));

Deno.test("load() has the current term's note only, not that of a term before", () =>
  withFolder(async (options) => {
    const found = await findAfter(
      options,
      batch(1, { hardState: hardState(1), certificates: [certificate(1)] }),
      batch(2, { hardState: hardState(2) }),
    );
    assert.equal(found.currentTermNote, null);
  }));

Deno.test("persist() replaces everything at or above the first new entry's index", () =>
  withFolder(async (options) => {
    const { entries: found } = await findAfter(
      options,
      batch(1, { hardState: hardState(1), entries: entries(1, 9) }),
      batch(2, { hardState: hardState(2), entries: entries(4, 5, 2) }),
    );
    assert.deepEqual(found, [...entries(1, 3), ...entries(4, 5, 2)]);
  }));

Deno.test("persist() keeps the hard state of a batch that has none", () =>
  withFolder(async (options) => {
    const found = await findAfter(
      options,
      batch(1, { hardState: hardState(3, "server_2") }),
      batch(2, { entries: entries(1, 1, 3) }),
    );
    assert.deepEqual(found.hardState, hardState(3, "server_2"));
  }));

Deno.test("persist() keeps a term's first certificate", () =>
  withStore(async (store) => {
    await persist(
      store,
      batch(1, { hardState: hardState(1), certificates: [certificate(1)] }),
      batch(2, { certificates: [{ ...certificate(1), note: "another signature\n" }] }),
    );
    assert.equal(store.election(toTerm(1)), certificate(1).note);
  }));

Deno.test("elections() lists notes by falling term, below a term, up to a limit", () =>
  withStore(async (store) => {
    const certificates = [2, 1, 8, 5].map(certificate);
    await persist(store, batch(1, { hardState: hardState(8), certificates }));
    const note = (term: number) => certificate(term).note;
    assert.deepEqual(store.elections({ limit: 10 }), [8, 5, 2, 1].map(note));
    assert.deepEqual(store.elections({ limit: 2 }), [8, 5].map(note));
    assert.deepEqual(store.elections({ limit: 2, before: toTerm(5) }), [2, 1].map(note));
    assert.deepEqual(store.elections({ limit: 2, before: toTerm(4) }), [2, 1].map(note));
    assert.equal(store.election(toTerm(3)), null);
  }));

for (
  const [what, parts] of [
    ["a gap in the log", { entries: [entry(4)] }],
    ["a gap in the batch", { entries: [entry(3), entry(5)] }],
    ["entries that are not in order", { entries: [entry(3), entry(2)] }],
    ["terms that fall", { hardState: hardState(3), entries: [entry(3, 3), entry(4, 2)] }],
    ["an entry of a term above the current one", { entries: [entry(3, 2)] }],
    ["a term that goes backward", { hardState: hardState(0) }],
    ["a second vote in one term", { hardState: hardState(1, "server_3") }],
    ["a vote that is taken back", { hardState: hardState(1, null) }],
    ["a sequence that was persisted already", { sequence: 1 }],
  ] as const
) {
  Deno.test(`persist() asserts that there is no ${what}, and writes nothing`, () =>
    withFolder(async (options) => {
      const store = openRaftStore(options);
      const first = { hardState: hardState(1, "server_2"), entries: entries(1, 2) };
      await persist(store, batch(1, first));
      const wrong = { ...batch(2, { certificates: [certificate(1)] }), ...parts };
      assert.throws(() => store.persist(wrong), InvariantError);
      assert.equal(store.election(toTerm(1)), null);
      await store.close();
      assert.deepEqual(findIn(options), {
        ...first,
        logStart: { index: 0, term: 0 },
        members: null,
        currentTermNote: null,
        grants: grants(1),
      });
    }));
}
