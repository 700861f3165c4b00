/**
 * A node that was removed while it was away: it learns of it from the members' proof when it comes back, and ends.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ExitCode } from "../../lib/cli/failure.ts";
import { toNodeId } from "../../lib/types.ts";
import { MembersCluster } from "./harness/members.ts";

const [ONE, TWO, THREE, FOUR] = [1, 2, 3, 4].map((server) => toNodeId(`server_${server}`)) as [
  ReturnType<typeof toNodeId>,
  ReturnType<typeof toNodeId>,
  ReturnType<typeof toNodeId>,
  ReturnType<typeof toNodeId>,
];

Deno.test("a node that was removed while it was away learns it when it comes back, and ends", async () => {
  await using world = new MembersCluster({ nodes: 4, spare: 0, logLevel: "info" });
  await world.cluster.leader();
  await world.cluster.process(FOUR).end("SIGKILL");
  const rest = [ONE, TWO, THREE];
  // Further than one farewell, and the removal is not the last of them.
  await world.change(rest, { remove: [FOUR] });
  await world.change(rest, { refresh: true });

  const back = world.cluster.start(FOUR);
  const { code } = await back.ended;
  assert.equal(code, ExitCode.removed, "It ends by itself, with a code of its own");
  const { advice } = await back.said.waitFor("why", ({ event }) => event === "node.removed");
  assert.match(String(advice), /server_4 was removed from the cluster/);
  assert.match(back.said.otherLines.join("\n"), /server_4 was removed .*delete the folder/);

  const { members } = await world.members(ONE);
  assert.deepEqual(members.map(({ id, role }) => `${id} ${role}`), [
    ...rest.map((id) => `${id} voter`),
    "server_4 removed",
  ]);
  await world.put(ONE, "still", "writes");
});
