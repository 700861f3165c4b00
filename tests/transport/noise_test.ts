import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { concatBytes, decodeHex, encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { toPrivateKey } from "../../lib/native_key.ts";
import {
  FIRST_MESSAGE_BYTES,
  NoiseInitiator,
  type NoiseKeys,
  type NoiseOptions,
  NoiseResponder,
  SECOND_MESSAGE_BYTES,
} from "../../lib/transport/noise.ts";
import {
  type CipherState,
  generateKeyPair,
  type KeyPair,
  NoiseError,
  type NoiseRefusal,
  toKeyPair,
} from "../../lib/transport/noise_primitives.ts";

/**
 * The published vector of Noise_IK_25519_ChaChaPoly_SHA256 (in the form of the Noise wiki, as cacophony
 * and snow publish it): keys and payloads in, every message and the handshake hash out.
 */
const VECTOR = {
  prologue: "4a6f686e2047616c74",
  initiatorStatic: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
  initiatorEphemeral: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
  responderStatic: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
  responderStaticPublic: "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
  responderEphemeral: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
  handshakeHash: "0b0f68fb0c27e03ce9b97565995ed4838cc0581b762ef72b062f6a546419fad7",
  messages: [
    [
      "4c756477696720766f6e204d69736573",
      "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944718da798efbcd91528520204f904b9bd" +
      "6c7413dccdc214d951e15253e39987f18146e8cd0873654207148333479d4d16c289f0294b29960a72f48e0b7bba2e89" +
      "083169825e59642148d492020664ccf7",
    ],
    [
      "4d757272617920526f746862617264",
      "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088435361e70b2ed446e6c9ec387d1d6b3b84" +
      "0f194e373979d241b203c4acafccf5",
    ],
    ["462e20412e20486179656b", "050e9f3c8fac16b68dbce8f8c4bfbf6617c897f9ada4aa29aa19c8"],
    ["4361726c204d656e676572", "344233a6cabb7141d80f3da2fedc311d9646bbb0f505afe403a667"],
    [
      "4a65616e2d426170746973746520536179",
      "62cdeeb172ad7ade7aa7d9e069da5790f12331bfa00177787a1d0810c67dc3b2b4",
    ],
    [
      "457567656e2042f6686d20766f6e2042617765726b",
      "029bead1b40992327044d409d9a1f3ad8f36c3c452775d557e18bbeb2e8dfcead32d514024",
    ],
  ] as const,
};

const PROLOGUE = encodeUtf8("prologue");
const PAYLOAD = encodeUtf8("payload");

function keyPair(privateKey: string): KeyPair {
  return toKeyPair(toPrivateKey("x25519", decodeHex(privateKey)));
}

interface Pair {
  readonly initiator: NoiseOptions;
  readonly responder: NoiseOptions;
}

function strangers(): Pair {
  const [initiator, responder] = [generateKeyPair(), generateKeyPair()];
  return {
    initiator: {
      prologue: PROLOGUE,
      staticKeys: initiator,
      ephemeralKeys: generateKeyPair(),
      remoteStaticKey: responder.publicKey,
    },
    responder: {
      prologue: PROLOGUE,
      staticKeys: responder,
      ephemeralKeys: generateKeyPair(),
      remoteStaticKey: initiator.publicKey,
    },
  };
}

function shake({ initiator, responder }: Pair): readonly [NoiseKeys, NoiseKeys] {
  const [first, second] = [new NoiseInitiator(initiator), new NoiseResponder(responder)];
  assert.deepEqual(new Uint8Array(second.readFirst(first.writeFirst(PAYLOAD))), PAYLOAD);
  const answer = second.writeSecond(PAYLOAD);
  const keys = first.readSecond(answer.message);
  assert.deepEqual(new Uint8Array(keys.payload), PAYLOAD);
  return [keys, answer];
}

function encrypt(state: CipherState, plaintext: Uint8Array): Uint8Array {
  const { ciphertext, tag } = state.encrypt(plaintext);
  return concatBytes(ciphertext, tag);
}

function refuses(refusal: NoiseRefusal): (error: unknown) => boolean {
  return (error) => error instanceof NoiseError && error.refusal === refusal;
}

Deno.test("NoiseInitiator and NoiseResponder write the published vector's every byte", () => {
  const prologue = decodeHex(VECTOR.prologue);
  const staticKeys = keyPair(VECTOR.initiatorStatic);
  using initiator = new NoiseInitiator({
    prologue,
    staticKeys,
    ephemeralKeys: keyPair(VECTOR.initiatorEphemeral),
    remoteStaticKey: decodeHex(VECTOR.responderStaticPublic),
  });
  using responder = new NoiseResponder({
    prologue,
    staticKeys: keyPair(VECTOR.responderStatic),
    ephemeralKeys: keyPair(VECTOR.responderEphemeral),
    remoteStaticKey: staticKeys.publicKey,
  });
  const [[payload1, message1], [payload2, message2], ...transport] = VECTOR.messages;

  const first = initiator.writeFirst(decodeHex(payload1));
  assert.equal(encodeHex(first), message1);
  assert.equal(encodeHex(responder.readFirst(first)), payload1);
  const second = responder.writeSecond(decodeHex(payload2));
  assert.equal(encodeHex(second.message), message2);
  const keys = initiator.readSecond(second.message);
  assert.equal(encodeHex(keys.payload), payload2);
  assert.equal(encodeHex(keys.handshakeHash), VECTOR.handshakeHash);
  assert.deepEqual(keys.handshakeHash, second.handshakeHash);

  for (const [turn, [payload, message]] of transport.entries()) {
    const [from, to] = turn % 2 === 0 ? [keys, second] : [second, keys];
    assert.equal(encodeHex(encrypt(from.send, decodeHex(payload))), message);
    assert.equal(encodeHex(to.receive.decrypt(decodeHex(message))), payload);
  }
});

Deno.test("a handshake adds so many bytes to its payloads", () => {
  const { initiator, responder } = strangers();
  const [first, second] = [new NoiseInitiator(initiator), new NoiseResponder(responder)];
  const message = first.writeFirst(PAYLOAD);
  assert.equal(message.length, FIRST_MESSAGE_BYTES + PAYLOAD.length);
  second.readFirst(message);
  const answer = second.writeSecond(PAYLOAD);
  assert.equal(answer.message.length, SECOND_MESSAGE_BYTES + PAYLOAD.length);
});

Deno.test("a side does not take its own words for the other's", () => {
  for (const keys of shake(strangers())) {
    assert.throws(() => keys.receive.decrypt(encrypt(keys.send, PAYLOAD)), refuses("notAuthentic"));
  }
});

Deno.test("two handshakes of the same nodes have nothing in common", () => {
  const pair = strangers();
  const [one] = shake(pair);
  const fresh = { ephemeralKeys: generateKeyPair() };
  const [other] = shake({ ...pair, initiator: { ...pair.initiator, ...fresh } });
  assert.notDeepEqual(one.handshakeHash, other.handshakeHash);
  assert.throws(
    () => other.receive.decrypt(encrypt(one.send, PAYLOAD)),
    refuses("notAuthentic"),
  );
});

Deno.test("readFirst() refuses a stranger, who knows the responder's key", () => {
  const { initiator, responder } = strangers();
  const stranger = new NoiseInitiator({ ...initiator, staticKeys: generateKeyPair() });
  assert.throws(
    () => new NoiseResponder(responder).readFirst(stranger.writeFirst(PAYLOAD)),
    refuses("wrongKey"),
  );
});

Deno.test("readFirst() refuses one that claims a public key whose private key it has not", () => {
  const { initiator, responder } = strangers();
  const staticKeys = { ...generateKeyPair(), publicKey: initiator.staticKeys.publicKey };
  const impostor = new NoiseInitiator({ ...initiator, staticKeys });
  assert.throws(
    () => new NoiseResponder(responder).readFirst(impostor.writeFirst(PAYLOAD)),
    refuses("notAuthentic"),
  );
});

Deno.test("readFirst() refuses a handshake that was meant for another node", () => {
  const { initiator, responder } = strangers();
  const meant = { ...initiator, remoteStaticKey: generateKeyPair().publicKey };
  assert.throws(
    () => new NoiseResponder(responder).readFirst(new NoiseInitiator(meant).writeFirst(PAYLOAD)),
    refuses("notAuthentic"),
  );
});

Deno.test("readFirst() refuses another prologue", () => {
  const { initiator, responder } = strangers();
  const other = { ...initiator, prologue: encodeUtf8("prologue2") };
  assert.throws(
    () => new NoiseResponder(responder).readFirst(new NoiseInitiator(other).writeFirst(PAYLOAD)),
    refuses("notAuthentic"),
  );
});

Deno.test("readSecond() refuses an answer by another node than the one dialed", () => {
  const { initiator, responder } = strangers();
  const first = new NoiseInitiator(initiator);
  const message = first.writeFirst(PAYLOAD);
  const genuine = new NoiseResponder(responder);
  genuine.readFirst(message);
  // It has heard everything, and holds another key than the one that the initiator relies on.
  const other = strangers();
  const second = new NoiseResponder(other.responder);
  second.readFirst(new NoiseInitiator(other.initiator).writeFirst(PAYLOAD));
  assert.throws(
    () => first.readSecond(second.writeSecond(PAYLOAD).message),
    refuses("notAuthentic"),
  );
});

Deno.test("readSecond() refuses the answer to another handshake of the same two nodes", () => {
  const pair = strangers();
  const earlier = new NoiseResponder(pair.responder);
  earlier.readFirst(new NoiseInitiator(pair.initiator).writeFirst(PAYLOAD));
  const recorded = earlier.writeSecond(PAYLOAD).message;
  const again = new NoiseInitiator({ ...pair.initiator, ephemeralKeys: generateKeyPair() });
  again.writeFirst(PAYLOAD);
  assert.throws(() => again.readSecond(recorded), refuses("notAuthentic"));
});

Deno.test("a replayed first message leads to keys that only the initiator could use", () => {
  const pair = strangers();
  const first = new NoiseInitiator(pair.initiator);
  const message = first.writeFirst(PAYLOAD);
  const original = new NoiseResponder(pair.responder);
  original.readFirst(message);
  const keys = first.readSecond(original.writeSecond(PAYLOAD).message);
  const recorded = encrypt(keys.send, PAYLOAD);

  const replayed = new NoiseResponder({ ...pair.responder, ephemeralKeys: generateKeyPair() });
  replayed.readFirst(message);
  const { receive } = replayed.writeSecond(PAYLOAD);
  assert.throws(() => receive.decrypt(recorded), refuses("notAuthentic"));
});

Deno.test("readFirst() and readSecond() refuse every truncation", () => {
  const pair = strangers();
  const first = new NoiseInitiator(pair.initiator);
  const message = first.writeFirst(PAYLOAD);
  for (let length = 0; length < message.length; length++) {
    const second = new NoiseResponder(pair.responder);
    assert.throws(() => second.readFirst(message.subarray(0, length)), NoiseError);
  }
  const second = new NoiseResponder(pair.responder);
  second.readFirst(message);
  const answer = second.writeSecond(PAYLOAD).message;
  for (let length = 0; length < answer.length; length++) {
    const reader = new NoiseInitiator(pair.initiator);
    reader.writeFirst(PAYLOAD);
    assert.throws(() => reader.readSecond(answer.subarray(0, length)), NoiseError);
  }
});

Deno.test("readFirst() and readSecond() refuse every flipped bit, and a byte too many", () => {
  const pair = strangers();
  const message = new NoiseInitiator(pair.initiator).writeFirst(PAYLOAD);
  const second = new NoiseResponder(pair.responder);
  second.readFirst(message);
  const answer = second.writeSecond(PAYLOAD).message;
  const readers = [
    [message, (bytes: Uint8Array) => new NoiseResponder(pair.responder).readFirst(bytes)],
    [answer, (bytes: Uint8Array) => {
      const reader = new NoiseInitiator(pair.initiator);
      reader.writeFirst(PAYLOAD);
      return reader.readSecond(bytes);
    }],
  ] as const;
  for (const [genuine, read] of readers) {
    for (let bit = 0; bit < genuine.length * 8; bit++) {
      const flipped = genuine.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.throws(() => read(flipped), NoiseError, `bit ${bit}`);
    }
    assert.throws(() => read(concatBytes(genuine, new Uint8Array(1))), NoiseError);
  }
});

Deno.test("readFirst() refuses an ephemeral key of low order", () => {
  const { responder } = strangers();
  const message = new Uint8Array(FIRST_MESSAGE_BYTES);
  assert.throws(() => new NoiseResponder(responder).readFirst(message), refuses("weakKey"));
});

Deno.test("a handshake's steps come once and in order", () => {
  const pair = strangers();
  const first = new NoiseInitiator(pair.initiator);
  assert.throws(() => first.readSecond(new Uint8Array(99)), InvariantError);
  const message = first.writeFirst(PAYLOAD);
  assert.throws(() => first.writeFirst(PAYLOAD), InvariantError);

  const second = new NoiseResponder(pair.responder);
  assert.throws(() => second.writeSecond(PAYLOAD), InvariantError);
  assert.throws(() => second.readFirst(message.slice(1)), NoiseError);
  assert.throws(() => second.readFirst(message), InvariantError);
  assert.throws(() => second.writeSecond(PAYLOAD), InvariantError);
});

Deno.test("a handshake that was disposed of takes no further step", () => {
  const pair = strangers();
  const first = new NoiseInitiator(pair.initiator);
  first.writeFirst(PAYLOAD);
  first[Symbol.dispose]();
  assert.throws(() => first.readSecond(new Uint8Array(99)), InvariantError);
  const second = new NoiseResponder(pair.responder);
  second[Symbol.dispose]();
  assert.throws(() => second.readFirst(new Uint8Array(99)), InvariantError);
});

Deno.test("the keys of a handshake outlive it", () => {
  const pair = strangers();
  const keys = shake(pair);
  for (const [from, to] of [keys, keys.toReversed()] as [NoiseKeys, NoiseKeys][]) {
    assert.deepEqual(new Uint8Array(to.receive.decrypt(encrypt(from.send, PAYLOAD))), PAYLOAD);
  }
});
