import assert from "node:assert/strict";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { Store } from "../../../lib/kv/mod.ts";
import { entryOf, putCommand } from "../../kv/support.ts";
import { Random } from "../random.ts";
import { checkSending } from "./durability_checker.ts";
import { NonceChecker } from "./nonce_checker.ts";
import { StateChecker } from "./state_checker.ts";
import {
  batchOf,
  breaks,
  commandEntry,
  outputOf,
  testNode,
  testState,
  voteBatch,
  VOTERS,
} from "./support.ts";
import { TimingChecker } from "./timing_checker.ts";

const N1 = toNodeId("n1");
const N2 = toNodeId("n2");

const VOTE = {
  kind: "voteResponse",
  from: N1,
  to: N2,
  term: toTerm(3),
  requestTerm: toTerm(3),
  granted: true,
  session: 1,
  share: null,
  commitment: null,
  incarnation: 1,
  proof: null,
} as const;

Deno.test("checkSending() catches a vote that is not on disk", () => {
  const node = testNode();
  const state = testState("n1", { term: 3 });
  const invariant = "A vote is durable before it leaves";
  assert.throws(() => checkSending(node, state, VOTE), breaks(invariant));
  node.disk.write(voteBatch(3, "n3"));
  assert.throws(() => checkSending(node, state, VOTE), breaks(invariant));
  node.disk.write(voteBatch(4, "n2"));
  checkSending(node, state, { ...VOTE, term: toTerm(4) });
});

Deno.test("checkSending() catches a refusal in a term that is not on disk", () => {
  const state = testState("n1", { term: 3 });
  assert.throws(
    () => checkSending(testNode(), state, { ...VOTE, granted: false }),
    breaks("A term is durable before it leaves"),
  );
});

Deno.test("checkSending() catches an acknowledgement before the write", () => {
  const node = testNode();
  const state = testState("n1", { term: 1, entries: [commandEntry(1, 1)] });
  node.disk.write(voteBatch(1, null));
  const message = {
    kind: "appendResponse",
    from: N1,
    to: N2,
    term: toTerm(1),
    round: 1,
    promiseTicks: 10,
    outcome: { kind: "accepted", matchIndex: toLogIndex(1) },
  } as const;
  assert.throws(
    () => checkSending(node, state, message),
    breaks("An acknowledgement follows the durable write"),
  );
  node.disk.write(batchOf(commandEntry(1, 1)));
  checkSending(node, state, message);
});

function request(leader: string, commitment: number) {
  const election = {
    epoch: toEpoch(1),
    term: toTerm(3),
    leader: toNodeId(leader),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
  };
  return { election, commitments: [{ voter: N1, commitment: Uint8Array.of(commitment) }] };
}

Deno.test("NonceChecker catches a nonce that serves two requests", () => {
  const checker = new NonceChecker();
  const node = testNode();
  node.disk.write(voteBatch(3, "n2"));
  checker.signed(node, request("n2", 1));
  checker.signed(node, request("n2", 1));
  checker.signed(node, request("n2", 2));
  const other = request("n2", 1);
  const session = [...other.commitments, { voter: N2, commitment: Uint8Array.of(9) }];
  assert.throws(
    () => checker.signed(node, { ...other, commitments: session }),
    breaks("No nonce is used twice"),
  );
});

Deno.test("NonceChecker catches shares in more sessions than can help", () => {
  const checker = new NonceChecker();
  const node = testNode();
  node.disk.write(voteBatch(3, "n2"));
  const certifier = VOTERS.createCertifier(N1, checkerRandom("n1"));
  // One that has no limit: 2n - t is 4 for VOTERS.
  certifier.takeNonce = ({ election }) => ({ term: election.term, candidate: election.leader });
  certifier.sign = () => new Uint8Array();
  const watched = checker.watch(node, certifier);
  const sign = (session: number) => watched.sign(watched.takeNonce(request("n2", session)));
  for (let session = 1; session <= 4; session++) sign(session);
  sign(4);
  assert.throws(() => sign(5), breaks("A voter signs in no more sessions than can help"));
});

Deno.test("NonceChecker catches two candidates in a term", () => {
  const checker = new NonceChecker();
  const node = testNode();
  node.disk.write(voteBatch(3, "n2"));
  checker.signed(node, request("n2", 1));
  assert.throws(
    () => checker.signed(node, request("n3", 2)),
    breaks("A voter signs for one candidate a term"),
  );
});

Deno.test("NonceChecker catches a share before its vote", () => {
  assert.throws(
    () => new NonceChecker().signed(testNode(), request("n2", 1)),
    breaks("A share is made when its vote is durable"),
  );
});

Deno.test("NonceChecker sees what a watched certifier signs", () => {
  const checker = new NonceChecker();
  const node = testNode();
  const [first, second] = VOTERS.ids.map((id) =>
    checker.watch(node, VOTERS.createCertifier(id, checkerRandom(id)))
  );
  assert.ok(first !== undefined && second !== undefined);
  const { election } = request("n2", 0);
  const commitments = [first, second].map((certifier, at) => ({
    voter: toNodeId(`n${at + 1}`),
    commitment: certifier.commit({ term: election.term, candidate: N2 }),
  }));
  const ticket = first.takeNonce({ election, commitments });
  assert.throws(() => first.sign(ticket), breaks("A share is made when its vote is durable"));
});

function checkerRandom(name: string): Random {
  return new Random(`other_checkers_test ${name}`);
}

function storeWith(value: string): Store {
  const store = new Store();
  for (let index = 1; index <= 16; index++) store.apply([entryOf(index, putCommand("k", value))]);
  return store;
}

Deno.test("StateChecker catches states that differ at one applied index", () => {
  const checker = new StateChecker();
  checker.applied(N1, [], storeWith("a"));
  checker.applied(N2, [], storeWith("a"));
  assert.throws(
    () => checker.applied(N2, [], storeWith("b")),
    breaks("States are equal at equal applied index"),
  );
});

Deno.test("StateChecker catches results that differ for one entry", () => {
  const checker = new StateChecker();
  const store = new Store();
  const index = toLogIndex(1);
  checker.applied(N1, [{ kind: "certificate", index }], store);
  assert.throws(
    () => checker.applied(N2, [{ kind: "refused", index, reason: "none" }], store),
    breaks("Results are equal for equal entries"),
  );
});

Deno.test("TimingChecker catches a refused vote that resets the timer", () => {
  const checker = new TimingChecker({ liars: 0 });
  const state = testState("n1", { term: 3 }) as { electionElapsedTicks: number; nowTick: number };
  state.nowTick = 9;
  const refusal = outputOf({ sendAfterPersist: [{ ...VOTE, granted: false }] });
  state.electionElapsedTicks = 7;
  checker.stepped(testNode(), state as ReturnType<typeof testState>, outputOf({}));
  state.electionElapsedTicks = 0;
  assert.throws(
    () => checker.stepped(testNode(), state as ReturnType<typeof testState>, refusal),
    breaks("A refused vote resets no timer"),
  );
});
