import { deepEqual, equal, match } from "node:assert/strict";
import { writeAdminToken } from "../../lib/cli/serve/served_api.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { FakeNode, openApp } from "../http/fake_node.ts";
import { floe, type Surroundings } from "./fake_terminal.ts";

/** Which token a command sends to which node, as its requests show it. */

const TOKEN = formatToken(drawToken({ kind: "token", id: "0123456789abcdef" }));
const OWN = formatToken(drawToken({ kind: "admin", node: toNodeId("server_1") }));

class Files implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "floe-token-" });

  write(name: string, text: string): string {
    const path = `${this.folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Runs `floe status`, and gives back what each host was sent. */
async function sent(
  args: readonly string[],
  env: Record<string, string>,
  hosts = ["a:1", "b:1"],
  node = new FakeNode(),
) {
  const received = new Map<string, string | null>();
  const host = (name: string) => (request: Request) => {
    received.set(name, request.headers.get("authorization"));
    return openApp(node).fetch(request);
  };
  const outcome = await floe(["status", ...args], {
    env,
    hosts: Object.fromEntries(hosts.map((name) => [name, host(name)])),
  });
  return { ...outcome, received: hosts.map((name) => received.get(name)) };
}

/** Where the members say that three more of them are; any of them could lie. */
const ELSEWHERE = [7204, 7205, 7206].map((port) => `127.0.0.1:${port}`);

const ENDPOINTS = { FLOE_ENDPOINTS: "a:1,b:1" };

Deno.test("no token is sent where there is none", async () => {
  deepEqual((await sent([], ENDPOINTS)).received, [null, null]);
});

Deno.test("--token-file goes before FLOE_TOKEN, and that before FLOE_TOKEN_FILE, to all nodes", async () => {
  using files = new Files();
  const others = [1, 2].map(() => formatToken(drawToken({ kind: "token", id: "f".repeat(16) })));
  const flag = ["--token-file", files.write("flag", `${TOKEN}\n`)];
  const FLOE_TOKEN = others[0] ?? "";
  const FLOE_TOKEN_FILE = files.write("variable", ` ${others[1]}\r\n\n`);
  const bearer = (token: string | undefined) => [`Bearer ${token}`, `Bearer ${token}`];
  const all = { ...ENDPOINTS, FLOE_TOKEN, FLOE_TOKEN_FILE };
  deepEqual((await sent(flag, all)).received, bearer(TOKEN));
  deepEqual((await sent([], all)).received, bearer(others[0]));
  deepEqual((await sent([], { ...ENDPOINTS, FLOE_TOKEN_FILE })).received, bearer(others[1]));
});

Deno.test("a token that is none is a usage error that shows nothing of it", async () => {
  using files = new Files();
  const wrong = TOKEN.slice(0, -1);
  for (
    const [args, env, source] of [
      [["--token-file", files.write("token", wrong)], {}, "token"],
      [[], { FLOE_TOKEN: wrong }, "FLOE_TOKEN"],
      [[], { FLOE_TOKEN_FILE: files.write("other", "") }, "other"],
    ] as const
  ) {
    const { code, stderr, received } = await sent(args, { ...ENDPOINTS, ...env });
    equal(code, 2);
    match(stderr, new RegExp(`Cannot use .*${source}: Cannot read token`));
    equal(stderr.includes(wrong.slice(30)), false);
    deepEqual(received, [undefined, undefined]);
  }
  const missing = await sent(["--token-file", `${files.folder}/missing`], ENDPOINTS);
  match(missing.stderr, /Cannot read .*missing: there is no such file/);
  const large = await sent(["--token-file", files.write("large", "x".repeat(2000))], ENDPOINTS);
  match(large.stderr, /more than 1024 bytes/);
});

Deno.test("a node's own token goes to that node alone", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const apis = folder.config.peers.map(({ api }) => `${api.hostname}:${api.port}`);
  const config = ["--config", folder.configFile];
  const { received, requests } = await sent(config, { FLOE_TOKEN: OWN }, [...apis, ...ELSEWHERE]);
  deepEqual(received, [`Bearer ${OWN}`, null, null, null, null, null]);
  const hosts = requests.map((request) => /^GET ([^/]+)/.exec(request)?.[1] ?? "");
  deepEqual([...new Set(hosts)].toSorted(), [...apis, ...ELSEWHERE].toSorted());
  deepEqual((await sent([], { FLOE_TOKEN: OWN, FLOE_ENDPOINTS: "a:1" })).received, [
    `Bearer ${OWN}`,
    undefined,
  ]);
  for (
    const [args, env] of [
      [[], ENDPOINTS],
      [config, {}],
    ] as const
  ) {
    const token = formatToken(drawToken({ kind: "admin", node: toNodeId("server_9") }));
    const refused = await sent(args, { ...env, FLOE_TOKEN: token }, apis);
    equal(refused.code, 2);
    match(refused.stderr, /holds server_9's own token, which other nodes must not learn/);
    deepEqual(refused.received, [undefined, undefined, undefined]);
  }
});

Deno.test("a node's own token does not go where other nodes say that it is now", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const [, second, third] = folder.config.peers.map(({ api }) => `${api.hostname}:${api.port}`);
  const config = ["--config", folder.configFile];
  const node = new FakeNode();
  const members = node.membersNow.members.map((member) =>
    member.id === "server_1" ? { ...member, apiAddress: "elsewhere:1" } : member
  );
  node.membersNow = { ...node.membersNow, members };
  // The node that the token belongs to does not answer where it was.
  const answering = [second ?? "", third ?? "", "elsewhere:1"];
  const none = [null, null, null];
  deepEqual((await sent(config, { FLOE_TOKEN: OWN }, answering, node)).received, none);
  Deno.mkdirSync(`${folder.path}/server_1`);
  writeAdminToken(`${folder.path}/server_1`, toNodeId("server_1"));
  const data = { FLOE_DATA_DIR: folder.path };
  deepEqual((await sent(config, data, answering, node)).received, none);
});

Deno.test("without a named token, each node is sent its own from its folder, and asked before others", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const [first, second, third] = folder.config.peers;
  const apis = folder.config.peers.map(({ api }) => `${api.hostname}:${api.port}`);
  for (const peer of [second, third]) Deno.mkdirSync(`${folder.path}/${peer?.id}`);
  writeAdminToken(`${folder.path}/${second?.id}`, toNodeId(second?.id));
  // Another node's, as if a folder had been copied.
  writeAdminToken(`${folder.path}/${third?.id}`, toNodeId(first?.id));
  const text = Deno.readTextFileSync(`${folder.path}/${second?.id}/admin.token`).trim();
  const config = ["--config", folder.configFile];
  const { received } = await sent(config, { FLOE_DATA_DIR: folder.path }, apis);
  deepEqual(received, [null, `Bearer ${text}`, null]);
  const alone = { FLOE_DATA_DIR: `${folder.path}/${second?.id}` };
  deepEqual((await sent(config, alone, apis)).received, [null, `Bearer ${text}`, null]);
  const surroundings: Surroundings = {
    env: alone,
    hosts: Object.fromEntries(apis.map((api) => [api, new FakeNode()])),
  };
  const put = await floe(["put", "a", "x", ...config], surroundings);
  match(put.requests[0] ?? "", new RegExp(`^PUT ${apis[1]}`));
});
