import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { createTestCluster, electionFields, nodeId } from "../certificate/cluster.ts";
import { noteOf, runRounds } from "../certificate/election.ts";
import { Elections } from "./elections.ts";

const cluster = createTestCluster({ threshold: 2, voters: 3 });

function elect(leader: number, term: number, from = cluster): string {
  const election = electionFields({ leader: nodeId(leader), term });
  // Whoever lies signs twice in a term; fresh certifiers know nothing of the other time.
  const { certifiers } = from;
  const { request, shares } = runRounds(certifiers, [0, 1], election);
  return noteOf(assertDefined(certifiers[0], "no certifier").combine(request, shares));
}

function collect(notes: readonly string[]): { elections: Elections; violations: string[] } {
  const violations: string[] = [];
  const elections = new Elections(cluster.group, (violation) => violations.push(violation));
  for (const note of notes) elections.add(nodeId(3), note);
  return { elections, violations };
}

Deno.test("Elections counts terms, each once, and knows who was elected last", () => {
  const [second, first] = [elect(2, 9), elect(1, 7)];
  const { elections, violations } = collect([second, first, second]);
  assert.deepEqual(violations, []);
  assert.equal(elections.count, 2);
  assert.equal(elections.lastTerm, 9);
  assert.equal(elections.leader, nodeId(2));
});

Deno.test("Elections reports a certificate that does not verify", () => {
  const stranger = createTestCluster({ threshold: 2, voters: 3, seed: 2 });
  const forged = elect(1, 7).replace("term 7", "term 8");
  const { elections, violations } = collect([forged, elect(1, 7, stranger)]);
  assert.equal(violations.length, 2);
  assert.match(violations[0] ?? "", /server_3 tells of a certificate that does not verify/);
  assert.equal(elections.count, 0);
});

Deno.test("Elections reports a term with two certified leaders", () => {
  const { violations } = collect([elect(1, 7), elect(2, 7)]);
  assert.equal(violations.length, 1);
  assert.match(violations[0] ?? "", /Term 7 has two certified leaders: server_1, .* server_2/);
});
