import fc from "fast-check";
import assert from "node:assert/strict";
import {
  encodeStatement,
  parseStatement,
  type Statement,
  STATEMENT_LENGTH_MAX,
} from "../../lib/certificate/election.ts";
import {
  NAME_LENGTH_MAX,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";
import { assertRefused } from "./refused.ts";

const TEXT = "floe/election/v1\ncluster floe-demo\nepoch 1\nterm 7\nleader server_4\nlog 42 6\n";
const STATEMENT: Statement = {
  cluster: toClusterName("floe-demo"),
  epoch: toEpoch(1),
  term: toTerm(7),
  leader: toNodeId("server_4"),
  lastLogIndex: toLogIndex(42),
  lastLogTerm: toTerm(6),
};

Deno.test("encodeStatement() writes the six lines, each ending in a newline", () => {
  assert.equal(encodeStatement(STATEMENT), TEXT);
});

Deno.test("parseStatement() reads back what encodeStatement() wrote", () => {
  const names = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
  const counts = fc.maxSafeNat();
  const statements = fc.record({
    cluster: names.map(toClusterName),
    epoch: counts.filter((count) => count > 0).map(toEpoch),
    term: counts.map(toTerm),
    leader: names.map(toNodeId),
    lastLogIndex: counts.map(toLogIndex),
    lastLogTerm: counts.map(toTerm),
  }, { noNullPrototype: true });
  fc.assert(fc.property(statements, (statement) => {
    const text = encodeStatement(statement);
    assert.ok(text.length <= STATEMENT_LENGTH_MAX);
    assert.deepEqual(parseStatement(text), statement);
  }));
});

Deno.test("parseStatement() refuses or reads differently a text with any one character changed", () => {
  for (let at = 0; at < TEXT.length; at++) {
    for (const replacement of ["0", "x", " ", "\n", "\u00e9", ""]) {
      const changed = TEXT.slice(0, at) + replacement + TEXT.slice(at + 1);
      if (changed === TEXT) continue;
      try {
        assert.notDeepEqual(parseStatement(changed), STATEMENT);
      } catch (error) {
        assert.equal((error as Error).name, "CertificateError");
      }
    }
  }
});

Deno.test("parseStatement() refuses every truncation", () => {
  for (let length = 0; length < TEXT.length; length++) {
    assertRefused("malformed", () => parseStatement(TEXT.slice(0, length)));
  }
});

const tooLong = "a".repeat(NAME_LENGTH_MAX + 1);
const REPLACEMENTS: readonly (readonly [string, string, string])[] = [
  ["a leading zero in the epoch", "epoch 1", "epoch 01"],
  ["a leading zero in the term", "term 7", "term 07"],
  ["a leading zero in the log index", "log 42", "log 042"],
  ["a leading zero in the log term", "42 6", "42 06"],
  ["a sign", "term 7", "term +7"],
  ["a negative number", "term 7", "term -7"],
  ["a fraction", "term 7", "term 7.0"],
  ["an exponent", "term 7", "term 7e0"],
  ["hex", "term 7", "term 0x7"],
  ["a number above 2^53 - 1", "term 7", "term 9007199254740992"],
  ["a very long number", "term 7", `term ${"9".repeat(400)}`],
  ["an empty number", "term 7", "term "],
  ["epoch zero", "epoch 1", "epoch 0"],
  ["two spaces", "term 7", "term  7"],
  ["a trailing space", "term 7\n", "term 7 \n"],
  ["a tab", "term 7", "term\t7"],
  ["a carriage return", "term 7\n", "term 7\r\n"],
  ["another kind", "floe/election/v1", "floe/election/v2"],
  ["another case", "term", "Term"],
  ["an extra line", "log 42 6\n", "log 42 6\nterm 8\n"],
  ["a line twice", "term 7\n", "term 7\nterm 7\n"],
  ["a missing line", "term 7\n", ""],
  ["lines in another order", "epoch 1\nterm 7\n", "term 7\nepoch 1\n"],
  ["an empty line at the end", "log 42 6\n", "log 42 6\n\n"],
  ["no newline at the end", "log 42 6\n", "log 42 6"],
  ["a third log number", "log 42 6", "log 42 6 1"],
  ["a missing log term", "log 42 6", "log 42"],
  ["an empty cluster name", "floe-demo", ""],
  ["a cluster name that is too long", "floe-demo", tooLong],
  ["a leader that is too long", "server_4", tooLong],
  ["a leader with a slash", "server_4", "server/4"],
  ["a leader in other letters", "server_4", "s\u00e9rver"],
  ["a zero byte", "server_4", "server_4\0"],
  ["an overlong text", "server_4", "a".repeat(STATEMENT_LENGTH_MAX)],
];

for (const [name, from, to] of REPLACEMENTS) {
  Deno.test(`parseStatement() refuses ${name}`, () => {
    assert.ok(TEXT.includes(from));
    assertRefused("malformed", () => parseStatement(TEXT.replace(from, to)));
  });
}

Deno.test("parseStatement() refuses text before the first line", () => {
  for (const prefix of ["\n", " ", "\ufeff", "x\n"]) {
    assertRefused("malformed", () => parseStatement(prefix + TEXT));
  }
});
