import assert from "node:assert/strict";
import { encodeGenesisStatement, parseGenesisStatement } from "../../lib/certificate/genesis.ts";
import { createFounders, createStatement } from "./founders.ts";
import { assertRefused } from "./refused.ts";

const STATEMENT = createStatement(createFounders(2, 3));
const TEXT = encodeGenesisStatement(STATEMENT);

Deno.test("encodeGenesisStatement() writes the lines that its module shows", () => {
  const lines = TEXT.split("\n").map((line) => line.replaceAll(/[0-9a-f]{64}/g, "KEY"));
  assert.deepEqual(lines, [
    "floe/genesis/v1",
    "cluster floe-test",
    "epoch 1",
    "threshold 2",
    "voter server_1 KEY KEY",
    "voter server_2 KEY KEY",
    "voter server_3 KEY KEY",
    "group KEY",
    "transcript KEY",
    "",
  ]);
});

Deno.test("parseGenesisStatement() reads back what encodeGenesisStatement() wrote", () => {
  assert.deepEqual(parseGenesisStatement(TEXT), STATEMENT);
});

Deno.test("parseGenesisStatement() refuses every truncation and anything appended", () => {
  for (let length = 0; length < TEXT.length; length++) {
    assertRefused("malformed", () => parseGenesisStatement(TEXT.slice(0, length)));
  }
  for (const appended of ["\n", " ", TEXT, "x"]) {
    assertRefused("malformed", () => parseGenesisStatement(TEXT + appended));
  }
});

for (
  const [what, from, to] of [
    ["another kind", "floe/genesis/v1", "floe/election/v1"],
    ["another version", "floe/genesis/v1", "floe/genesis/v2"],
    ["a leading zero", "epoch 1", "epoch 01"],
    ["epoch 0", "epoch 1", "epoch 0"],
    ["a number too large", "epoch 1", "epoch 99999999999999999999"],
    ["a sign", "threshold 2", "threshold +2"],
    ["two spaces", "cluster floe", "cluster  floe"],
    ["a carriage return", "epoch 1\n", "epoch 1\r\n"],
    ["lines in another order", "epoch 1\nthreshold 2\n", "threshold 2\nepoch 1\n"],
    ["a cluster name that is none", "cluster floe-test", "cluster floe/test"],
    ["a node id that is none", "voter server_1", "voter server+1"],
    ["a voter without id", "voter server_1 ", "voter "],
    ["a key in upper case", /[0-9a-f]{64}/, (hex: string) => hex.toUpperCase()],
    ["a short key", /[0-9a-f]{64}/, (hex: string) => hex.slice(2)],
    ["a long key", /[0-9a-f]{64}/, (hex: string) => `${hex}00`],
    ["no voters", /(voter .*\n)+/, ""],
    ["no group key", /group .*\n/, ""],
    ["no transcript", /transcript .*\n/, ""],
    ["the transcript twice", /transcript .*\n/, (line: string) => line + line],
  ] as const
) {
  Deno.test(`parseGenesisStatement() refuses ${what}`, () => {
    const changed = typeof to === "string" ? TEXT.replace(from, to) : TEXT.replace(from, to);
    assert.notEqual(changed, TEXT);
    assertRefused("malformed", () => parseGenesisStatement(changed));
  });
}
