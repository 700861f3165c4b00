import type { Entry } from "../../lib/raft/entry.ts";
import { openStores } from "../../lib/storage/stores.ts";
import { toTerm } from "../../lib/types.ts";
import { entryOf, putCommand } from "../kv/support.ts";
import { batch, hardState, nodeIn, persist, TestNode } from "./support.ts";

/**
 * A process to be killed: writes batch after batch into the data folder that it is given, to the log
 * alone or, for kv.db, to both, and prints each batch's last index once it is there. When a
 * write fails, it prints that error, uses the store once more, and prints that error too.
 */

const ENTRIES_PER_BATCH = 10;
const VALUE_BYTES = 300;

/** What the child wrote at an index: a key of its own, with a value that repeats the index. */
export function childEntry(index: number, term: number): Entry {
  const value = new Uint8Array(VALUE_BYTES).fill(index);
  const idempotency = { key: `child-${index}`, token: null };
  const entry = entryOf(index, putCommand(`key ${index}`, value, { idempotency }));
  return { ...entry, term: toTerm(term) };
}

/** The term in which the child wrote a batch: each batch has one of its own. */
export function termOf(index: number): number {
  return Math.ceil(index / ENTRIES_PER_BATCH);
}

async function writeForEver(node: TestNode, file: string): Promise<never> {
  for (let term = 1;; term++) {
    const first = (term - 1) * ENTRIES_PER_BATCH + 1;
    const entries = Array.from(
      { length: ENTRIES_PER_BATCH },
      (_, position) => childEntry(first + position, term),
    );
    await persist(node.raft, batch(term, { hardState: hardState(term, "server_1"), entries }));
    if (file === "kv.db") await node.apply(entries);
    console.log(`durable ${first + ENTRIES_PER_BATCH - 1}`);
  }
}

if (import.meta.main) {
  const [folder, file] = Deno.args;
  if (folder === undefined || file === undefined) throw new Error("FOLDER and FILE are missing");
  const node = new TestNode(await openStores(nodeIn(folder)));
  try {
    await writeForEver(node, file);
  } catch (error) {
    console.log(`failed ${error}`);
  }
  try {
    if (file === "kv.db") await node.stores.tables.copy(`${folder}/copy`);
    else node.raft.persist(batch(1_000_000, {}));
  } catch (error) {
    console.log(`refused ${error}`);
  }
  // As a node that had to stop: its database is not closed.
  Deno.exit(0);
}
