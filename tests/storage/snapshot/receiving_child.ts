import { openStores } from "../../../lib/storage/stores.ts";
import { toLogIndex } from "../../../lib/types.ts";
import { nodeIn, TestNode } from "../support.ts";
import { write } from "./support.ts";

/**
 * A process whose disk is full: keeps chunks of a snapshot in the data folder that it is given until
 * one is refused, prints the error, and goes on with what a node is there for.
 */

if (import.meta.main) {
  const node = new TestNode(await openStores(nodeIn(Deno.args[0] ?? "")));
  const snapshot = { index: toLogIndex(9), bytes: 2 ** 30, sha256: new Uint8Array(32) };
  const data = new Uint8Array(100_000);
  try {
    for (let offset = 0;;) offset = node.snapshots.store({ snapshot, offset, data });
  } catch (error) {
    console.log(`refused ${error}`);
  }
  console.log(`next ${node.snapshots.store({ snapshot, offset: 1, data })}`);
  await write(node, 3);
  await node.stores.close();
  console.log("went on");
}
