import { InvalidArgumentError } from "commander";
import { equal, throws } from "node:assert/strict";
import { wholeNumberUpTo } from "../../lib/cli/options.ts";

Deno.test("wholeNumberUpTo() reads what is in its range", () => {
  for (const text of ["1", "7", "500"]) equal(wholeNumberUpTo(500)(text), Number(text));
  const most = Number.MAX_SAFE_INTEGER;
  equal(wholeNumberUpTo(most)(String(most)), most);
});

const REFUSED = [
  "0",
  "501",
  "-1",
  "+1",
  "01",
  "1.0",
  "1e2",
  "0x10",
  " 1",
  "1 ",
  "",
  "x",
  "9".repeat(17),
];
for (const text of REFUSED) {
  Deno.test(`wholeNumberUpTo() refuses ${JSON.stringify(text)} and names the range`, () => {
    throws(() => wholeNumberUpTo(500)(text), (error) => {
      return error instanceof InvalidArgumentError &&
        error.message === "It must be a whole number from 1 to 500.";
    });
  });
}
