import assert from "node:assert/strict";
import type { AppliedEntry } from "../../lib/kv/mod.ts";
import { RequestError } from "../../lib/node/api.ts";
import { Requests } from "../../lib/node/requests.ts";
import type { Input, Output } from "../../lib/raft/mod.ts";
import { type LogIndex, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { commandEntry } from "../raft/entries.ts";
import { NO_OUTPUT } from "../raft/harness.ts";

const COMMAND = Uint8Array.of(1);
const DEADLINE_MS = 1000;

function resultAt(revision: LogIndex) {
  const answers = [{ kind: "put", createRevision: revision, version: 1 }] as const;
  return { kind: "transaction", succeeded: true, answers, revision } as const;
}

/** Requests with a record of what they ask of the core. */
class Bench {
  readonly inputs: Input[] = [];
  readonly requests = new Requests((input) => this.inputs.push(input));
  appliedIndex = 0;

  output(changes: Partial<Output>): void {
    this.requests.handle({ ...NO_OUTPUT, ...changes }, toLogIndex(this.appliedIndex));
  }

  /** The entry at the next index, of this term, is applied. */
  apply(term: number, outcome?: AppliedEntry): void {
    const index = toLogIndex(++this.appliedIndex);
    const result = resultAt(index);
    const outcomes = [outcome ?? { kind: "command", index, result } as const];
    this.requests.applied([commandEntry(index, term)], outcomes, index);
  }

  accept(proposalId: number, index: number, term: number): void {
    this.output({ accepted: [{ proposalId, index: toLogIndex(index), term: toTerm(term) }] });
  }

  elect(leader: string | null, term = 1): void {
    const id = leader === null ? null : toNodeId(leader);
    this.output({
      role: { role: "follower", term: toTerm(term), leader: id, certificate: null },
    });
  }
}

async function failure(
  promise: Promise<unknown>,
): Promise<Pick<RequestError, "code" | "maybeApplied">> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof RequestError);
    return { code: error.code, maybeApplied: error.maybeApplied };
  }
  return assert.fail("the request succeeded");
}

Deno.test("write() resolves with the result once its entry is applied", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  assert.deepEqual(bench.inputs, [{ kind: "propose", proposalId: 1, command: COMMAND }]);
  bench.accept(1, 1, 3);
  bench.apply(3);
  assert.deepEqual(await write, { result: resultAt(toLogIndex(1)), isReplay: false });
  assert.equal(bench.requests.size, 0);
});

Deno.test("write() says when the result is that of an earlier attempt", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.accept(1, 2, 3);
  const result = resultAt(toLogIndex(1));
  bench.apply(3);
  bench.apply(3, { kind: "replayed", index: toLogIndex(2), result });
  assert.deepEqual(await write, { result, isReplay: true });
});

Deno.test("write() fails for certain when another term's entry takes its place", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.accept(1, 1, 3);
  bench.apply(4);
  assert.deepEqual(await failure(write), { code: "superseded", maybeApplied: false });
});

Deno.test("write() of either of two leaders' claims to a place succeeds when its term wins", async () => {
  const bench = new Bench();
  const first = bench.requests.write(COMMAND, DEADLINE_MS);
  const second = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.accept(1, 1, 3);
  bench.accept(2, 1, 4);
  bench.apply(3);
  assert.equal((await first).result.revision, 1);
  assert.deepEqual(await failure(second), { code: "superseded", maybeApplied: false });
});

Deno.test("write() whose place becomes known after it was applied reports an unknown result", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.apply(3);
  bench.accept(1, 1, 3);
  assert.deepEqual(await failure(write), { code: "leader_changed", maybeApplied: true });
});

Deno.test("write() waits for a leader and is proposed again when one is known", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.output({ rejected: [{ proposalId: 1, reason: "noLeader", maybeApplied: false }] });
  assert.equal(bench.inputs.length, 1);
  bench.elect("n2");
  assert.equal(bench.inputs.length, 2);
  bench.accept(2, 1, 1);
  bench.apply(1);
  assert.equal((await write).result.revision, 1);
});

Deno.test("write() is not proposed a third time for a refusal that comes twice", async () => {
  const bench = new Bench();
  bench.elect("n2");
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  const refusal = { proposalId: 1, reason: "transferring", maybeApplied: false } as const;
  bench.output({ rejected: [refusal] });
  bench.requests.expire(0);
  assert.equal(bench.inputs.length, 2);
  bench.output({ rejected: [refusal] });
  bench.requests.expire(0);
  assert.equal(bench.inputs.length, 2);
  bench.accept(2, 1, 1);
  bench.apply(1);
  assert.equal((await write).result.revision, 1);
});

Deno.test("write() that a stale leader refuses is not asked again at the network's speed", () => {
  const bench = new Bench();
  bench.elect("n2");
  void bench.requests.write(COMMAND, DEADLINE_MS);
  bench.output({ rejected: [{ proposalId: 1, reason: "notLeader", maybeApplied: false }] });
  assert.equal(bench.inputs.length, 1);
  bench.requests.expire(0);
  assert.equal(bench.inputs.length, 2);
});

Deno.test("write() is not repeated when it may have been applied", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.output({ rejected: [{ proposalId: 1, reason: "leaderChanged", maybeApplied: true }] });
  assert.deepEqual(await failure(write), { code: "leader_changed", maybeApplied: true });
  assert.equal(bench.inputs.length, 1);
});

Deno.test("write() at its deadline may have been applied if it was proposed", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.requests.expire(DEADLINE_MS - 1);
  assert.equal(bench.requests.size, 1);
  bench.requests.expire(DEADLINE_MS);
  assert.deepEqual(await failure(write), { code: "timeout", maybeApplied: true });
});

Deno.test("write() at its deadline without a leader was not applied", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.output({ rejected: [{ proposalId: 1, reason: "noLeader", maybeApplied: false }] });
  bench.requests.expire(DEADLINE_MS);
  assert.deepEqual(await failure(write), { code: "no_leader", maybeApplied: false });
});

Deno.test("write() that the leader has no room for fails at once and was not applied", async () => {
  const bench = new Bench();
  const write = bench.requests.write(COMMAND, DEADLINE_MS);
  bench.output({ rejected: [{ proposalId: 1, reason: "overloaded", maybeApplied: false }] });
  assert.deepEqual(await failure(write), { code: "overloaded", maybeApplied: false });
});

Deno.test("confirmRead() resolves once the read index is applied, not before", async () => {
  const bench = new Bench();
  let isRead = false;
  const read = bench.requests.confirmRead(DEADLINE_MS).then(() => isRead = true);
  assert.deepEqual(bench.inputs, [{ kind: "read", readId: 1, lease: false }]);
  bench.output({ reads: [{ kind: "ready", readId: 1, readIndex: toLogIndex(2) }] });
  bench.apply(1);
  await Promise.resolve();
  assert.equal(isRead, false);
  bench.apply(1);
  await read;
});

Deno.test("confirmRead() that is refused waits for a leader and asks again", async () => {
  const bench = new Bench();
  const read = bench.requests.confirmRead(DEADLINE_MS);
  bench.output({ reads: [{ kind: "refused", readId: 1, reason: "leaderChanged" }] });
  bench.elect("n2");
  bench.output({ reads: [{ kind: "ready", readId: 2, readIndex: toLogIndex(0) }] });
  await read;
  assert.equal(bench.inputs.length, 2);
});

Deno.test("confirmRead() that the leader has no room for fails at once", async () => {
  const bench = new Bench();
  const read = bench.requests.confirmRead(DEADLINE_MS);
  bench.output({ reads: [{ kind: "refused", readId: 1, reason: "overloaded" }] });
  assert.deepEqual(await failure(read), { code: "overloaded", maybeApplied: false });
  assert.equal(bench.inputs.length, 1);
});

Deno.test("confirmRead() never counts as maybe applied", async () => {
  const bench = new Bench();
  const read = bench.requests.confirmRead(DEADLINE_MS);
  bench.requests.expire(DEADLINE_MS);
  assert.deepEqual(await failure(read), { code: "timeout", maybeApplied: false });
});

Deno.test("stop() ends every request, and says which writes may have been applied", async () => {
  const bench = new Bench();
  const write = failure(bench.requests.write(COMMAND, DEADLINE_MS));
  const read = failure(bench.requests.confirmRead(DEADLINE_MS));
  bench.requests.stop();
  assert.deepEqual(await write, { code: "stopping", maybeApplied: true });
  assert.deepEqual(await read, { code: "stopping", maybeApplied: false });
});
