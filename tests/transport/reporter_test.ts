import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { FrameError } from "../../lib/transport/frame.ts";
import { HelloError } from "../../lib/transport/hello.ts";
import { MessageError } from "../../lib/transport/message_codec.ts";
import { LOG_RECORDS_MAX, Reporter, type TransportRefusal } from "../../lib/transport/reporter.ts";
import { ALPHA, BETA } from "./harness.ts";

/** The records that `work` leaves in the transport's log. */
async function recordsOf(work: () => void): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { records: (record) => void records.push(record) },
    loggers: [
      { category: ["floe", "transport"], sinks: ["records"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  try {
    work();
  } finally {
    await reset();
  }
  return records;
}

Deno.test("Reporter logs changes of state under stable names", async () => {
  const records = await recordsOf(() => {
    const reporter = new Reporter({});
    reporter.peerConnected(BETA);
    reporter.peerDisconnected(BETA, { reason: "failed", error: new FrameError("broken") });
  });
  assert.deepEqual(records.map(({ rawMessage, properties }) => [rawMessage, properties]), [
    ["peer.connected", { peer: BETA }],
    ["peer.disconnected", { peer: BETA, reason: "failed", error: "broken" }],
  ]);
});

Deno.test("Reporter tells refusals apart by what was refused", () => {
  const refusals: TransportRefusal[] = [];
  const reporter = new Reporter({ onRefused: (refusal) => void refusals.push(refusal) });
  reporter.refused(new FrameError("frame"), BETA);
  reporter.refused(new MessageError("message"), ALPHA);
  reporter.refused(new HelloError("malformed", "hello"), null);
  assert.deepEqual(refusals.map(({ what, peer }) => [what, peer]), [
    ["frame", BETA],
    ["message", ALPHA],
    ["hello", null],
  ]);
  const { counts: counters } = reporter;
  for (const what of ["frame", "message", "hello"] as const) {
    assert.equal(counters[`${what}.refused`], 1);
  }
});

Deno.test("Reporter counts all refusals and logs only so many", async () => {
  const reporter = new Reporter({});
  const records = await recordsOf(() => {
    for (let refused = 0; refused < 1000; refused++) reporter.refused(new FrameError("x"), null);
  });
  assert.equal(records.length, LOG_RECORDS_MAX);
  assert.equal(reporter.counts["frame.refused"], 1000);
});

Deno.test("Reporter leaves no record of messages to a peer that is not connected", async () => {
  const reporter = new Reporter({});
  const records = await recordsOf(() => {
    reporter.dropped(BETA, { reason: "notConnected", messages: 3 });
    reporter.dropped(BETA, { reason: "queueFull", messages: 2 });
  });
  assert.equal(reporter.counts["message.dropped"], 5);
  assert.deepEqual(records.map(({ rawMessage, properties }) => [rawMessage, properties]), [
    ["message.dropped", { peer: BETA, reason: "queueFull", messages: 2, suppressed: 0 }],
  ]);
});
