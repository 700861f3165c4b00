/**
 * `docs/configuration.md` has every field of `cluster.json`, with the default and the limits that are in force.
 *
 * @module
 */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  type ClusterConfigError,
  parseClusterConfig,
  toClusterConfigJson,
} from "../lib/config/cluster_config.ts";
import { read, rowsUnder, unquote } from "./support/document.ts";

const DOCUMENT = "docs/configuration.md";

const FIELDS = rowsUnder(DOCUMENT, "## Fields").map(([field = "", standard = "", limits = ""]) => {
  return { field: unquote(field), standard, limits: unquote(limits) };
});

type Json = Record<string, unknown>;

const KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/** A configuration with every field. */
function full(): Json {
  const peer = (n: number) => ({
    id: `server_${n}`,
    peer: `10.0.0.${n}:7101`,
    api: `10.0.0.${n}:7201`,
    etcd: `10.0.0.${n}:7301`,
    ...(n === 3 ? { learner: true } : {}),
  });
  return {
    cluster: "ours",
    threshold: 2,
    peers: [peer(1), peer(2), peer(3)],
    timing: { heartbeatMs: 50, electionTimeoutMs: 500, signingTimeoutMs: 100 },
    log: { entriesMax: 100_000, bytesMax: 67_108_864 },
    history: { changesMax: 10_000, bytesMax: 67_108_864, ageSecondsMax: 600 },
  };
}

/** The places of all fields of a value: `peers[].id`. */
function placesOf(value: unknown, path = ""): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((one) => placesOf(one, `${path}[]`)))];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const place = path === "" ? name : `${path}.${name}`;
    const within = placesOf(inner, place);
    return within.length > 0 && !Array.isArray(inner) ? within : [place, ...within];
  });
}

function parse(config: Json) {
  return parseClusterConfig(JSON.stringify(config));
}

Deno.test("docs/configuration.md has every field and no other", () => {
  const places = placesOf(toClusterConfigJson(parse(full())));
  // Only cards have keys that belong together; `floe init` takes them from there.
  const keys = ["peers[].signingKey", "peers[].channelKey"];
  deepEqual(FIELDS.map(({ field }) => field).toSorted(), [...places, ...keys].toSorted());
  for (const key of ["signingKey", "channelKey"]) {
    const { peers } = full() as { peers: Json[] };
    const faulty = { ...full(), peers: peers.map((peer) => ({ ...peer, [key]: KEY })) };
    throws(() => parse(faulty), (error: ClusterConfigError) => {
      return !error.faults.some(({ message }) => message.startsWith("unknown field"));
    });
  }
});

for (const { field, standard, limits } of FIELDS) {
  const [section = "", name = ""] = field.split(".");
  if (!["timing", "log", "history"].includes(section)) continue;
  if (name === "") continue;

  Deno.test(`docs/configuration.md has the default of ${field}`, () => {
    const { [section]: _left, ...rest } = full();
    const config = toClusterConfigJson(parse(rest)) as Record<string, Record<string, unknown>>;
    equal(standard.replaceAll(",", ""), String(config[section]?.[name]));
  });

  Deno.test(`docs/configuration.md has the limits of ${field}`, () => {
    const [least = 0, most = 0] = limits.replaceAll(",", "").split(" to ").map(Number);
    ok(least > 0 && most > least, limits);
    const isFaulty = (value: number) => {
      const config: Json = { ...full(), [section]: { [name]: value } };
      return faultsOf(config).includes(field);
    };
    const around = [least - 1, least, most, most + 1];
    deepEqual(around.map(isFaulty), [true, false, false, true], limits);
  });
}

/** The places where a configuration has a value outside of its own limits. */
function faultsOf(config: Json): readonly string[] {
  try {
    parse(config);
    return [];
  } catch (error) {
    return (error as ClusterConfigError).faults
      .filter(({ message }) => !message.includes("must fit"))
      .map(({ path }) => path);
  }
}

Deno.test("docs/configuration.md's example of times is taken", () => {
  const [, text = ""] = /```json\n(\{ "heartbeatMs".*?)\n```/s.exec(read(DOCUMENT)) ?? [];
  deepEqual(parse({ ...full(), timing: JSON.parse(text) }).timing, JSON.parse(text));
});

Deno.test("docs/configuration.md has how many nodes a cluster may have", () => {
  const told = FIELDS.find(({ field }) => field === "peers")?.limits;
  const peer = (n: number) => ({ id: `n${n}`, peer: `h${n}:1`, api: `h${n}:2` });
  const peers = Array.from({ length: 102 }, (_, at) => peer(at));
  equal(told, "1 to 101");
  parse({ cluster: "ours", threshold: 101, peers: peers.slice(0, 101) });
  throws(() => parse({ cluster: "ours", threshold: 102, peers }), /peers/);
  throws(() => parse({ cluster: "ours", threshold: 1, peers: [] }), /peers/);
});
