import { deepEqual, throws } from "node:assert/strict";
import { Cable, checkOrdersAllowed, readOrders } from "../../lib/cli/serve/orders.ts";
import { generateLocalCluster } from "../../lib/config/mod.ts";

/** Connections that remember what was done to them. */
function connections() {
  const done: string[] = [];
  return { done, unplug: () => void done.push("unplug"), plugIn: () => void done.push("plug in") };
}

Deno.test("Cable cuts and heals the connections that it holds, and ignores what is no order", () => {
  const cable = new Cable();
  cable.obey("cut");
  const network = connections();
  cable.hold(network);
  deepEqual(network.done, ["unplug"], "connections made after a cut are cut off");
  for (const line of ["heal", "", "kill", "cut ", "CUT", "cut"]) cable.obey(line);
  deepEqual(network.done, ["unplug", "plug in", "unplug"]);
});

Deno.test("readOrders() hands on line by line, however the bytes arrive, and drops what has no end", async () => {
  const lines: string[] = [];
  const pieces = ["cu", "t\nhe", "al\n", "x".repeat(1_000_000), "\ncut"];
  const input = ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)));
  await readOrders(input, (line) => lines.push(line));
  deepEqual(lines.map((line) => line.length), [3, 4, 64]);
  deepEqual(lines.slice(0, 2), ["cut", "heal"]);
});

Deno.test("checkOrdersAllowed() refuses a node that more than this machine reaches", () => {
  const config = generateLocalCluster({ nodes: 3 });
  checkOrdersAllowed(config);
  const [first, ...rest] = config.peers;
  const open = { hostname: "0.0.0.0", port: 7201 };
  for (const changed of [{ ...first, api: open }, { ...first, peer: open }]) {
    throws(
      () => checkOrdersAllowed({ ...config, peers: [changed, ...rest] as typeof config.peers }),
      /Cannot use --demo-orders: server_1 listens on 0\.0\.0\.0:7201/,
    );
  }
});
