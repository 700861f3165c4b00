import { deepEqual, equal } from "node:assert/strict";
import { describeMargins, marginFields, printMarginWarnings } from "../../lib/cli/output.ts";
import { streamTo } from "./fake_terminal.ts";
import { marginWarnings, type Quorum } from "../../lib/margins.ts";

Deno.test("marginFields() says what may go wrong, and what comes after it", () => {
  deepEqual(marginFields({ n: 5, threshold: 3 }), [
    ["may be down", "2 of 5 nodes; the others still elect and write"],
    ["may lie", "0 of 5 voters; no term gets two leaders"],
    ["may be lost", "2 of 5 shares; with one more, no leader can be elected"],
    ["may be stolen", "2 of 5 shares; with one more, a thief can sign elections"],
  ]);
});

Deno.test("describeMargins() names crashes and liars", () => {
  equal(describeMargins({ n: 4, threshold: 3 }), "1 of 4 nodes down, 1 lying");
});

Deno.test("printMarginWarnings() writes a line for each warning, and none where there is none", () => {
  equal(warned({ n: 3, threshold: 2 }), "");
  const [sentence] = marginWarnings({ n: 3, threshold: 3 });
  equal(warned({ n: 3, threshold: 3 }), `warning: ${sentence}\n`);
});

function warned(quorum: Quorum): string {
  let text = "";
  printMarginWarnings(streamTo((data) => text += data), quorum);
  return text;
}
