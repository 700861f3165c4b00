import assert from "node:assert/strict";
import { decodeHex, encodeHex } from "../../lib/bytes.ts";
import { parseAddress } from "../../lib/address.ts";
import {
  createPeerCard,
  formatPeerStatement,
  PeerCardError,
  readPeerCard,
  toPeerCardJson,
} from "../../lib/config/peer_card.ts";
import type { NodeIdentity } from "../../lib/keys/identity.ts";
import { toPrivateKey, toRawPublicKey } from "../../lib/native_key.ts";
import { toKeyPair } from "../../lib/transport/mod.ts";
import { toNodeId } from "../../lib/types.ts";
import { BAD_ENCODINGS } from "../frost/weak_points.ts";

function identityOf(name: string, seed: number): NodeIdentity {
  const signingKey = toPrivateKey("ed25519", new Uint8Array(32).fill(seed));
  const channelKeys = toKeyPair(toPrivateKey("x25519", new Uint8Array(32).fill(seed + 1)));
  const keys = { signingKey: toRawPublicKey(signingKey), channelKey: channelKeys.publicKey };
  return { node: toNodeId(name), keys, signingKey, channelKeys };
}

const addresses = { peer: parseAddress("alpha.example:7101"), api: parseAddress("[::1]:7201") };
const card = createPeerCard(identityOf("alpha", 1), addresses);
const json = toPeerCardJson(card);

Deno.test("readPeerCard() reads what createPeerCard() made", () => {
  assert.deepEqual(readPeerCard(JSON.parse(JSON.stringify(json)), "a"), card);
});

Deno.test("a card's statement is text that anyone can rebuild", () => {
  assert.equal(
    new TextDecoder().decode(formatPeerStatement(card)),
    `floe/peer/v1
id alpha
peer alpha.example:7101
api [::1]:7201
signing-key ${encodeHex(card.keys.signingKey)}
channel-key ${encodeHex(card.keys.channelKey)}
`,
  );
});

Deno.test("a card may say where etcd's clients find the node, and the signature covers it", () => {
  const etcd = { hostname: "alpha.example", port: 7301 };
  const withEtcd = createPeerCard(identityOf("alpha", 1), { ...addresses, etcd });
  const text = new TextDecoder().decode(formatPeerStatement(withEtcd));
  assert.match(text, /\napi .*\netcd alpha\.example:7301\nsigning-key /);
  const written = toPeerCardJson(withEtcd);
  assert.deepEqual(readPeerCard(written, "a.card"), withEtcd);
  const { etcd: _, ...without } = written;
  for (const changed of [without, { ...written, etcd: "alpha.example:7302" }]) {
    assert.throws(() => readPeerCard(changed, "a.card"), /signature does not verify/);
  }
  assert.throws(
    () => readPeerCard({ ...json, etcd: "alpha.example:7301" }, "a.card"),
    PeerCardError,
  );
});

const other = toPeerCardJson(createPeerCard(identityOf("beta", 5), addresses));
for (
  const [field, value] of [
    ["id", "beta"],
    ["peer", "alpha.example:7102"],
    ["api", "[::1]:7202"],
    ["signingKey", other.signingKey],
    ["channelKey", other.channelKey],
    ["signature", other.signature],
  ] as const
) {
  Deno.test(`readPeerCard() refuses a card whose ${field} was changed`, () => {
    assert.throws(
      () => readPeerCard({ ...json, [field]: value }, "a.card"),
      (error) =>
        error instanceof PeerCardError &&
        /^Cannot use card a\.card: its signature does not verify/.test(error.message),
    );
  });
}

Deno.test("readPeerCard() refuses the identity as a signing key, for which anybody could sign", () => {
  const forged = {
    ...json,
    signingKey: `01${"00".repeat(31)}`,
    signature: `01${"00".repeat(63)}`,
  };
  assert.throws(
    () => readPeerCard(forged, "a.card"),
    (error) =>
      error instanceof PeerCardError &&
      /card a\.card: signingKey: Cannot read element: it is the identity/.test(error.message),
  );
});

for (const [what, , encoding] of BAD_ENCODINGS) {
  if (encoding.length !== 32) continue;
  Deno.test(`readPeerCard() refuses a signing key that is ${what}, before it verifies anything`, () => {
    const wrong = { ...json, signingKey: encodeHex(encoding) };
    assert.throws(() => readPeerCard(wrong, "a"), /card a: signingKey: Cannot read element/);
  });
}

Deno.test("readPeerCard() refuses a channel key of low order", () => {
  const wrong = { ...json, channelKey: "00".repeat(32) };
  assert.throws(() => readPeerCard(wrong, "a"), /card a: channelKey: Cannot use X25519 public key/);
});

Deno.test("readPeerCard() refuses every flipped bit of a signature", () => {
  for (let bit = 0; bit < 64 * 8; bit += 5) {
    const signature = decodeHex(json.signature);
    signature[bit >> 3] = (signature[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => readPeerCard({ ...json, signature: encodeHex(signature) }, "a"));
  }
});

Deno.test("readPeerCard() names everything that is not as it should be", () => {
  const wrong = { ...json, id: "a b", peer: "nowhere", signature: "00", extra: 1 };
  assert.throws(
    () => readPeerCard(wrong, "a.card"),
    /card a\.card: id: .*; peer: "nowhere" is not host:port.*; signature: not 128 hex digits.*extra/,
  );
  for (const raw of [null, 7, "text", [], {}]) {
    assert.throws(() => readPeerCard(raw, "a"), PeerCardError);
  }
});
