/**
 * A program that uses a data folder as a user without rights, and prints the error. It is a process of its
 * own: all threads of one have the same user.
 *
 * @module
 */

import process from "node:process";
import { readIdentity } from "../../lib/keys/identity.ts";
import { lockDataFolder } from "../../lib/keys/private_file.ts";
import { openTableFile } from "../../lib/storage/tables/table_file.ts";
import { nodeIn } from "./support.ts";

/** What the program can do with a data folder. */
export type Use = "lock" | "readIdentity" | "openStore";

const USES: Readonly<Record<Use, (dataDir: string) => unknown>> = {
  lock: lockDataFolder,
  readIdentity: (dataDir) =>
    readIdentity({ dataDir, self: nodeIn(dataDir).node, passphrase: null }),
  openStore: (dataDir) => openTableFile(nodeIn(dataDir)).close(),
};

if (import.meta.main) {
  const [use, dataDir = "", uid] = Deno.args;
  process.seteuid?.(Number(uid));
  try {
    USES[use as Use](dataDir);
  } catch (error) {
    console.log(String(error));
  }
}
