import assert from "node:assert/strict";
import { encodeCommand } from "../../lib/kv/mod.ts";
import type { Entry } from "../../lib/raft/mod.ts";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { breaks, VOTERS } from "./checkers/support.ts";
import { putCommand } from "../kv/support.ts";
import { KeyValueDisk } from "./disk/key_value_disk.ts";
import { EventQueue } from "./event_queue.ts";
import { forgeNote, forgeSnapshot } from "./forgery.ts";
import { ANYTHING, type Ending, History } from "./history.ts";
import { Random } from "./random.ts";
import { drawScenario } from "./scenario.ts";
import { createVoters } from "./voters.ts";

Deno.test("Random gives the same numbers for the same name only", () => {
  const draw = (random: Random) => Array.from({ length: 5 }, () => random.below(1000));
  assert.deepEqual(draw(new Random("a")), draw(new Random("a")));
  assert.notDeepEqual(draw(new Random("a")), draw(new Random("b")));
});

Deno.test("Random.split() does not depend on what was drawn before", () => {
  const [fresh, used] = [new Random("a"), new Random("a")];
  used.below(10);
  assert.equal(fresh.split("x").below(1e9), used.split("x").below(1e9));
});

Deno.test("EventQueue runs events in the order of time, and of scheduling within an instant", () => {
  const queue = new EventQueue();
  const random = new Random("queue");
  const expected = Array.from({ length: 200 }, (_, order) => ({ atUs: random.below(20), order }));
  const ran: typeof expected = [];
  for (const event of expected) queue.at(event.atUs, () => ran.push(event));
  while (queue.runNext(100));
  expected.sort((left, right) => left.atUs - right.atUs || left.order - right.order);
  assert.deepEqual(ran, expected);
  assert.equal(queue.nowUs, 100);
});

/** A history of one client that writes `a` and `b` to one key, and the log that it made. */
function historyOf(endings: readonly Ending[]): { history: History; entries: Entry[] } {
  const history = new History();
  const entries: Entry[] = [];
  endings.forEach((ending, at) => {
    const command = putCommand("k", Uint8Array.of(at + 1));
    const request = { kind: "write", command, isRetried: false, expected: ANYTHING } as const;
    history.end(history.begin(request, 10 * at), ending, 10 * at + 5);
    const index = toLogIndex(at + 1);
    entries.push({ index, term: toTerm(1), kind: "command", data: encodeCommand(command) });
  });
  return { history, entries };
}

function written(revision: number, version: number): Ending {
  const answers = [{ kind: "put", createRevision: toLogIndex(1), version }] as const;
  const result = { kind: "transaction", succeeded: true, answers } as const;
  return { kind: "written", result: { ...result, revision: toLogIndex(revision) } };
}

function readOf(history: History, value: string | null): void {
  const exchange = history.begin({ kind: "get", key: "k", lease: false }, 1000);
  history.end(exchange, { kind: "read", value }, 1001);
}

Deno.test("History accepts what the log explains", () => {
  const { history, entries } = historyOf([written(1, 1), { kind: "unknown" }]);
  readOf(history, "02");
  assert.equal(history.check(entries), 0);
});

Deno.test("History rejects a write that was acknowledged and is not in the log", () => {
  const { history, entries } = historyOf([written(1, 1), written(2, 2)]);
  assert.throws(
    () => history.check(entries.slice(0, 1)),
    breaks("An acknowledged write is in the log"),
  );
});

Deno.test("History rejects a write that was refused and took effect", () => {
  const { history, entries } = historyOf([written(1, 1), { kind: "failed" }]);
  assert.throws(() => history.check(entries), breaks("A refused write takes no effect"));
});

Deno.test("History rejects a write that took effect twice", () => {
  const { history, entries: [entry] } = historyOf([written(1, 1)]);
  assert.ok(entry !== undefined);
  assert.throws(
    () => history.check([entry, { ...entry, index: toLogIndex(2) }]),
    breaks("A write takes effect once"),
  );
});

Deno.test("History accepts a second effect of a write that is forgotten, and of no other", () => {
  const window = 3;
  const put = (value: number, idempotencyKey?: string) => {
    const key = idempotencyKey;
    const named = key === undefined ? {} : { idempotency: { token: null, key } };
    return putCommand("k", Uint8Array.of(value), named);
  };
  const check = (...commands: readonly ReturnType<typeof put>[]) => {
    const history = new History();
    for (const command of commands) {
      history.begin({ kind: "write", command, isRetried: true, expected: ANYTHING }, 0);
    }
    const entries = commands.map((command, at): Entry => {
      const data = encodeCommand(command);
      return { index: toLogIndex(at + 1), term: toTerm(1), kind: "command", data };
    });
    return history.check(entries, window);
  };
  const retried = put(1, "retried");
  assert.equal(check(retried, put(2), put(3), retried), 0);
  assert.throws(() => check(put(1), put(2), put(1)), breaks("A write takes effect once"));
});

Deno.test("History rejects a stale read", () => {
  const { history, entries } = historyOf([written(1, 1), written(2, 2)]);
  readOf(history, "01");
  assert.throws(() => history.check(entries), breaks("Clients' histories are linearizable"));
});

Deno.test("forgeNote() changes what a note says and keeps its signature", () => {
  const [n1, n2] = [toNodeId("n1"), toNodeId("n2")];
  const note = `floe/election/v1\ncluster c\nepoch ${
    toEpoch(1)
  }\nterm 3\nleader n1\nlog 0 0\n\n- c x\n`;
  const forged = forgeNote(note, { term: toTerm(9), leader: n2 });
  assert.match(forged, /^term 9$/m);
  assert.match(forged, /^leader n2$/m);
  assert.match(forged, /- c x\n$/);
  assert.throws(() => VOTERS.verify(note, { term: toTerm(3), leader: n1 }));
});

Deno.test("a foreign note is genuine where it belongs, and refused at home", () => {
  const claim = { term: toTerm(3), leader: toNodeId("n1") };
  for (const realFrost of [false, true]) {
    const random = new Random(`foreign ${realFrost}`);
    const voters = createVoters({ ...drawScenario(1), size: 3, threshold: 2, realFrost }, random);
    const home = voters.createCertifier(toNodeId("n2"), random);
    const seen = new Set<string>();
    for (let draw = 0; draw < 20; draw++) {
      const note = voters.signElsewhere(claim, random);
      assert.throws(() => voters.verify(note, claim), /no shares were ever combined into it/);
      try {
        // Any epoch's signature is the key's: to follow its leader is what must be refused.
        assert.equal(home.verify(note, claim).epoch, 2);
        seen.add("epoch");
      } catch (error) {
        assert.match(String(error), /cluster another is not simulated/);
        seen.add("cluster");
      }
    }
    assert.deepEqual(seen, new Set(["epoch", "cluster"]));
  }
});

Deno.test("forgeSnapshot() makes a snapshot with nothing wrong but what it says", () => {
  const place = { index: toLogIndex(9), term: toTerm(2) };
  const { snapshot, data } = forgeSnapshot(place);
  const disk = new KeyValueDisk();
  const addressed = { kind: "snapshotRequest", from: toNodeId("n1"), to: toNodeId("n2") } as const;
  const rest = { term: toTerm(2), offset: 0, round: 1, certificate: null };
  assert.equal(disk.storeChunk({ ...addressed, ...rest, snapshot, data }), snapshot.bytes);
  assert.equal(disk.checkIncoming(snapshot), "ready");
});
