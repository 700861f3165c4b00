import fc from "fast-check";
import assert from "node:assert/strict";
import { encodeLeaseMessage, isLeasePayload } from "../../lib/transport/lease_codec.ts";
import { decodeMessage, MessageError } from "../../lib/transport/message_codec.ts";
import {
  decodeViewMessage,
  encodeViewMessage,
  isViewPayload,
  VIEW_BYTES_MAX,
  type ViewMessage,
} from "../../lib/transport/view_codec.ts";
import { ALPHA, BETA } from "./harness.ts";

const route = { from: ALPHA, to: BETA };
const messages: fc.Arbitrary<ViewMessage> = fc.oneof(
  fc.constant({ ...route, kind: "viewRequest" as const }),
  fc.uint8Array({ maxLength: 300 }).map((view) => ({
    ...route,
    kind: "viewResponse" as const,
    view,
  })),
);

Deno.test("decodeViewMessage() reads what encodeViewMessage() wrote", () => {
  fc.assert(fc.property(messages, (message) => {
    const payload = encodeViewMessage(message).slice();
    assert.ok(isViewPayload(payload));
    const read = decodeViewMessage(payload, route);
    const copy = read.kind === "viewResponse" ? { ...read, view: read.view.slice() } : read;
    assert.deepEqual(copy, message);
  }));
});

Deno.test("messages about views are told apart from all others", () => {
  fc.assert(fc.property(messages, (message) => {
    const payload = encodeViewMessage(message).slice();
    assert.ok(!isLeasePayload(payload));
    assert.throws(() => decodeMessage(payload, route), MessageError);
  }));
  const question = { ...route, incarnation: 1, requestId: 1, id: 1, isKeptAlive: true };
  assert.ok(!isViewPayload(encodeLeaseMessage({ ...question, kind: "leaseRequest" })));
  assert.ok(!isViewPayload(new Uint8Array()));
});

Deno.test("decodeViewMessage() refuses what is cut off, too long, or not finished", () => {
  const view = Uint8Array.from({ length: 40 }, (_, at) => at);
  const payload = encodeViewMessage({ ...route, kind: "viewResponse", view }).slice();
  for (let length = 1; length < payload.length; length++) {
    assert.throws(() => decodeViewMessage(payload.subarray(0, length), route), MessageError);
  }
  const trailed = new Uint8Array([...payload, 0]);
  assert.throws(() => decodeViewMessage(trailed, route), MessageError);
  const tooLong = new Uint8Array(VIEW_BYTES_MAX + 1);
  assert.throws(
    () => encodeViewMessage({ ...route, kind: "viewResponse", view: tooLong }),
    MessageError,
  );
});
