import assert from "node:assert/strict";
import type { Entry, Message } from "../../../lib/raft/mod.ts";
import { APPEND_LIMITS, INFLIGHT_MESSAGES_MAX } from "../../../lib/raft/config.ts";
import { commandEntry } from "../../raft/entries.ts";
import { TestCluster } from "../../raft/harness.ts";
import { appendRequest } from "../../raft/messages.ts";
import { LimitChecker } from "./limit_checker.ts";
import { breaks, outputOf, testNode, testState } from "./support.ts";

/** A follower takes a step in which it sends these. */
function send(messages: readonly Message[]): void {
  const output = outputOf({ send: messages });
  new LimitChecker().stepped(testNode(), testState("n1", { term: 1 }), output);
}

function append(entries: readonly Entry[]): Message {
  const leader = new TestCluster({ size: 3 }).elect("n1");
  return appendRequest(leader, "n2", { entries });
}

const ONE = append([commandEntry(1, 1)]);

Deno.test("LimitChecker catches a message with too many entries, or too many messages", () => {
  const entries = Array.from({ length: APPEND_LIMITS.entriesMax + 1 }, (_, at) => {
    return commandEntry(at + 1, 1);
  });
  send([ONE]);
  const tooLarge = breaks("A message is no larger than it may be");
  assert.throws(() => send([append(entries)]), tooLarge);
  const many = Array.from({ length: INFLIGHT_MESSAGES_MAX + 1 }, () => ONE);
  assert.throws(() => send(many), breaks("Only so much is on its way to a follower"));
});

Deno.test("LimitChecker catches a leader that makes snapshots without end", () => {
  const { raft } = new TestCluster({ size: 3 }).elect("n1");
  const checker = new LimitChecker();
  const makeSnapshot = () => {
    checker.stepped(testNode(), raft.state, outputOf({ makeSnapshot: true }));
  };
  for (let count = 0; count < 12; count++) makeSnapshot();
  assert.throws(makeSnapshot, breaks("Snapshots are made ever less often"));
});
