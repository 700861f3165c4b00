import { deepEqual, equal, match } from "node:assert/strict";
import process from "node:process";
import { CertificateError } from "../../lib/certificate/certifier.ts";
import { run } from "../../lib/cli/cli.ts";
import type { CommandContext } from "../../lib/cli/command.ts";
import { CommandError } from "../../lib/cli/failure.ts";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { FakeNode } from "../http/fake_node.ts";
import { floe, streamTo } from "./fake_terminal.ts";

Deno.test("floe --help and help of every command go to stdout and exit with 0", async () => {
  const top = await floe(["--help"]);
  deepEqual([top.code, top.stderr], [0, ""]);
  match(top.stdout, /^Usage: floe COMMAND \[options\]\n/);
  const names = [...top.stdout.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name]) => name ?? "");
  for (
    const name of [
      "status",
      "leader",
      "elections",
      "group",
      "put",
      "get",
      "del",
      "verify",
      "version",
    ]
  ) {
    equal(names.includes(name), true);
    const help = await floe([name, "--help"]);
    deepEqual([help.code, help.stderr], [0, ""]);
    match(help.stdout, new RegExp(`^Usage: floe ${name} `));
  }
});

Deno.test("floe help shows the same as --help, for a command of a command too", async () => {
  for (const names of [[], ["put"], ["keys"], ["keys", "backup"], ["help"]]) {
    const [help, flag] = [await floe(["help", ...names]), await floe([...names, "--help"])];
    deepEqual([help.code, help.stdout, help.stderr], [0, flag.stdout, ""]);
  }
});

const HELP_STREAMS:
  readonly (readonly [name: "stdout" | "stderr", args: string[], code: number])[] = [
    ["stdout", ["--help"], 0],
    ["stderr", [], 2],
  ];
for (const [name, args, code] of HELP_STREAMS) {
  Deno.test(`help on a terminal's ${name} asks for no variable that Floe may not read`, async () => {
    const stream = process[name];
    const { isTTY, hasColors } = stream;
    // The real one reads NODE_DISABLE_COLORS and more, for which Deno would ask the person's leave.
    const refuse = () => {
      throw new Deno.errors.NotCapable("env");
    };
    Object.assign(stream, { isTTY: true, hasColors: refuse });
    try {
      equal((await floe(args)).code, code);
    } finally {
      Object.assign(stream, { isTTY, hasColors });
    }
  });
}

Deno.test("floe version prints versions, as a table and as JSON", async () => {
  match((await floe(["version"])).stdout, /^floe {4}\d+\.\d+\.\d+\ndeno {4}/);
  const versions = JSON.parse((await floe(["version", "-o", "json"])).stdout);
  deepEqual(Object.keys(versions), ["floe", "deno", "v8", "target"]);
  const { version } = JSON.parse(
    Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)),
  );
  equal(versions.floe, version);
  equal((await floe(["--version"])).stdout, `${versions.floe}\n`);
});

const USAGE_ERRORS: readonly (readonly [args: readonly string[], stderr: RegExp])[] = [
  [[], /^Usage: floe|Usage: floe/],
  [["bogus"], /^floe: unknown command 'bogus'/],
  [["statsu"], /Did you mean status\?/],
  [
    ["put", "k", "a\ufffd"],
    /^floe: Cannot use argument 3: it has bytes that are not UTF-8[^\n]*--file PATH/,
  ],
  [["get", "\ufffd"], /^floe: Cannot use argument 2: /],
  [["help", "bogus"], /^floe: There is no command "bogus"\. floe help lists the commands\.\n$/],
  [["help", "keys", "bogus"], /There is no command "keys bogus"\. floe help keys lists/],
  [["--bogus", "get", "a"], /^floe: unknown option '--bogus'/],
  [
    ["--timeout", "soon", "get", "a"],
    /^floe: option '--timeout <duration>' argument 'soon'[^\n]*\n\(/,
  ],
  [["get"], /^floe: missing required argument 'key'/],
  [["get", "a", "b"], /^floe: too many arguments/],
  [["get", "a", "--bogus"], /^floe: unknown option '--bogus'/],
  [["get", "a", "-o", "yaml"], /Allowed choices are table, json/],
  [["get", "a", "--timeout", "0"], /It must be in s or ms, as in 5s, from 1ms to 600s/],
  [["get", "a", "--timeout", "soon"], /It must be in s or ms, as in 5s, from 1ms to 600s/],
  [["get", "a", "--timeout", "5m"], /It must be in s or ms, as in 5s, from 1ms to 600s/],
  [["get", "a", "--timeout", "601"], /It must be in s or ms, as in 5s, from 1ms to 600s/],
  [["get", "a", "--endpoints", "nowhere"], /^floe: Cannot use --endpoints: "nowhere" is not host/],
  [
    ["get", "a", "--endpoints", "http://me:hunter2@a:1"],
    /^floe: Cannot use --endpoints: an address has no user name and no password\. Name a file that holds a token[^\n]*\n$/,
  ],
  [["get", "a", "--endpoints", "me:hunter2@a:1,b:1"], /^[^2]*$/],
  [["get", "a", "--endpoints", "a:0"], /port 0 is not from 1 to 65535/],
  [["get", "a", "--endpoints", "ftp://a:1"], /is not host:port/],
  [["get", "a", "--endpoints", "https://a"], /"a" is not host:port/],
  [["get", "a", "--endpoints", " , "], /^floe: Cannot use --endpoints: it names no address/],
];
for (const [args, stderr] of USAGE_ERRORS) {
  Deno.test(`floe ${args.join(" ")} exits with 2 and says why on stderr`, async () => {
    const outcome = await floe(args);
    deepEqual([outcome.code, outcome.stdout, outcome.requests.length], [2, "", 0]);
    match(outcome.stderr, stderr);
  });
}

Deno.test("global options stand before or after the command", async () => {
  const hosts = { "c:1": new FakeNode() };
  for (
    const args of [
      ["--endpoints", "c:1", "-o", "json", "put", "k", "x"],
      ["put", "k", "x", "--endpoints", "http://c:1/", "-o", "json"],
    ]
  ) {
    const { code, stdout } = await floe(args, { hosts });
    equal(code, 0);
    equal(JSON.parse(stdout).key, "k");
  }
});

Deno.test("--timeout takes seconds, s and ms", async () => {
  for (const [text, query] of [["2", 1800], ["0.5s", 450], ["500ms", 450], ["600", 60000]]) {
    const hosts = { "a:1": new FakeNode() };
    // A node that is alone gets all of the time.
    const env = { FLOE_ENDPOINTS: "a:1" };
    const { requests } = await floe(["del", "k", "--timeout", String(text)], { hosts, env });
    deepEqual(requests, [`DELETE a:1/v1/kv/k?timeoutMs=${query}`]);
  }
});

Deno.test("--endpoints goes before FLOE_ENDPOINTS, and that before the configuration", async () => {
  const hosts = { "flag:1": new FakeNode(), "env:1": new FakeNode() };
  const env = { FLOE_ENDPOINTS: "env:1", FLOE_CONFIG: "/no/such/file" };
  const flag = await floe(["del", "k", "--endpoints", "flag:1"], { hosts, env });
  match(flag.requests.join(), /^DELETE flag:1/);
  match((await floe(["del", "k"], { hosts, env })).requests.join(), /^DELETE env:1/);
});

Deno.test("a configuration that is not there is a usage error that names both ways", async () => {
  const outcome = await floe(["get", "k", "--config", "/no/such/file"], { env: {} });
  deepEqual([outcome.code, outcome.stdout], [2, ""]);
  match(outcome.stderr, /^floe: Cannot use \/no\/such\/file: /);
  match(outcome.stderr, /--config or FLOE_CONFIG\nOr name the nodes to ask: --endpoints/);
});

const ERRORS: readonly (readonly [error: Error, code: number, stderr: RegExp])[] = [
  [new CommandError(4, "not so"), 4, /^floe: not so\n$/],
  [new InputError("Cannot read x"), 2, /^floe: Cannot read x\n$/],
  [new EnvironmentError("disk full"), 1, /^floe: disk full\n$/],
  [new CertificateError("bad-signature", "forged"), 7, /^floe: forged\n$/],
  [new TypeError("x is not a function"), 1, /^floe: TypeError: x .*\nThis is a bug in Floe\./],
];
for (const [error, code, stderr] of ERRORS) {
  Deno.test(`${error.name} ends a command with ${code}, and without a stack trace`, async () => {
    const env = (name: string) => {
      if (name === "FLOE_ENDPOINTS") throw error;
      return undefined;
    };
    const outcome = await runWith({ env });
    equal(outcome.code, code);
    match(outcome.stderr, stderr);
    equal(outcome.stderr.includes("at "), false);
  });
}

Deno.test("FLOE_DEBUG shows where an unforeseen error happened", async () => {
  const env = (name: string) => {
    if (name === "FLOE_ENDPOINTS") throw new TypeError("broken");
    return name === "FLOE_DEBUG" ? "1" : undefined;
  };
  match((await runWith({ env })).stderr, /TypeError: broken\n {4}at /);
});

Deno.test("a reader that has had enough is no failure", async () => {
  const stdout = streamTo(() => {
    throw new Deno.errors.BrokenPipe("write");
  });
  deepEqual(await runWith({ stdout }, ["version"]), { code: 0, stderr: "" });
});

async function runWith(
  parts: Partial<CommandContext>,
  args = ["leader"],
): Promise<{ code: number; stderr: string }> {
  let stderr = "";
  const code = await run(args, {
    stdout: streamTo(),
    stderr: streamTo((text) => stderr += text),
    stdin: new Blob([]).stream(),
    env: () => undefined,
    openFetch: () => fetch,
    stopSignal: () => new AbortController().signal,
    ...parts,
  });
  return { code, stderr };
}
