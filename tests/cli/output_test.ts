import { deepEqual, equal, ok } from "node:assert/strict";
import { printTextTable, TEXT_WIDTH, wrap } from "../../lib/cli/output.ts";
import { FakeNode } from "../http/fake_node.ts";
import { floe } from "./fake_terminal.ts";

const LONG = "connection refused. Start the node, or open the port between the nodes' machines";

function printed(isTerminal: boolean): readonly string[] {
  let text = "";
  const write = (more: string | Uint8Array) => void (text += more);
  const writeSome = (bytes: Uint8Array) => Promise.resolve(bytes.length);
  printTextTable({ isTerminal, write, writeSome }, ["CHECK", "", "FOUND"], [
    ["configuration", "ok", "cluster.json"],
    ["server_1 peer port", "fail", LONG],
  ]);
  return text.trimEnd().split("\n");
}

Deno.test("printTextTable() breaks a text between words, below its own column, at a terminal", () => {
  const lines = printed(true);
  ok(lines.every((line) => line.length <= TEXT_WIDTH), lines.join("\n"));
  equal(lines[2], "server_1 peer port  fail  connection refused. Start the node, or open the port");
  equal(lines[3], `${" ".repeat(26)}between the nodes' machines`);
});

Deno.test("printTextTable() has a line a row for programs", () => {
  equal(printed(false)[2], `server_1 peer port  fail  ${LONG}`);
});

Deno.test("wrap() keeps every word, one that is too long on a line of its own", () => {
  deepEqual(wrap("a bb  ccc dddddddd e", 5), ["a bb", "ccc", "dddddddd", "e"]);
});

Deno.test("floe status has its verdict on a line for programs, and on short ones at a terminal", async () => {
  const hosts = { "a:1": new FakeNode() };
  const [line = ""] = (await floe(["status"], { hosts })).stdout.split("\n");
  const shown = (await floe(["status"], { hosts, isTerminal: true })).stdout.split("\n\n")[0] ?? "";
  const words = shown.split(/\n */);
  ok(words.every((part) => part.length <= TEXT_WIDTH), shown);
  ok(words.join(" ").startsWith(line), shown);
});
