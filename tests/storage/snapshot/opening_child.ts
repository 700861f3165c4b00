import { DatabaseSync } from "node:sqlite";

/** Another program that wants to write to a database: prints why it cannot. */

if (import.meta.main) {
  try {
    new DatabaseSync(Deno.args[0] ?? "", { timeout: 0 }).exec("BEGIN IMMEDIATE");
  } catch (error) {
    console.log(String(error));
  }
}
