import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { createCertifier, verifyCertificate } from "../../lib/certificate/mod.ts";
import {
  type DurableKeyGeneration,
  hashConfiguration,
  KeyGeneration,
  type Message,
  newDurableKeyGeneration,
} from "../../lib/keygen/mod.ts";
import { toClusterName } from "../../lib/types.ts";
import { nodeId } from "../certificate/cluster.ts";
import { certify } from "../certificate/election.ts";
import { createFounders } from "../certificate/founders.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { TestKeygen, type TestNode } from "./harness.ts";

for (const [threshold, size] of [[2, 2], [2, 3], [3, 3], [3, 4], [3, 5]] as const) {
  Deno.test(`${threshold} of ${size} nodes make one key in one attempt, without a tick`, () => {
    const cluster = new TestKeygen(threshold, size);
    cluster.start();
    cluster.deliver();
    cluster.assertOneKey();
    for (const node of cluster.nodes.values()) {
      assert.deepEqual(node.events.map(({ kind }) => kind), [
        "attemptStarted",
        "shareMade",
        "signed",
        "finished",
      ]);
      assert.equal(node.disk.attempt, 1);
    }
  });
}

Deno.test("the shares of a key generation elect a leader, and anybody can verify it", () => {
  const cluster = new TestKeygen(3, 5);
  cluster.start();
  cluster.deliver();
  const certifiers = [...cluster.nodes.values()].map(({ id: self, key }) => {
    const { genesis: group, secret: share } = assertDefined(key, "no key");
    return createCertifier({ group, self, share, randomBytes: seededBytes(1) });
  });
  const note = certify(certifiers, [0, 2, 4]);
  const { genesis } = assertDefined(cluster.node(2).key, "no key");
  assert.equal(verifyCertificate(note, genesis).leader, nodeId(1));
});

Deno.test("the same inputs and randomness give the same key, other randomness another", () => {
  const keyOf = (seed: number) => {
    const cluster = new TestKeygen(2, 3, seed);
    cluster.start();
    cluster.deliver();
    return assertDefined(cluster.node(1).key, "no key").genesis.note;
  };
  assert.equal(keyOf(1), keyOf(1));
  assert.notEqual(keyOf(1), keyOf(2));
});

Deno.test("nodes that come up one after the other make the key when the last is connected", () => {
  const cluster = new TestKeygen(2, 3);
  for (const number of [1, 2]) cluster.node(number).step([]);
  cluster.network = [];
  cluster.node(3).step([]);
  cluster.network = [];
  for (const node of cluster.nodes.values()) {
    for (const peer of cluster.ids) {
      if (peer !== node.id) node.step([{ kind: "connected", peer }]);
    }
  }
  cluster.deliver();
  cluster.assertOneKey();
  assert.equal(cluster.node(1).disk.attempt, 1);
});

Deno.test("what was lost is sent again, and only after a while", () => {
  const cluster = new TestKeygen(2, 3);
  cluster.start();
  cluster.network = [];
  cluster.tick(4);
  assert.ok(!cluster.isFinished);
  cluster.tick(30);
  cluster.assertOneKey();
});

Deno.test("a node that missed all signatures finishes from the certificate", () => {
  const cluster = new TestKeygen(2, 3);
  const straggler = cluster.node(3);
  cluster.intercept = (message) =>
    message.to === straggler.id && message.kind === "signed" ? null : message;
  cluster.start();
  cluster.deliver();
  assert.equal(straggler.key, null);
  assert.equal(straggler.keyGeneration.status.phase, "signed");
  cluster.tick(5);
  cluster.assertOneKey();
});

Deno.test("a node that was down when the others finished signs nothing new, and finishes with them", () => {
  const cluster = new TestKeygen(2, 3);
  cluster.crashPlan = (node) =>
    node.id === nodeId(3) && node.disk.share?.signed === true ? "afterStep" : null;
  cluster.start();
  cluster.deliver();
  cluster.tick(10);
  cluster.recover();
  cluster.assertOneKey();
});

Deno.test("a restarted node that has its key hands it over again, and sends nothing", () => {
  const cluster = new TestKeygen(2, 3);
  cluster.start();
  cluster.deliver();
  const node = cluster.node(1);
  const before = assertDefined(node.key, "no key");
  node.key = null;
  node.crash();
  node.restart();
  assert.deepEqual(node.key, before);
  cluster.tick(20);
  assert.deepEqual(cluster.network, []);
});

Deno.test("a finished node answers each peer once a tick, with the certificate and nothing else", () => {
  const cluster = new TestKeygen(2, 3);
  const asking: Message[] = [];
  cluster.intercept = (message) => {
    if (message.to === nodeId(1)) asking.push(message);
    return message;
  };
  cluster.start();
  cluster.deliver();
  const node = cluster.node(1);
  node.step(asking.map((message) => ({ kind: "message", message })));
  assert.deepEqual(cluster.network.map(({ kind, to }) => `${kind} ${to}`), [
    "genesis server_2",
    "genesis server_3",
  ]);
});

Deno.test("a node that lost its disk says so when it learns of the key, and does not begin another", () => {
  const cluster = new TestKeygen(2, 3);
  cluster.start();
  cluster.deliver();
  const node = cluster.node(3);
  node.crash();
  node.key = null;
  node.disk = newDurableKeyGeneration(cluster.founders.roster);
  node.restart();
  cluster.deliver();
  cluster.tick(20);
  assert.equal(node.eventsOf("shareLost").length, 1);
  assert.equal(node.keyGeneration.status.phase, "shareLost");
  assert.equal(node.disk.attempt, 1);
  assert.equal(node.key, null);
});

Deno.test("a node whose disk was put back to an earlier attempt does not take its share for the key's", () => {
  const cluster = new TestKeygen(2, 3);
  cluster.intercept = (message) => message.kind === "ready" ? null : message;
  cluster.start();
  cluster.deliver();
  const node = cluster.node(3);
  const before = structuredClone(node.disk);
  assert.equal(before.share?.attempt, 1);
  cluster.node(1).crash();
  cluster.intercept = (message) => message;
  cluster.recover();
  cluster.assertOneKey();
  assert.equal(node.disk.share?.attempt, 2);
  node.crash();
  node.key = null;
  node.disk = before;
  node.restart();
  cluster.tick(20);
  assert.equal(node.keyGeneration.status.phase, "shareLost");
  assert.equal(node.key, null);
  assert.equal(node.disk.genesis, null);
});

Deno.test("a node that lost its disk before the key was made learns that others have signed", () => {
  const cluster = new TestKeygen(2, 3);
  cluster.intercept = (message) => message.kind === "signed" ? null : message;
  cluster.start();
  cluster.deliver();
  const node = cluster.node(3);
  node.crash();
  node.disk = newDurableKeyGeneration(cluster.founders.roster);
  node.restart();
  cluster.intercept = (message) => message;
  cluster.tick(5);
  assert.ok(
    node.eventsOf("shareMissing").some(({ attempt, by }) => attempt === 1 && by === nodeId(1)),
  );
  assert.deepEqual(cluster.node(1).keyGeneration.status.waitingFor, [nodeId(3)]);
});

Deno.test("a peer with another configuration is named once, and is no part of it", () => {
  const cluster = new TestKeygen(2, 3);
  const other = { ...cluster.founders.roster, cluster: toClusterName("floe-other") };
  cluster.intercept = (message) =>
    message.from === nodeId(3) ? { ...message, configuration: hashConfiguration(other) } : message;
  cluster.start();
  cluster.deliver();
  cluster.tick(10);
  const { events, keyGeneration: { status } } = cluster.node(1);
  assert.equal(events.filter(({ kind }) => kind === "configurationDiffers").length, 1);
  assert.deepEqual(status.peers.map(({ configuration }) => configuration), ["equal", "different"]);
  assert.deepEqual(status.waitingFor, [nodeId(3)]);
  assert.ok(!cluster.isFinished);
  cluster.intercept = (message) => message;
  cluster.recover();
  cluster.assertOneKey();
});

Deno.test("status tells each peer's progress, round by round", () => {
  const cluster = new TestKeygen(2, 3);
  const node = cluster.node(1);
  const seen = new Set<string>();
  cluster.intercept = (message) => {
    const { phase, peers } = node.keyGeneration.status;
    const [peer] = peers;
    assert.ok(peer);
    const rounds = [peer.roundOne, peer.roundTwo, peer.ready, peer.signed];
    // No round is reached before the one before it.
    assert.deepEqual(rounds, rounds.toSorted().reverse());
    seen.add(`${phase} ${peer.configuration} ${rounds.filter(Boolean).length}`);
    return message;
  };
  cluster.start();
  cluster.deliver();
  assert.deepEqual(
    [...seen],
    [
      "roundOne unknown 0",
      "roundOne equal 0",
      "roundOne equal 1",
      "roundTwo equal 1",
      "roundTwo equal 2",
      "ready equal 2",
      "ready equal 3",
      "signed equal 3",
      "signed equal 4",
      "finished equal 4",
    ].filter((line) => seen.has(line)),
  );
  assert.ok(seen.size >= 6);
});

for (
  const [what, change] of [
    ["for somebody else", { to: nodeId(2) }],
    ["from itself", { from: nodeId(1) }],
    ["from a stranger", { from: nodeId(9) }],
    ["of attempt 0", { attempt: 0 }],
    ["of half an attempt", { attempt: 1.5 }],
    ["of no attempt", { attempt: NaN }],
    ["of attempt 1,000,001", { attempt: 1_000_001 }],
  ] as const
) {
  Deno.test(`a message ${what} is refused, and changes nothing`, () => {
    const { node, message } = createListener();
    const before = structuredClone(node.disk);
    node.step([{ kind: "message", message: { ...message, ...change } }]);
    assert.equal(node.eventsOf("messageRefused").length, 1);
    assert.deepEqual(node.disk, before);
    assert.ok(
      node.keyGeneration.status.peers.every(({ configuration }) => configuration === "unknown"),
    );
  });
}

Deno.test("a genesis certificate that is none, or another roster's, is refused", () => {
  const { node, message } = createListener();
  const other = new TestKeygen(3, 3);
  other.start();
  other.deliver();
  const { note } = assertDefined(other.node(1).key, "no key").genesis;
  const { from, to, configuration, attempt } = message;
  for (const wrong of ["", "x", note, note.slice(1)]) {
    const genesis = { from, to, configuration, attempt, kind: "genesis", note: wrong } as const;
    node.step([{ kind: "message", message: genesis }]);
  }
  assert.equal(node.eventsOf("messageRefused").length, 4);
  assert.equal(node.keyGeneration.status.phase, "roundOne");
});

Deno.test("a message that comes before its predecessor is left aside, and accuses nobody", () => {
  const { cluster, node } = createListener();
  const later: Message[] = [];
  cluster.intercept = (message) => {
    if (message.to !== node.id) return message;
    later.push(message);
    return message.kind === "hash" ? null : message;
  };
  cluster.deliver();
  cluster.tick(10);
  assert.deepEqual(node.eventsOf("faultFound"), []);
  assert.equal(node.keyGeneration.status.phase, "roundOne");
  assert.ok(later.length > 0);
});

Deno.test("a peer in an attempt far above is followed in strides", () => {
  const { node, message } = createListener();
  const abort = (attempt: number): Message => {
    const { from, to, configuration } = message;
    return { from, to, configuration, attempt, kind: "abort", voter: null, rule: "bad-share" };
  };
  node.step([{ kind: "tick" }, { kind: "message", message: abort(1_000_000) }]);
  assert.equal(node.disk.attempt, 1_001);
  node.step([{ kind: "message", message: abort(1_000_000) }]);
  assert.equal(node.disk.attempt, 1_001, "not before its time");
  node.step([{ kind: "tick" }, { kind: "tick" }, { kind: "tick" }]);
  assert.equal(node.disk.attempt, 2_001);
});

Deno.test("after the last attempt there is none, and the status says so", () => {
  const { founders } = new TestKeygen(2, 3);
  const durable = { ...newDurableKeyGeneration(founders.roster), attempt: 1_000_000 };
  const keyGeneration = create(durable);
  const output = keyGeneration.step([{ kind: "tick" }]);
  assert.deepEqual([output.persist, output.send], [null, []]);
  assert.equal(keyGeneration.status.phase, "exhausted");
});

Deno.test("an identity key that is not the roster's stops the node at once", () => {
  const other = createFounders(2, 3, 7).signers.get(nodeId(1));
  const durable = newDurableKeyGeneration(createFounders(2, 3).roster);
  const keyGeneration = create(durable, { sign: assertDefined(other, "no signer") });
  assert.throws(() => keyGeneration.step([]), { name: "InvariantError" });
});

Deno.test("no secret is in any event, status or public message, and erase() leaves none", () => {
  const cluster = new TestKeygen(2, 3);
  const said: string[] = [];
  cluster.intercept = (message) => {
    if (message.kind !== "share") said.push(toText(message));
    return message;
  };
  cluster.start();
  cluster.deliver();
  for (const { key, events, keyGeneration } of cluster.nodes.values()) {
    const secret = assertDefined(key, "no key").secret.toHex();
    for (const text of [...said, toText(events), toText(keyGeneration.status)]) {
      assert.ok(!text.includes(secret));
    }
    keyGeneration.erase();
    const { persist } = keyGeneration.step([]);
    assert.equal(persist, null);
  }
});

/** A node that has begun, and a message to it that it has not received. */
function createListener(): { cluster: TestKeygen; node: TestNode; message: Message } {
  const cluster = new TestKeygen(2, 3);
  cluster.start();
  const message = cluster.network.find(({ from, to }) => from === nodeId(2) && to === nodeId(1));
  return { cluster, node: cluster.node(1), message: assertDefined(message, "no message") };
}

/** server_1 of three, on a disk of one's choice. */
function create(
  durable: DurableKeyGeneration,
  change: Partial<ReturnType<TestKeygen["configOf"]>> = {},
): KeyGeneration {
  const config = new TestKeygen(2, 3).configOf(nodeId(1), 1);
  return new KeyGeneration({ ...config, ...change }, durable);
}

function toText(value: unknown): string {
  return JSON.stringify(
    value,
    (_, part) => part instanceof Uint8Array ? part.toHex() : part,
  );
}
