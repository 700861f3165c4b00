import assert from "node:assert/strict";
import {
  type Awaited,
  Journal,
  type KeyGenerationReport,
  WAITING_CHANGED_MS,
  WAITING_REPEATED_MS,
} from "../../../lib/node/key_generation/report.ts";
import { LOG_RECORDS_MAX } from "../../../lib/transport/reporter.ts";
import { toNodeId } from "../../../lib/types.ts";
import { recordLogs } from "../../support/record_logs.ts";
import { MemoryCluster } from "./memory_cluster.ts";

const { config, three: [self, second, third] } = new MemoryCluster(3);
const REPORT: KeyGenerationReport = {
  fingerprint: "0123 4567",
  cluster: config.cluster,
  id: self,
  phase: "connecting",
  attempt: 0,
  threshold: 2,
  voters: [self, second, third],
  peers: [],
  waitingFor: [{ id: second, step: "connection" }, { id: third, step: "configuration" }],
  genesis: null,
};

Deno.test("Journal says whom a node waits for, at a bounded pace, sooner when it changes", async () => {
  const clock = { nowMs: 0 };
  const journal = new Journal(() => clock.nowMs);
  const told = async (nowMs: number, waitingFor: readonly Awaited[] = REPORT.waitingFor) => {
    clock.nowMs = nowMs;
    const records = await recordLogs(() => journal.waiting({ ...REPORT, waitingFor }));
    return records.length > 0;
  };
  const changed: readonly Awaited[] = [{ id: second, step: "roundOne" }];
  assert.equal(await told(WAITING_CHANGED_MS - 1), false, "a start takes a moment");
  assert.equal(await told(WAITING_CHANGED_MS), true);
  assert.equal(await told(WAITING_CHANGED_MS + WAITING_REPEATED_MS - 1), false);
  assert.equal(await told(WAITING_CHANGED_MS + WAITING_REPEATED_MS), true);
  const laterMs = WAITING_CHANGED_MS + WAITING_REPEATED_MS;
  assert.equal(await told(laterMs + WAITING_CHANGED_MS - 1, changed), false);
  assert.equal(await told(laterMs + WAITING_CHANGED_MS, changed), true);
  assert.equal(await told(10 * laterMs, []), false, "waits for nobody");
});

Deno.test("Journal groups those who are waited for by what they are to do", async () => {
  const records = await recordLogs(() => {
    let nowMs = 0;
    new Journal(() => nowMs++ * WAITING_CHANGED_MS).waiting({
      ...REPORT,
      waitingFor: [...REPORT.waitingFor, { id: toNodeId("server_4"), step: "connection" }],
    });
  });
  assert.deepEqual(records, [{
    level: "info",
    event: "keygen.waiting",
    properties: {
      phase: "connecting",
      connection: [second, "server_4"],
      configuration: [third],
    },
  }]);
});

Deno.test("Journal says what to do where the others have a key and show no genesis", async () => {
  const records = await recordLogs(() => {
    let nowMs = 0;
    const waitingFor: readonly Awaited[] = [{ id: second, step: "genesis" }];
    new Journal(() => nowMs++ * WAITING_CHANGED_MS).waiting({ ...REPORT, waitingFor });
  });
  assert.deepEqual(records[0]?.properties.genesis, [second]);
  assert.match(String(records[0]?.properties.advice), /If a dealer made the key/);
});

Deno.test("Journal names culprits and accusers, as an error and as a warning", async () => {
  const rule = "bad-proof";
  const records = await recordLogs(() => {
    const journal = new Journal();
    journal.event({ kind: "faultFound", attempt: 2, voter: second, rule, reason: "why" });
    journal.event({ kind: "faultReported", attempt: 2, by: third, voter: second, rule });
    journal.event({ kind: "shareMissing", attempt: 2, by: third });
  });
  const [found, reported, missing] = records;
  assert.deepEqual(found, {
    level: "error",
    event: "keygen.fault",
    properties: { attempt: 2, voter: second, rule, reason: "why" },
  });
  assert.deepEqual(reported, {
    level: "warning",
    event: "keygen.accused",
    properties: { attempt: 2, by: third, voter: second, rule },
  });
  assert.match(
    String(missing?.properties.advice),
    /this node's disk was lost.*or one of the others lies/,
  );
});

Deno.test("Journal lets no peer flood the log", async () => {
  const records = await recordLogs(() => {
    const journal = new Journal(() => 0);
    for (let count = 0; count < 100; count++) {
      journal.event({ kind: "messageRefused", from: second, reason: "why not" });
    }
  });
  assert.equal(records.length, LOG_RECORDS_MAX);
});

Deno.test("Journal names every culprit and every accuser, however much another does", async () => {
  const [attempt, rule, reason] = [2, "bad-signature", "why"] as const;
  const records = await recordLogs(() => {
    const journal = new Journal(() => 0);
    for (const who of [second, third]) {
      for (let count = 0; count < 100; count++) {
        journal.event({ kind: "faultFound", attempt, voter: who, rule, reason });
        // An accuser can name any voter.
        const voter = toNodeId(`anybody_${count}`);
        journal.event({ kind: "faultReported", attempt, by: who, voter, rule });
      }
    }
  });
  for (const who of [second, third]) {
    const found = records.filter(({ properties }) => properties.voter === who);
    const reported = records.filter(({ properties }) => properties.by === who);
    assert.equal(found.length, LOG_RECORDS_MAX);
    assert.equal(reported.length, LOG_RECORDS_MAX);
  }
});
