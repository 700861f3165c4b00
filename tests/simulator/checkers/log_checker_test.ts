import assert from "node:assert/strict";
import { toLogIndex, toTerm } from "../../../lib/types.ts";
import { TestCluster } from "../../raft/harness.ts";
import type { NodeView } from "../watcher.ts";
import { LogChecker } from "./log_checker.ts";
import { batchOf, breaks, commandEntry, testNode, testState, voteBatch } from "./support.ts";

function setUp(): { readonly checker: LogChecker; readonly nodes: readonly NodeView[] } {
  const nodes = ["n1", "n2", "n3"].map(testNode);
  return {
    nodes,
    checker: new LogChecker({
      nodes: () => nodes,
      haveMajority: (_state, { holders }) => holders.size >= 2,
    }),
  };
}

/** Entry 1 of term 1, written and committed by the first two nodes. */
function commitOne() {
  const { checker, nodes } = setUp();
  const [first, second, third] = nodes as [NodeView, NodeView, NodeView];
  const entry = commandEntry(1, 1);
  const state = testState("n1", { term: 1, entries: [entry] });
  for (const node of [first, second]) {
    node.disk.write(voteBatch(1, null));
    checker.persisting(node, state, batchOf(entry));
    node.disk.write(batchOf(entry));
  }
  checker.committing(first, state, { entries: [entry], then: () => {} });
  return { checker, first, second, third, entry, state };
}

Deno.test("LogChecker accepts an entry that a majority holds", () => {
  const { checker, entry } = commitOne();
  assert.deepEqual(checker.committed.map((committed) => committed.entry), [entry]);
});

Deno.test("LogChecker catches a commit without a durable majority", () => {
  const { checker, nodes: [node] } = setUp();
  const entry = commandEntry(1, 1);
  const state = testState("n1", { term: 1, entries: [entry] });
  assert.throws(
    () => checker.committing(node ?? testNode(), state, { entries: [entry], then: () => {} }),
    breaks("A committed entry is durable on a majority"),
  );
});

Deno.test("LogChecker catches two entries at one index and term", () => {
  const { checker, third, state } = commitOne();
  assert.throws(
    () => checker.persisting(third, state, batchOf(commandEntry(1, 1, "another"))),
    breaks("Log matching"),
  );
});

Deno.test("LogChecker catches equal entries after different ones", () => {
  const { checker, first, second } = commitOne();
  const before = testState("n1", { term: 3, entries: [commandEntry(1, 1), commandEntry(2, 3)] });
  const after = testState("n2", { term: 3, entries: [commandEntry(1, 2), commandEntry(2, 3)] });
  checker.persisting(first, before, batchOf(commandEntry(2, 3)));
  assert.throws(
    () => checker.persisting(second, after, batchOf(commandEntry(2, 3))),
    breaks("Log matching"),
  );
});

Deno.test("LogChecker catches another entry applied at a committed index", () => {
  const { checker, third } = commitOne();
  const state = testState("n3", { term: 2, entries: [commandEntry(1, 2)] });
  assert.throws(
    () => checker.committing(third, state, { entries: [commandEntry(1, 2)], then: () => {} }),
    breaks("State machine safety"),
  );
});

Deno.test("LogChecker catches a committed entry that is replaced", () => {
  const { checker, second } = commitOne();
  const state = testState("n2", { term: 2, entries: [commandEntry(1, 2)] });
  assert.throws(
    () => checker.persisting(second, state, batchOf(commandEntry(1, 2))),
    breaks("A committed entry is never removed"),
  );
});

Deno.test("LogChecker catches a leader without a committed entry", () => {
  const { checker, third } = commitOne();
  assert.throws(
    () => checker.leading(third, testState("n3", { term: 2 })),
    breaks("Leader completeness"),
  );
  checker.leading(third, testState("n3", { term: 1 }));
});

Deno.test("LogChecker catches a snapshot of what is not committed", () => {
  const { checker, third } = commitOne();
  const snapshot = { bytes: 0, sha256: new Uint8Array(32), members: null };
  checker.installing(third, { ...snapshot, index: toLogIndex(1), term: toTerm(1) });
  assert.throws(
    () => checker.installing(third, { ...snapshot, index: toLogIndex(2), term: toTerm(1) }),
    breaks("A snapshot is committed"),
  );
});

Deno.test("LogChecker catches a leader that counts what a follower has not, in its own term", () => {
  const { checker, nodes } = setUp();
  const [leader, second, third] = nodes as [NodeView, NodeView, NodeView];
  const { state } = new TestCluster({ size: 3 }).elect("n1").raft;
  const entries = state.log.slice(toLogIndex(1), state.log.last.index);
  for (const node of [leader, third]) {
    node.disk.write({ ...voteBatch(state.currentTerm, null), entries });
  }
  assert.throws(() => checker.checkProgress(leader, state), breaks("matchIndex is on disk"));
  second.disk.write(voteBatch(state.currentTerm + 1, null));
  checker.checkProgress(leader, state);
});
