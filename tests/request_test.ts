import { deepEqual, equal, match, notEqual, throws } from "node:assert/strict";
import { digestSecret } from "../lib/token_digest.ts";
import { toNodeId } from "../lib/types.ts";
import {
  drawToken,
  drawTokenId,
  formatToken,
  parseToken,
  type TokenHolder,
} from "../lib/wire/mod.ts";

const HOLDERS: readonly TokenHolder[] = [
  { kind: "token", id: "0123456789abcdef" },
  { kind: "admin", node: toNodeId("server_1") },
  { kind: "admin", node: toNodeId("a.b-c_" + "x".repeat(58)) },
  // What looks like a secret's beginning belongs to the node's name.
  { kind: "admin", node: toNodeId("_" + "A".repeat(43)) },
];

for (const holder of HOLDERS) {
  Deno.test(`parseToken() gives back ${JSON.stringify(holder)} with whatever secret`, () => {
    for (let draw = 0; draw < 100; draw++) {
      const token = drawToken(holder);
      deepEqual(parseToken(formatToken(token)), token);
    }
  });
}

Deno.test("formatToken() writes what can stand in a header and be selected by a double click", () => {
  const secret = new Uint8Array(32).fill(0xff);
  const [holder = { kind: "token", id: "" }] = HOLDERS;
  equal(formatToken({ holder, secret }), `floe_0123456789abcdef_${"_".repeat(42)}8`);
});

Deno.test("drawToken() and drawTokenId() never draw the same twice", () => {
  const [holder = { kind: "token", id: "" }] = HOLDERS;
  notEqual(formatToken(drawToken(holder)), formatToken(drawToken(holder)));
  notEqual(drawTokenId(), drawTokenId());
  match(drawTokenId(), /^[0-9a-f]{16}$/);
});

const SECRET = "A".repeat(43);
for (
  const text of [
    "",
    "floe",
    SECRET,
    `floe_${SECRET}`,
    `floe_0123456789abcde_${SECRET}`,
    `floe_0123456789ABCDEF_${SECRET}`,
    `floe_0123456789abcdef_${SECRET}A`,
    `floe_0123456789abcdef_${SECRET.slice(1)}`,
    `floe_0123456789abcdef_${SECRET.slice(1)}B`,
    `floe_0123456789abcdef_${SECRET.slice(1)}=`,
    `floe_0123456789abcdef_${SECRET.slice(1)}+`,
    `floe_0123456789abcdef_${SECRET}\n`,
    ` floe_0123456789abcdef_${SECRET}`,
    `FLOE_0123456789abcdef_${SECRET}`,
    `floe_admin._${SECRET}`,
    `floe_admin.a b_${SECRET}`,
    `floe_admin.${"x".repeat(65)}_${SECRET}`,
    `floe_admin_${SECRET}`,
  ]
) {
  Deno.test(`parseToken() refuses ${JSON.stringify(text)}, and shows nothing of it`, () => {
    throws(() => parseToken(text), (error: Error) => {
      equal(error.name, "InputError");
      equal(/[A]{6}/.test(error.message), false);
      return true;
    });
  });
}

Deno.test("digestSecret() is SHA-256", () => {
  equal(
    digestSecret(new Uint8Array(32)).toHex(),
    "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925",
  );
});
