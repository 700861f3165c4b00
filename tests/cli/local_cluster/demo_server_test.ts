import { deepEqual, equal, match } from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import { DemoServer } from "../../../lib/cli/local_cluster/demo_server.ts";
import type { NodeState } from "../../../lib/cli/local_cluster/local_cluster.ts";
import { generateLocalCluster, type PinnedClusterConfig } from "../../../lib/config/mod.ts";
import { InputError } from "../../../lib/errors.ts";
import { type NodeId, toNodeId } from "../../../lib/types.ts";

/** The server of three nodes, with a record of what is done to them and of what they are asked. */
function setUp(states: readonly NodeState[] = ["leader", "down", "follower"]) {
  const done: string[] = [];
  const asked: string[] = [];
  const ids = ["server_1", "server_2", "server_3"].map(toNodeId);
  const note = (what: string) => (id: NodeId) => void done.push(`${what} ${id}`);
  const config = createConfig();
  const answer = (what: string, id: NodeId | null) => {
    done.push(`${what} ${id}`);
    if (id === "server_3") throw new InputError("not now");
    return Promise.resolve(`${what} it is`);
  };
  const server = new DemoServer({
    newcomers: { add: (replaced) => answer("add", replaced) },
    forger: { forge: (id) => answer("forge", id) },
    cluster: () => ({
      nodes: config.peers,
      states: new Map(ids.map((id, at) => [id, states[at] ?? "down"])),
      kill: note("kill"),
      restart: note("start"),
      pause: note("pause"),
      resume: note("resume"),
      cut: note("cut"),
      heal: note("heal"),
    }),
    fetch: (input) => {
      asked.push(String(input));
      return Promise.resolve(new Response("from a node", { headers: { "x-node": "yes" } }));
    },
  });
  const address = new URL(server.address("ab"));
  const secret = new URLSearchParams(address.hash.slice(1)).get("demo") ?? "";
  const act = async (path: string, init: RequestInit = {}) => {
    const headers = { "floe-demo": secret, ...init.headers };
    const response = await fetch(`${address.origin}${path}`, { method: "POST", ...init, headers });
    return { status: response.status, text: await response.text() };
  };
  return { server, address, act, done, asked, api: (at: number) => config.peers[at]?.api };
}

function createConfig(): PinnedClusterConfig {
  const config = generateLocalCluster({ nodes: 3 });
  const keys = { signingKey: new Uint8Array(32), channelKey: new Uint8Array(32) };
  return { ...config, peers: config.peers.map((peer) => ({ ...peer, keys })) };
}

Deno.test("the address has the key and a secret, behind the #", async () => {
  const { server, address } = setUp();
  await using _server = server;
  match(address.href, /^http:\/\/127\.0\.0\.1:[0-9]+\/ui\/#key=ab&demo=[0-9a-f]{32}$/);
});

Deno.test("the buttons act on the nodes, and answer with their states", async () => {
  const { server, act, done } = setUp();
  await using _server = server;
  const states = { server_1: "leader", server_2: "down", server_3: "follower" };
  const { status, text } = await act("/demo/kill?node=server_1");
  deepEqual([status, JSON.parse(text)], [200, { said: "server_1 is killed", states }]);
  await act("/demo/start?node=server_2");
  await act("/demo/pause?node=server_3");
  await act("/demo/resume?node=server_3");
  await act("/demo/cut?node=server_1");
  await act("/demo/heal?node=server_1");
  deepEqual(done, [
    ...["kill server_1", "start server_2", "pause server_3", "resume server_3"],
    ...["cut server_1", "heal server_1"],
  ]);
  deepEqual(JSON.parse((await act("/demo/state", { method: "GET" })).text), { said: "", states });
});

Deno.test("what takes a while is answered with its outcome, or with why not", async () => {
  const { server, act, done } = setUp();
  await using _server = server;
  for (const what of ["add", "replace", "forge"]) {
    const { status, text } = await act(`/demo/${what}?node=server_1`);
    deepEqual([status, JSON.parse(text).said], [200, `${what === "forge" ? what : "add"} it is`]);
  }
  deepEqual(done, ["add null", "add server_1", "forge server_1"]);
  const refused = await act("/demo/replace?node=server_3");
  deepEqual([refused.status, JSON.parse(refused.text).detail], [409, "not now"]);
});

Deno.test("without the secret, with a wrong one, or from another page, nothing is done", async () => {
  const { server, act, done } = setUp();
  await using _server = server;
  const path = "/demo/kill?node=server_1";
  const refused = [
    await act(path, { headers: { "floe-demo": "" } }),
    await act(path, { headers: { "floe-demo": "0".repeat(32) } }),
    await act("/demo/state", { method: "GET", headers: { "floe-demo": "" } }),
    await act(path, { headers: { origin: "https://elsewhere.example" } }),
  ];
  deepEqual(refused.map(({ status }) => status), [401, 401, 401, 403]);
  deepEqual(done, []);
});

Deno.test("what is no action, or of no node, is refused", async () => {
  const { server, act, done } = setUp();
  await using _server = server;
  for (
    const path of [
      "kill",
      "kill?node=server_9",
      "explode?node=server_1",
      "constructor?node=server_1",
    ]
  ) {
    equal((await act(`/demo/${path}`)).status, 404, path);
  }
  equal((await act("/demo/kill?node=server_1", { method: "GET" })).status, 404);
  deepEqual(done, []);
});

Deno.test("another name for this machine is refused, as a page could take it for its own", async () => {
  const { server, address } = setUp();
  await using _server = server;
  const { hostname, port } = parseAddress(address.host);
  const connection = await Deno.connect({ hostname, port });
  const request = "GET /ui/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
  await connection.write(new TextEncoder().encode(request));
  match(await new Response(connection.readable).text(), /^HTTP\/1\.1 421 /);
});

Deno.test("everything else goes to a node that lives on, and only GET does", async () => {
  const { server, act, asked, api } = setUp();
  await using _server = server;
  const { status, text } = await act("/v1/status?x=1", { method: "GET" });
  deepEqual([status, text], [200, "from a node"]);
  const { hostname, port } = api(2) ?? { hostname: "", port: 0 };
  deepEqual(asked, [`http://${hostname}:${port}/v1/status?x=1`]);
  equal((await act("/v1/kv/a", { method: "PUT" })).status, 405);
  equal(asked.length, 1);
});

Deno.test("where no node runs, the page is told so", async () => {
  const { server, act, asked } = setUp(["down", "paused", "starting"]);
  await using _server = server;
  const { status, text } = await act("/ui/", { method: "GET" });
  deepEqual([status, JSON.parse(text).detail, asked], [503, "No node answers now", []]);
});
