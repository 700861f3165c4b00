import { deepEqual, equal, match } from "node:assert/strict";
import { FakeNode } from "../http/fake_node.ts";
import { asked, floe, nodeWith } from "./fake_terminal.ts";

async function withFile(text: string, work: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    await work(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("export and import carry keys of any bytes from one cluster to another", async () => {
  const [from, to] = [nodeWith("app/1", "app/2", "b"), new FakeNode()];
  from.put(Uint8Array.of(0xff, 0), Uint8Array.of(0xfe));
  for (let at = 0; at < 300; at++) from.put(`many/${at}`, "v".repeat(3_000));
  const exported = await floe(["export"], asked(from));
  await withFile(exported.stdout, async (path) => {
    equal((await floe(["import", path], asked(to))).stdout, "304 keys\n");
    const written = to.commands.length;
    deepEqual(
      (await floe(["get", "", "--prefix"], asked(to))).stdout,
      (await floe(["get", "", "--prefix"], asked(from))).stdout,
    );
    // Another run takes effect, whatever became of the keys meanwhile.
    equal((await floe(["del", "--prefix", "app/"], asked(to))).code, 0);
    equal((await floe(["import", path], asked(to))).code, 0);
    equal(to.commands.length, 2 * written + 1);
    equal((await floe(["get", "app/1"], asked(to))).code, 0);
  });
  const part = await floe(["export", "--prefix", "app/"], asked(from));
  equal(JSON.parse(part.stdout.trimEnd().split("\n").at(-1) ?? "").keys, 2);
});

Deno.test("import refuses a file that is not whole before it writes anything", async () => {
  const { stdout } = await floe(["export"], asked(nodeWith("a", "b", "c")));
  const lines = stdout.trimEnd().split("\n");
  const damaged = [
    "",
    lines.slice(0, -1).join("\n"),
    stdout.slice(0, -5),
    stdout.replace("value of b", "value of x"),
    [...lines.slice(0, 2), ...lines.slice(3)].join("\n"),
    lines.slice(1).join("\n"),
    `${stdout}${lines[1]}\n`,
    stdout.replace('"floeExport":1', '"floeExport":2'),
    "not JSON\n",
  ];
  for (const text of damaged) {
    await withFile(text, async (path) => {
      const outcome = await floe(["import", path], asked(new FakeNode()));
      deepEqual([outcome.code, outcome.requests.length], [2, 0], text);
    });
  }
  equal((await floe(["import", "/nowhere"], asked(new FakeNode()))).code, 2);
});

Deno.test("import takes what etcdctl prints of a range, and refuses a part of it", async () => {
  const to = new FakeNode();
  const path = Deno.makeTempFileSync({ prefix: "floe-import-" });
  const kvs = [
    { key: btoa("a"), value: btoa("1"), create_revision: 2, mod_revision: 2, version: 1 },
    { key: btoa("\xff"), create_revision: 3, mod_revision: 3, version: 1, lease: 7 },
  ];
  try {
    Deno.writeTextFileSync(path, JSON.stringify({ header: {}, kvs, count: 2 }));
    const outcome = await floe(["import", "--format", "etcd", path], asked(to));
    equal(outcome.stdout, "2 keys\n", outcome.stderr);
    equal((await floe(["get", "a"], asked(to))).stdout, "1");
    equal((await floe(["ls", "-r"], asked(to))).stdout, "a\nbase64:/w==\n");
    const header = {};
    const noWhole = /no whole answer of etcdctl get -w json/;
    const keysOnly = kvs.map(({ key }) => ({ key }));
    for (
      const [wrong, why] of [
        [{ header, kvs, more: true, count: 2 }, noWhole],
        [{ header, kvs: [{ key: "*" }], count: 1 }, noWhole],
        [[], noWhole],
        [{ error: "etcdserver: user name is empty", code: 3 }, noWhole],
        [{ header, kvs, count: 5 }, /says that it has 5 keys, and has 2/],
        [{ header, kvs: keysOnly, count: 2 }, /without --keys-only/],
      ] as const
    ) {
      Deno.writeTextFileSync(path, JSON.stringify(wrong));
      const refused = await floe(["import", "--format", "etcd", path], asked(new FakeNode()));
      equal(refused.code, 2);
      match(refused.stderr, why);
    }
  } finally {
    Deno.removeSync(path);
  }
});
