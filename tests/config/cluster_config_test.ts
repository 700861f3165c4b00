import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { encodeHex } from "../../lib/bytes.ts";
import {
  ClusterConfigError,
  findPeer,
  formatClusterConfig,
  isPinned,
  loadClusterConfig,
  parseClusterConfig,
  requirePinned,
} from "../../lib/config/cluster_config.ts";
import { HISTORY_DEFAULTS, TIMING_DEFAULTS } from "../../lib/config/cluster_config_schema.ts";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { LOG_LIMITS } from "../../lib/raft/mod.ts";
import { BAD_ENCODINGS } from "../frost/weak_points.ts";

const sampleFile = new URL("../../cluster.json", import.meta.url).pathname;

Deno.test("loadClusterConfig() reads the repository's sample", async () => {
  const config = await loadClusterConfig(sampleFile);
  assert.equal(config.cluster, "floe-demo");
  assert.equal(config.threshold, 3);
  assert.deepEqual(config.peers.map(({ id }) => id as string), [
    "server_1",
    "server_2",
    "server_3",
    "server_4",
    "server_5",
  ]);
  assert.deepEqual(config.peers[0]?.peer, { hostname: "127.0.0.1", port: 7101 });
  assert.deepEqual(config.timing, TIMING_DEFAULTS);
});

Deno.test("loadClusterConfig() says that there is no such file, and how to name one", async () => {
  await assert.rejects(
    loadClusterConfig("/nowhere/cluster.json"),
    (error) =>
      error instanceof ClusterConfigError &&
      /\/nowhere\/cluster\.json.*\n.*--config/.test(error.message),
  );
});

Deno.test("loadClusterConfig() blames the environment for what it cannot read", async () => {
  await assert.rejects(loadClusterConfig("/"), EnvironmentError);
});

Deno.test("parseClusterConfig() says at which line and column a text stops being JSON", () => {
  assert.deepEqual(faultsOf('{\n  "cluster": floe\n}'), [
    { path: "", message: "not JSON at line 2, column 14" },
  ]);
});

Deno.test("parseClusterConfig() gives the default timing to a file that names none", () => {
  assert.deepEqual(parse({ ...sample(), timing: undefined }).timing, TIMING_DEFAULTS);
});

Deno.test("parseClusterConfig() gives the default limits to a log that has none", () => {
  assert.deepEqual(parse({ ...sample(), log: undefined }).log, LOG_LIMITS);
  assert.deepEqual(parse({ ...sample(), log: { entriesMax: 5_000 } }).log, {
    entriesMax: 5_000,
    bytesMax: LOG_LIMITS.bytesMax,
  });
});

Deno.test("parseClusterConfig() refuses a log that would be compacted all the time, or fill the memory", () => {
  for (const log of [{ entriesMax: 999, bytesMax: 1 }, { entriesMax: 1e9, bytesMax: 1e12 }]) {
    assert.deepEqual(pathsOf({ ...sample(), log }), ["log.entriesMax", "log.bytesMax"]);
  }
});

Deno.test("parseClusterConfig() gives the default limits to a history that has none", () => {
  assert.deepEqual(parse({ ...sample(), history: undefined }).history, HISTORY_DEFAULTS);
  assert.deepEqual(parse({ ...sample(), history: { ageSecondsMax: 3_600 } }).history, {
    ...HISTORY_DEFAULTS,
    ageSecondsMax: 3_600,
  });
});

Deno.test("parseClusterConfig() takes the least and the most of a history", () => {
  for (
    const history of [
      { changesMax: 1_000, bytesMax: 1024 * 1024, ageSecondsMax: 60 },
      { changesMax: 10_000_000, bytesMax: 4 * 1024 ** 3, ageSecondsMax: 315_360_000 },
      { changesMax: 1_000, bytesMax: 1024 * 1024, ageSecondsMax: null },
    ]
  ) assert.deepEqual(parse({ ...sample(), history }).history, history);
});

Deno.test("parseClusterConfig() refuses a history that forgets at once, or fills the memory", () => {
  for (
    const history of [
      { changesMax: 999, bytesMax: 1024 * 1024 - 1, ageSecondsMax: 59 },
      { changesMax: 10_000_001, bytesMax: 4 * 1024 ** 3 + 1, ageSecondsMax: 315_360_001 },
      { changesMax: -1, bytesMax: -1, ageSecondsMax: -1 },
      { changesMax: 1.5e4 + 0.5, bytesMax: "32 MiB", ageSecondsMax: 90.5 },
      { changesMax: null, bytesMax: null, ageSecondsMax: "1h" },
      { changesMax: 2 ** 60, bytesMax: 2 ** 60, ageSecondsMax: 2 ** 60 },
      { changesMax: [1_000], bytesMax: {}, ageSecondsMax: true },
    ]
  ) {
    assert.deepEqual([...new Set(pathsOf({ ...sample(), history }))], [
      "history.changesMax",
      "history.bytesMax",
      "history.ageSecondsMax",
    ]);
  }
});

Deno.test("parseClusterConfig() refuses what is no history, and what no history has", () => {
  for (const history of [null, 7, "100", []]) {
    assert.deepEqual(pathsOf({ ...sample(), history }), ["history"]);
  }
  assert.deepEqual(pathsOf({ ...sample(), history: { ageTicksMax: 100 } }), [
    "history.ageTicksMax",
  ]);
});

Deno.test("parseClusterConfig() takes a cluster of one", () => {
  assert.equal(parse({ ...sample(), threshold: 1, peers: [peer(1)] }).peers.length, 1);
});

Deno.test("parseClusterConfig() refuses an unknown field wherever it stands", () => {
  const peers = [{ ...peer(1), role: "voter" }, peer(2), peer(3)];
  assert.deepEqual(
    pathsOf({ ...sample(), peers, extra: 1, timing: { heartbeat: 50 } }),
    ["peers[0].role", "timing.heartbeat", "extra"],
  );
});

Deno.test("parseClusterConfig() refuses a missing field and names it", () => {
  const { cluster: _, ...rest } = sample();
  assert.deepEqual(faultsOf(JSON.stringify({ ...rest, peers: [{ id: "a", peer: "h:1" }] })), [
    { path: "cluster", message: "missing; expected string" },
    { path: "peers[0].api", message: "missing; expected string" },
    {
      path: "threshold",
      message: "2 of 1 voters is not more than half and at most all; use 1",
    },
  ]);
});

Deno.test("parseClusterConfig() refuses duplicate ids and addresses, peer against api too", () => {
  const peers = [peer(1), { ...peer(2), id: "server_1", api: "127.0.0.1:7001" }, peer(3)];
  assert.deepEqual(faultsOf(JSON.stringify({ ...sample(), peers })), [
    { path: "peers[1].id", message: '"server_1" is already at peers[0].id' },
    { path: "peers[1].api", message: '"127.0.0.1:7001" is already at peers[0].peer' },
  ]);
});

for (const threshold of [0, 1, 4, 1.5, "2", null]) {
  Deno.test(`parseClusterConfig() refuses threshold ${threshold} of 3`, () => {
    assert.deepEqual(pathsOf({ ...sample(), threshold }), ["threshold"]);
  });
}

for (const id of ["", ".", "..", "a/b", "x".repeat(65)]) {
  Deno.test(`parseClusterConfig() refuses the node id ${JSON.stringify(id)}`, () => {
    const peers = [{ ...peer(1), id }, peer(2), peer(3)];
    assert.deepEqual(pathsOf({ ...sample(), peers }), ["peers[0].id"]);
  });
}

Deno.test("parseClusterConfig() refuses timing that cannot work", () => {
  const timing = { heartbeatMs: 200, electionTimeoutMs: 500, signingTimeoutMs: 300 };
  assert.deepEqual(pathsOf({ ...sample(), timing }), [
    "timing.heartbeatMs",
    "timing.signingTimeoutMs",
  ]);
  assert.deepEqual(pathsOf({ ...sample(), timing: { electionTimeoutMs: 600_000 } }), [
    "timing.electionTimeoutMs",
  ]);
});

Deno.test("parseClusterConfig() refuses no peers and more than 101", () => {
  assert.deepEqual(pathsOf({ ...sample(), peers: [] }), ["peers"]);
  const peers = Array.from({ length: 102 }, (_, index) => peer(index + 1));
  assert.deepEqual(pathsOf({ ...sample(), threshold: 60, peers }), ["peers"]);
});

Deno.test("parseClusterConfig() reports every fault in one run", () => {
  const broken = {
    cluster: "no spaces please",
    threshold: 1,
    peers: [{ ...peer(1), peer: "nowhere" }, { ...peer(2), id: "server_1" }],
    timing: { heartbeatMs: 400, electionTimeoutMs: 500, signingTimeoutMs: 100 },
    colour: "blue",
  };
  assert.deepEqual(pathsOf(broken), [
    "cluster",
    "peers[0].peer",
    "colour",
    "threshold",
    "peers[1].id",
    "timing.heartbeatMs",
  ]);
});

for (const raw of [null, [], 7, "text", { peers: 7 }, { peers: [null, 7] }]) {
  Deno.test(`parseClusterConfig() refuses ${JSON.stringify(raw)}`, () => {
    assert.notEqual(faultsOf(JSON.stringify(raw)).length, 0);
  });
}

Deno.test("formatClusterConfig() writes what parseClusterConfig() reads", () => {
  const config = parse(sample());
  assert.deepEqual(parseClusterConfig(formatClusterConfig(config)), config);
});

Deno.test("parseClusterConfig() reads pinned keys, and formatClusterConfig() writes them", () => {
  const config = parse(pinnedSample());
  assert.ok(isPinned(config));
  assert.equal(requirePinned(config, "cluster.json"), config);
  assert.deepEqual(config.peers[1]?.keys?.signingKey, signingKeyOf(2));
  assert.deepEqual(parseClusterConfig(formatClusterConfig(config)), config);
});

Deno.test("requirePinned() refuses a configuration without keys and says what to do", () => {
  const config = parse(sample());
  assert.equal(isPinned(config), false);
  assert.throws(
    () => requirePinned(config, "some.json"),
    (error) =>
      error instanceof ClusterConfigError && /some\.json.*\n.*floe keygen/.test(error.message),
  );
});

Deno.test("parseClusterConfig() refuses keys for some nodes, or one of the two", () => {
  const { peers, ...rest } = pinnedSample();
  const [first, second] = peers;
  const { signingKey: _, ...half } = { ...first };
  assert.deepEqual(
    faultsOf(JSON.stringify({ ...rest, peers: [half, second, peer(3)] })),
    [
      "peers[0].signingKey",
      "peers[2].signingKey",
      "peers[2].channelKey",
    ].map((path) => ({
      path,
      message: "missing; either every peer has a signingKey and a channelKey, or none has",
    })),
  );
});

Deno.test("parseClusterConfig() refuses a key twice, and keys that are none or weak", () => {
  const { peers, ...rest } = pinnedSample();
  const [first, second, third] = peers;
  const wrong = [
    { ...first, signingKey: "12".repeat(32).toUpperCase() + "x" },
    { ...second, channelKey: first?.channelKey },
    { ...third, channelKey: "00".repeat(32) },
  ];
  assert.deepEqual(faultsOf(JSON.stringify({ ...rest, peers: wrong })), [
    { path: "peers[0].signingKey", message: "not 64 hex digits in lower case" },
    {
      path: "peers[2].channelKey",
      message: "Cannot use X25519 public key: it is of low order",
    },
    {
      path: "peers[1].channelKey",
      message: `"${first?.channelKey}" is already at peers[0].channelKey`,
    },
  ]);
});

for (const [what, refusal, encoding] of BAD_ENCODINGS) {
  if (encoding.length !== 32) continue;
  Deno.test(`parseClusterConfig() refuses a signing key that is ${what}: ${refusal}`, () => {
    const { peers, ...rest } = pinnedSample();
    const [first, ...others] = peers;
    const wrong = { ...first, signingKey: encodeHex(encoding) };
    assert.deepEqual(pathsOf({ ...rest, peers: [wrong, ...others] }), ["peers[0].signingKey"]);
  });
}

Deno.test("findPeer() names the nodes there are when the id is not one of them", () => {
  const config = parse(sample());
  assert.equal(findPeer(config, "server_2").api.port, 8002);
  assert.throws(
    () => findPeer(config, "server_9"),
    (error) => error instanceof InputError && /server_1, server_2, server_3/.test(error.message),
  );
});

function sample() {
  return { cluster: "floe-test", threshold: 2, peers: [peer(1), peer(2), peer(3)] };
}

function pinnedSample() {
  const peers = [1, 2, 3].map((number) => ({
    ...peer(number),
    signingKey: encodeHex(signingKeyOf(number)),
    channelKey: `2${number}`.repeat(32),
  }));
  return { ...sample(), peers };
}

function signingKeyOf(number: number): Uint8Array {
  return ed25519.getPublicKey(new Uint8Array(32).fill(number));
}

function peer(number: number): Record<string, unknown> {
  return {
    id: `server_${number}`,
    peer: `127.0.0.1:${7000 + number}`,
    api: `127.0.0.1:${8000 + number}`,
  };
}

function parse(raw: unknown) {
  return parseClusterConfig(JSON.stringify(raw));
}

function faultsOf(text: string) {
  try {
    parseClusterConfig(text);
  } catch (error) {
    if (error instanceof ClusterConfigError) return error.faults;
    throw error;
  }
  return [];
}

function pathsOf(raw: unknown): string[] {
  return faultsOf(JSON.stringify(raw)).map(({ path }) => path);
}
