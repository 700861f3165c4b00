import assert, { deepEqual, equal, match } from "node:assert/strict";
import type { Command } from "../../lib/kv/command.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { FakeNode } from "../http/fake_node.ts";
import { putCommand } from "../kv/support.ts";
import { floe } from "./fake_terminal.ts";

/** A command without its idempotency key, which is random. */
function effectOf(command: Command | undefined): Partial<Command> {
  assert(command?.kind === "transaction");
  const { idempotency, ...effect } = command;
  match(idempotency?.key ?? "", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  return effect;
}

Deno.test("put prints key, revision and version", async () => {
  const node = new FakeNode();
  const outcome = await floe(["put", "a/b c", "blue"], { hosts: { "a:1": node } });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(outcome.stdout, "KEY    REVISION  VERSION\na/b c  101       1\n");
  deepEqual(outcome.requests, ["PUT a:1/v1/kv/a%2Fb%20c?timeoutMs=1800"]);
  equal(node.commands.length, 1);
  deepEqual(effectOf(node.commands[0]), putCommand("a/b c", "blue"));
});

Deno.test("put -o json prints the API's answer on one line", async () => {
  const { stdout } = await floe(["-o", "json", "put", "a", "x"], {
    hosts: { "a:1": new FakeNode() },
  });
  equal(stdout, '{"key":"a","createRevision":101,"modRevision":101,"version":1}\n');
});

Deno.test("put takes the bytes of standard input for -", async () => {
  const node = new FakeNode();
  const bytes = new Uint8Array([0xff, 0, 10]);
  equal((await floe(["put", "a", "-"], { hosts: { "a:1": node }, stdin: bytes })).code, 0);
  deepEqual(effectOf(node.commands[0]), putCommand("a", bytes));
});

Deno.test("put takes the bytes of a file", async () => {
  const node = new FakeNode();
  const path = await Deno.makeTempFile();
  const bytes = new Uint8Array([1, 2, 0xff]);
  await Deno.writeFile(path, bytes);
  equal((await floe(["put", "a", "--file", path], { hosts: { "a:1": node } })).code, 0);
  deepEqual(effectOf(node.commands[0]), putCommand("a", bytes));
  await Deno.remove(path);
});

Deno.test("put takes an empty value, and one that begins with a dash after --", async () => {
  const node = new FakeNode();
  equal((await floe(["put", "a", ""], { hosts: { "a:1": node } })).code, 0);
  equal((await floe(["put", "a", "--", "-o"], { hosts: { "a:1": node } })).code, 0);
  deepEqual(node.commands.map(effectOf), [putCommand("a", ""), putCommand("a", "-o")]);
});

const REFUSED_PUTS: readonly (readonly [args: readonly string[], stderr: RegExp])[] = [
  [["put", "a"], /give the value once/],
  [["put", "a", "x", "--file", "y"], /give the value once/],
  [["put"], /missing required argument 'key'/],
  [["put", "a", "x", "y"], /too many arguments/],
  [["put", "", "x"], /Cannot use an empty key/],
  [["put", "..", "x"], /"\.\." is not allowed as a key/],
  [["put", "k".repeat(1025), "x"], /1025 bytes are above 1024/],
  [["put", "a", "x".repeat(VALUE_BYTES_MAX + 1)], /524289 bytes are above 524288/],
  [["put", "a", "--file", "/no/such/file"], /Cannot read \/no\/such\/file: there is no such file/],
  [["put", "a", "--file", "."], /Cannot read \.: it is a folder/],
  [["put", "a", "x", "--if-revision", "0"], /a whole number from 1/],
  [["put", "a", "x", "--if-revision", "-1"], /a whole number from 1/],
  [["put", "a", "x", "--if-revision", "1e3"], /a whole number from 1/],
  [["put", "a", "x", "--if-revision", "9007199254740992"], /a whole number from 1/],
  [["put", "a", "x", "--if-revision", "1", "--if-absent"], /cannot be used with option/],
  [["put", "a", "x", "--idempotency-key", ""], /must be visible ASCII/],
  [["put", "a", "x", "--idempotency-key", "a b"], /must be visible ASCII/],
  [["put", "a", "x", "--idempotency-key", "k".repeat(129)], /129 characters are above 128/],
  [["del", "a", "--if-absent"], /unknown option/],
  [["del", "a", "--if-revision", "x"], /a whole number from 1/],
  [["del", "a", "--idempotency-key", "ä"], /must be visible ASCII/],
];
for (const [args, stderr] of REFUSED_PUTS) {
  Deno.test(`${args.join(" ").slice(0, 40)} is a usage error and sends nothing`, async () => {
    const outcome = await floe(args, { hosts: { "a:1": new FakeNode() } });
    equal(outcome.code, 2);
    equal(outcome.stdout, "");
    match(outcome.stderr, stderr);
    match(outcome.stderr, /^floe: /);
    deepEqual(outcome.requests, []);
  });
}

Deno.test("put refuses standard input above the limit", async () => {
  const stdin = new Uint8Array(VALUE_BYTES_MAX + 1);
  const outcome = await floe(["put", "a", "-"], { hosts: { "a:1": new FakeNode() }, stdin });
  equal(outcome.code, 2);
  equal(outcome.stderr, "floe: Cannot use standard input: it holds more than 524288 bytes\n");
  deepEqual(outcome.requests, []);
});

async function nodeWith(key: string, value: string | Uint8Array<ArrayBuffer>): Promise<FakeNode> {
  const node = new FakeNode();
  await node.write(putCommand(key, value), { timeoutMs: 1 });
  return node;
}

Deno.test("get prints the value's bytes and nothing else into a pipe", async () => {
  const bytes = new Uint8Array([0xff, 0x00, 0x41]);
  const outcome = await floe(["get", "a"], { hosts: { "a:1": await nodeWith("a", bytes) } });
  equal(outcome.code, 0);
  deepEqual(outcome.stdoutBytes, bytes);
});

Deno.test("get ends the line on a terminal, once", async () => {
  for (const value of ["blue", "blue\n"]) {
    const hosts = { "a:1": await nodeWith("a", value) };
    equal((await floe(["get", "a"], { hosts, isTerminal: true })).stdout, "blue\n");
  }
});

Deno.test("get -o json prints the value with its revisions", async () => {
  const hosts = { "a:1": await nodeWith("a", new Uint8Array([0xff])) };
  const { stdout } = await floe(["get", "a", "-o", "json"], { hosts });
  deepEqual(JSON.parse(stdout), {
    key: "a",
    value: "/w==",
    encoding: "base64",
    createRevision: 101,
    modRevision: 101,
    version: 1,
    lease: 0,
  });
});

Deno.test("get --stale asks for a stale read", async () => {
  const node = await nodeWith("a", "x");
  equal((await floe(["get", "a", "--stale"], { hosts: { "a:1": node } })).code, 0);
  deepEqual(node.reads, [{ consistency: "stale", timeoutMs: 1800 }]);
});

Deno.test("get of a key that is not there exits with 3 and prints nothing", async () => {
  const outcome = await floe(["get", "a"], { hosts: { "a:1": new FakeNode() } });
  deepEqual([outcome.code, outcome.stdout], [3, ""]);
  equal(outcome.stderr, 'floe: There is no key "a" (a:1)\n');
});

Deno.test("del prints the revision of the deletion, and exits with 3 the next time", async () => {
  const hosts = { "a:1": await nodeWith("a", "x") };
  const first = await floe(["del", "a"], { hosts });
  deepEqual([first.code, first.stdout], [0, "KEY  DELETED AT\na    102\n"]);
  const second = await floe(["del", "a"], { hosts });
  deepEqual([second.code, second.stdout, second.stderr], [3, "", 'floe: There is no key "a"\n']);
  const json = await floe(["del", "a", "-o", "json"], { hosts });
  deepEqual([json.code, json.stdout], [3, '{"key":"a","deleted":false,"revision":102}\n']);
});

Deno.test("put --if-absent writes a key once and then exits with 4", async () => {
  const hosts = { "a:1": new FakeNode() };
  equal((await floe(["put", "a", "x", "--if-absent"], { hosts })).code, 0);
  const refused = await floe(["put", "a", "y", "--if-absent"], { hosts });
  deepEqual([refused.code, refused.stdout], [4, ""]);
  equal(refused.stderr, 'floe: Cannot write "a": its revision is 101 (a:1)\n');
  equal((await floe(["get", "a"], { hosts })).stdout, "x");
});

Deno.test("put and del --if-revision change only what they name", async () => {
  const hosts = { "a:1": await nodeWith("a", "one") };
  equal((await floe(["put", "a", "two", "--if-revision", "100"], { hosts })).code, 4);
  equal((await floe(["put", "a", "two", "--if-revision", "101"], { hosts })).code, 0);
  equal((await floe(["del", "a", "--if-revision", "101"], { hosts })).code, 4);
  equal((await floe(["del", "a", "--if-revision", "103"], { hosts })).code, 0);
  const gone = await floe(["put", "a", "three", "--if-revision", "103"], { hosts });
  deepEqual([gone.code, gone.stderr], [4, 'floe: Cannot write "a": there is no such key (a:1)\n']);
});

Deno.test("put --idempotency-key is done once, and refuses to stand for another write", async () => {
  const hosts = { "a:1": new FakeNode() };
  const args = ["put", "a", "x", "--idempotency-key", "mine"];
  const first = await floe(args, { hosts });
  deepEqual(await floe(args, { hosts }), first);
  const other = await floe(["del", "a", "--idempotency-key", "mine"], { hosts });
  deepEqual([other.code, other.stdout], [2, ""]);
  match(other.stderr, /its idempotency key already stands for another write, at revision 101/);
});
