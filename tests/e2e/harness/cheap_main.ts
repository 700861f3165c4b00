/**
 * The `floe` program with a cheap function in the place of scrypt, for tests that start many processes.
 *
 * @module
 */

import "../../support/cheap_scrypt.ts";

await import("../../../main.ts");
