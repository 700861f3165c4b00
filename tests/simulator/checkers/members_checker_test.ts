import assert from "node:assert/strict";
import type { Entry, RaftView } from "../../../lib/raft/mod.ts";
import {
  type ConfigurationEntry,
  type DurableShares,
  encodeReshareEntry,
} from "../../../lib/reshare/mod.ts";
import { type Epoch, type NodeId, toEpoch, toLogIndex, toNodeId } from "../../../lib/types.ts";
import { commandEntry } from "../../raft/entries.ts";
import { ChangingKey, type Wanted } from "../../support/changing_key.ts";
import type { NodeView } from "../watcher.ts";
import { MembersChecker } from "./members_checker.ts";
import { breaks, testNode } from "./support.ts";

const GENESIS: Wanted = { voters: [1, 2, 3], threshold: 2 };
const REFRESHED: Wanted = { voters: [1, 2, 3], threshold: 3 };
const NAMES = ["n1", "n2", "n3"].map(toNodeId);

/** Three nodes with the shares of the first epoch, and a checker of them. */
function setUp() {
  const key = new ChangingKey(GENESIS);
  const shares = new Map<NodeId, DurableShares>(
    NAMES.map((id) => [id, { current: shareOf(key, 1, id), next: null }]),
  );
  const nodes = NAMES.map((id) => ({
    ...testNode(id),
    get shares() {
      return shares.get(id) as DurableShares;
    },
  }));
  let entered = 0;
  const options = { genesis: key.genesis, nodes: () => nodes, entered: () => entered++ };
  const checker = new MembersChecker(options);
  const give = (epoch: number): void => {
    for (const id of NAMES) {
      const { current } = shares.get(id) as DurableShares;
      shares.set(id, { current, next: shareOf(key, epoch, id) });
    }
  };
  const [node] = nodes as [NodeView];
  return { key, checker, node, give, entered: () => entered };
}

function shareOf(key: ChangingKey, epoch: number, id: NodeId): DurableShares["current"] {
  const secret = key.share(toEpoch(epoch), id);
  return secret === null ? null : { epoch: toEpoch(epoch), change: null, secret };
}

function entryOf(entry: ConfigurationEntry, index = 1): Entry {
  return { ...commandEntry(index, 1), kind: "configuration", data: encodeReshareEntry(entry) };
}

Deno.test("MembersChecker follows a change that everybody signed and holds a share of", () => {
  const { key, checker, node, give, entered } = setUp();
  const entry = entryOf(key.change(key.genesis, REFRESHED).entry);
  give(2);
  checker.persisting(node, [entry]);
  assert.equal(checker.votersOf(2 as Epoch).threshold, 3);
  assert.equal(checker.inForce.sequence, 0);
  checker.committed([entry]);
  assert.equal(checker.inForce.epoch, 2);
  assert.equal(entered(), 1);
  checker.checkShares();
});

Deno.test("MembersChecker catches a configuration that the new shares did not sign", () => {
  const { key, checker, node, give } = setUp();
  const { entry } = key.change(key.genesis, REFRESHED);
  give(2);
  const unsigned = entryOf({ ...entry, byNew: entry.byOld });
  const forged = breaks("A configuration is certified by both epochs");
  assert.throws(() => checker.persisting(node, [unsigned]), forged);
});

Deno.test("MembersChecker catches a voter that counts without a share", () => {
  const { key, checker, node } = setUp();
  const entry = entryOf(key.change(key.genesis, REFRESHED).entry);
  const early = breaks("Who counts holds a share");
  assert.throws(() => checker.persisting(node, [entry]), early);
});

Deno.test("MembersChecker catches a second membership in the place of the first", () => {
  const { key, checker, node, give } = setUp();
  const first = entryOf(key.change(key.genesis, REFRESHED).entry);
  give(2);
  checker.persisting(node, [first]);
  const second = entryOf(
    key.change(key.genesis, { ...GENESIS, learners: [4], isResharing: false }).entry,
  );
  const fork = breaks("The chain of memberships never forks");
  assert.throws(() => checker.persisting(node, [second]), fork);
});

Deno.test("MembersChecker catches a change that is not safe in one step", () => {
  const { key, checker, node, give } = setUp();
  const others = { voters: [1, 4, 5], threshold: 2 };
  const entry = entryOf(key.change(key.genesis, others).entry);
  give(2);
  const unsafe = breaks("Each change is safe in one step");
  assert.throws(() => checker.persisting(node, [entry]), unsafe);
});

Deno.test("MembersChecker catches a share that is erased before its time", () => {
  const { key, checker, node, give } = setUp();
  give(2);
  const after = { current: shareOf(key, 2, node.id), next: null };
  const early = breaks("A share goes once the next epoch is in force");
  assert.throws(() => checker.persistingShares(node, after), early);
});

Deno.test("MembersChecker asks for a majority of each configuration that counts", () => {
  const { key, checker, node, give } = setUp();
  const wanted = { voters: [1, 2, 3, 4], threshold: 3 };
  const entry = entryOf(key.change(key.genesis, wanted).entry);
  give(2);
  checker.persisting(node, [entry]);
  const log = { last: { index: toLogIndex(1) }, entryAt: () => entry };
  const state = { log } as unknown as RaftView;
  const committedIndex = toLogIndex(0);
  const has = (...names: string[]) => {
    const holders = new Set(names.map(toNodeId));
    return checker.haveMajority(state, { holders, committedIndex });
  };
  assert.equal(has("n1", "n2"), false);
  assert.equal(has("n1", "n3", "n4"), true);
  assert.equal(has("n1", "n4"), false);
});
