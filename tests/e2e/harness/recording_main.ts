/**
 * The `floe` program, which also writes down the random numbers that it draws, in hex and one a line, into
 * a file of its own in the folder that `FLOE_TEST_RANDOM` names. Its nonces can be calculated from them.
 *
 * @module
 */

import { encodeHex } from "../../../lib/bytes.ts";
import "../../support/cheap_scrypt.ts";

const folder = Deno.env.get("FLOE_TEST_RANDOM");
if (folder === undefined) throw new Error("FLOE_TEST_RANDOM names no folder");
const file = `${folder}/${Deno.pid}`;

const draw = crypto.getRandomValues.bind(crypto);
crypto.getRandomValues = (array) => {
  const drawn = draw(array);
  if (drawn instanceof Uint8Array) {
    Deno.writeTextFileSync(file, encodeHex(drawn) + "\n", { append: true });
  }
  return drawn;
};

await import("../../../main.ts");
