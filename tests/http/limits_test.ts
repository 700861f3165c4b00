import { equal, rejects, throws } from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { RequestGate } from "../../lib/http/connections.ts";
import { declaredLength, readBody } from "../../lib/http/parameters.ts";
import { Problem } from "../../lib/http/problem.ts";

const tooLarge = () => new Problem("value_too_large", "too large");

function put(body: BodyInit | null, headers: Record<string, string> = {}): Request {
  return new Request("http://floe/v1/kv/a", { method: "PUT", body, headers });
}

Deno.test("readBody() gives up on a body that does not arrive", async () => {
  const body = new ReadableStream({ pull: () => new Promise<void>(() => {}) });
  await rejects(readBody(put(body), { bytesMax: 8, tooLarge, timeoutMs: 1 }), {
    code: "body_timeout",
    message: "The body did not arrive within 1 ms",
  });
});

Deno.test("readBody() does not trust a declared length that is too small", async () => {
  const request = put(new Uint8Array(9), { "content-length": "1" });
  await rejects(readBody(request, { bytesMax: 8, tooLarge }), { code: "value_too_large" });
});

Deno.test("declaredLength() takes only a plain number for a length", () => {
  equal(declaredLength(put("abc", { "content-length": "3" })), 3);
  equal(declaredLength(put(null)), 0);
  for (const text of ["", "-1", "1e3", "0x10", "9".repeat(16), "1, 1"]) {
    equal(declaredLength(put("abc", { "content-length": text })), null);
  }
});

Deno.test("RequestGate refuses the request and the byte above its limits", () => {
  const gate = new RequestGate({ requestsMax: 2, bodyBytesMax: 10 });
  gate.enter(6);
  throws(() => gate.enter(5), { code: "overloaded", message: /5 bytes on top of 6 .* above 10/ });
  gate.enter(4);
  throws(() => gate.enter(0), { code: "overloaded", message: /2 are under way/ });
  gate.leave(6);
  gate.enter(6);
});

Deno.test("RequestGate stops the process rather than count below zero", () => {
  throws(() => new RequestGate().leave(0), InvariantError);
});
