import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { WORK_PER_TURN_MAX } from "../../lib/transport/fair_share.ts";
import { KEYGEN_WORK, workOf } from "../../lib/transport/transport.ts";
import { drawMessage } from "../fuzz/messages.ts";
import { Random } from "../simulator/random.ts";
import { ALPHA, appendOf, BETA, readIndexRequest } from "./harness.ts";

const SURROUNDINGS = {
  from: ALPHA,
  to: BETA,
  voters: [ALPHA, BETA],
  near: [1],
  notes: ["note"],
  proofs: [],
  commitments: [new Uint8Array(64)],
  commands: [new Uint8Array(3)],
};

/** Many messages of every kind. */
const MESSAGES: readonly Message[] = Array.from(
  { length: 500 },
  (_, at) => drawMessage(new Random(`work/${at}`), SURROUNDINGS),
);

Deno.test("workOf() counts a small message once, and every kind at all", () => {
  assert.equal(workOf(readIndexRequest(ALPHA, BETA, 1)), 1);
  assert.equal(new Set(MESSAGES.map(({ kind }) => kind)).size, 18);
  for (const message of MESSAGES) assert.ok(workOf(message) >= 1, message.kind);
});

Deno.test("workOf() lets whatever makes a voter sign or check points fill a turn", () => {
  for (const message of MESSAGES) {
    if (/vote/i.test(message.kind)) assert.ok(workOf(message) >= WORK_PER_TURN_MAX, message.kind);
  }
  assert.ok(KEYGEN_WORK >= WORK_PER_TURN_MAX);
});

Deno.test("workOf() counts entries, proposals and outcomes one by one, and a note's signature", () => {
  const append = appendOf(10, ALPHA, BETA);
  assert.ok(append.kind === "appendRequest");
  assert.equal(workOf(append), 2);
  assert.equal(workOf({ ...append, entries: new Array(1000).fill(append.entries[0]) }), 1001);
  assert.ok(workOf({ ...append, certificate: "note" }) > workOf(append));
  for (const message of MESSAGES) {
    if (message.kind === "proposeRequest") {
      assert.equal(workOf(message), 1 + message.proposals.length);
    }
    if (message.kind === "proposeResponse") {
      assert.equal(workOf(message), 1 + message.outcomes.length);
    }
  }
});
