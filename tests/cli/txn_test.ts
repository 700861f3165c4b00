import { deepEqual, equal, match, throws } from "node:assert/strict";
import { parseLines } from "../../lib/cli/commands/txn.ts";
import { FakeNode } from "../http/fake_node.ts";
import { asked, floe, nodeWith } from "./fake_terminal.ts";

Deno.test("txn does JSON and lines alike", async () => {
  const node = nodeWith("a");
  const json = '{"if":[{"key":"a","exists":true}],"then":[{"put":{"key":"b","value":"x y"}}]}';
  equal((await floe(["txn"], { ...asked(node), stdin: json })).code, 0);
  const lines =
    '# once more\nif value b = "x y"\nif version b < 2\n\nthen put b "\\u0041" 0\nthen get b\n';
  const outcome = await floe(["txn"], { ...asked(node), stdin: lines });
  const answer = JSON.parse(outcome.stdout);
  deepEqual([outcome.code, answer.succeeded, answer.results[1].get.value], [0, true, "A"]);
  const failed = await floe(["txn"], { ...asked(node), stdin: "if absent a\nelse get a" });
  deepEqual([failed.code, JSON.parse(failed.stdout).results[0].get.key], [4, "a"]);
});

Deno.test("parseLines() reads every form", () => {
  deepEqual(
    parseLines(
      [
        "if exists a",
        "if modRevision a > 5",
        "if lease a != 0",
        "if fence jobs/x 12",
        "then delete a",
        "then deletePrefix b/",
        "then list c/",
        "else put a v 7",
      ].join("\n"),
    ),
    {
      if: [
        { key: "a", exists: true },
        { key: "a", modRevision: { ">": 5 } },
        { key: "a", lease: { "!=": 0 } },
        { fence: { lock: "jobs/x", revision: 12 } },
      ],
      then: [{ delete: { key: "a" } }, { delete: { prefix: "b/" } }, { range: { prefix: "c/" } }],
      else: [{ put: { key: "a", value: "v", lease: 7 } }],
    },
  );
});

for (
  const text of [
    "",
    "when exists a",
    "if",
    "if exists",
    "if exists a b",
    "if value a == b",
    "if value a =",
    "if size a = 1",
    "if version a = -1",
    "if version a = x",
    "if fence a",
    "then",
    "then put a",
    "then put a b c d",
    "then put a b x",
    "then get",
    "then rename a b",
    'then put "a b',
    'then put "a"b c',
    'then put "\\x" c',
  ]
) {
  Deno.test(`parseLines() refuses ${JSON.stringify(text)}`, () => {
    throws(() => parseLines(text), { name: "InputError" });
  });
}

Deno.test("txn refuses JSON that is no transaction before it asks", async () => {
  for (const stdin of ["{", '{"then":[{"put":{}}]}', '{"thenn":[]}']) {
    const outcome = await floe(["txn"], { ...asked(new FakeNode()), stdin });
    deepEqual([outcome.code, outcome.requests.length], [2, 0]);
    match(outcome.stderr, /^floe: Cannot read transaction/);
  }
});
