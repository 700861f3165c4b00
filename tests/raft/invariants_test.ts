import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { InvariantChecker } from "../../lib/raft/invariants.ts";
import type { Output, Raft } from "../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { commandEntry } from "./entries.ts";
import { NO_OUTPUT, TestCluster } from "./harness.ts";
import { preVoteRefusal, proof } from "./messages.ts";

/** A checker of a raft whose state the test replaces between two checks. */
function watch(state: Raft["state"]): {
  become: (changes: Partial<Raft["state"]>, output?: Partial<Output>) => void;
} {
  const raft = { state };
  const checker = new InvariantChecker(raft as Raft);
  return {
    become(changes, output = {}) {
      raft.state = new Proxy(state, {
        get: (target, name) =>
          name in changes ? Reflect.get(changes, name) : Reflect.get(target, name, target),
      });
      checker.check({ ...NO_OUTPUT, ...output });
    },
  };
}

function leaderState(): Raft["state"] {
  const cluster = new TestCluster({ size: 3 });
  return cluster.elect("n1").raft.state;
}

Deno.test("InvariantChecker finds nothing wrong with a step that changes nothing", () => {
  watch(leaderState()).become({});
});

const FOLLOWER = { name: "follower", following: null } as const;
const WRITES_TERM_2 = {
  sequence: 9,
  hardState: { currentTerm: toTerm(2), votedFor: toNodeId("n1") },
  logStart: null,
  entries: [],
  certificates: [],
  grants: null,
};

const BROKEN: Record<string, [RegExp, Partial<Raft["state"]>, Partial<Output>?]> = {
  "a term without a proof": [/term is proven/, { proof: null }],
  "another term's proof": [/term is proven/, { proof: proof("n1", 2) }],
  "a term on the disk without its proof": [
    /written with its proof/,
    { currentTerm: toTerm(2), proof: proof("n1", 2), certificate: null, role: FOLLOWER },
    { persist: WRITES_TERM_2 },
  ],
  "a grant for a term beyond the next": [/grants the next term/, {}, {
    send: [{ ...preVoteRefusal({ from: "n1", to: "n2", term: 3 }, null), granted: true }],
  }],
  "a vote changed within its term": [/vote/, { votedFor: toNodeId("n2") }],
  "a commit index that falls": [/commit index never falls/, { commitIndex: toLogIndex(0) }],
  "a commit index beyond the log": [/Only what the log holds/, { commitIndex: toLogIndex(9) }],
  "an entry applied twice": [/applied once/, {}, { apply: [commandEntry(1, 1)] }],
  "an entry applied early": [/applied once/, {}, { apply: [commandEntry(3, 1)] }],
  "an acknowledgement that does not wait": [/waits for the write/, {}, {
    send: [{
      kind: "appendResponse",
      from: toNodeId("n1"),
      to: toNodeId("n2"),
      term: 1 as never,
      round: 1,
      promiseTicks: 10,
      outcome: { kind: "uncertified" },
    }],
  }],
  "a vote that leaves before it is durable": [/durable before its answer/, {}, {
    send: [{
      kind: "voteResponse",
      from: toNodeId("n1"),
      to: toNodeId("n1"),
      term: 1 as never,
      requestTerm: 1 as never,
      granted: true,
      session: 1,
      share: null,
      commitment: null,
      incarnation: 1,
      proof: null,
    }],
    persist: {
      sequence: 9,
      hardState: { currentTerm: 1 as never, votedFor: toNodeId("n1") },
      logStart: null,
      entries: [],
      certificates: [],
      grants: null,
    },
  }],
};

Deno.test("InvariantChecker finds a term that falls", () => {
  const node = new TestCluster({ size: 3 }).node("n1");
  node.disk.prepare({ hardState: { currentTerm: toTerm(5), votedFor: null }, entries: [] });
  node.restart();
  const watched = watch(node.raft.state);
  assert.throws(
    () => watched.become({ currentTerm: toTerm(4), proof: proof("n1", 4) }),
    /The term never falls/,
  );
});

for (const [what, [message, changes, output]] of Object.entries(BROKEN)) {
  Deno.test(`InvariantChecker finds ${what}`, () => {
    const watched = watch(leaderState());
    assert.throws(() => watched.become(changes, output), (error) => {
      assert.ok(error instanceof InvariantError);
      assert.match(error.message, message);
      return true;
    });
  });
}
