import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { PEERS_MAX } from "../../lib/config/cluster_config_schema.ts";
import { toConfiguration } from "../../lib/config/config_difference.ts";
import { PeerConfigurations } from "../../lib/node/observer.ts";
import { LOG_RECORDS_MAX } from "../../lib/transport/reporter.ts";
import { toNodeId } from "../../lib/types.ts";

const config = generateLocalCluster({ nodes: 3 });
const other = toConfiguration({ ...config, threshold: 3 }).text;
const BETA = toNodeId("beta");

async function logged(test: (configurations: PeerConfigurations) => void): Promise<unknown[]> {
  const records: LogRecord[] = [];
  await configure({
    sinks: { memory: (record) => void records.push(record) },
    loggers: [{ category: ["floe"], sinks: ["memory"], lowestLevel: "debug" }, {
      category: ["logtape", "meta"],
      sinks: [],
    }],
    reset: true,
  });
  try {
    test(new PeerConfigurations(config));
  } finally {
    await reset();
  }
  return records.map(({ level, message, properties }) => [level, message.join(""), properties]);
}

const different = ["warning", "configuration.different", {
  peer: BETA,
  differences: ["threshold is 2 here and 3 there"],
  suppressed: 0,
}];

Deno.test("PeerConfigurations knows of each peer what it said last", async () => {
  await logged((configurations) => {
    assert.equal(configurations.isEqual(BETA), null);
    configurations.heard(BETA, other);
    assert.equal(configurations.isEqual(BETA), false);
    configurations.heard(BETA, null);
    assert.equal(configurations.isEqual(BETA), true);
  });
});

Deno.test("PeerConfigurations tells once who differs in what, and again when that changes", async () => {
  const records = await logged((configurations) => {
    configurations.heard(BETA, other);
    configurations.heard(BETA, other.slice());
    configurations.heard(BETA, null);
    configurations.heard(BETA, null);
    configurations.heard(BETA, other);
  });
  assert.deepEqual(records, [
    different,
    ["info", "configuration.equal", { peer: BETA }],
    different,
  ]);
});

Deno.test("PeerConfigurations lets no peer flood the log", async () => {
  const records = await logged((configurations) => {
    for (let count = 0; count < 100; count++) {
      configurations.heard(BETA, other.with(0, count));
    }
  });
  assert.equal(records.length, LOG_RECORDS_MAX);
});

Deno.test("PeerConfigurations tells of each peer that differs, however many do and one floods", async () => {
  const others = Array.from({ length: PEERS_MAX - 2 }, (_, at) => toNodeId(`other_${at}`));
  const records = await logged((configurations) => {
    for (let count = 0; count < 100; count++) {
      configurations.heard(BETA, other.with(0, count));
    }
    for (const peer of others) configurations.heard(peer, other);
  });
  const told = records.slice(LOG_RECORDS_MAX);
  assert.deepEqual(
    told,
    others.map((peer) => [
      "warning",
      "configuration.different",
      { peer, differences: ["threshold is 2 here and 3 there"], suppressed: 0 },
    ]),
  );
});
