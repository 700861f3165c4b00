import { fingerprintOf } from "../../../lib/config/mod.ts";
import assert from "node:assert/strict";
import type { KeyGenerationPhase, KeyGenerationStatus } from "../../../lib/keygen/mod.ts";
import {
  type AwaitedStep,
  type PeerView,
  toFinalReport,
  toReport,
} from "../../../lib/node/key_generation/report.ts";
import { MemoryCluster } from "./memory_cluster.ts";

const { config, three: [self, second, third] } = new MemoryCluster(3);
const NOTHING = { roundOne: false, roundTwo: false, ready: false, signed: false };
const ALL = { roundOne: true, roundTwo: true, ready: true, signed: true };
const MET: PeerView = { isConnected: true, isConfigurationEqual: true };

function statusOf(phase: KeyGenerationPhase): KeyGenerationStatus {
  const peers = [second, third].map((id) => ({ id, configuration: "equal", ...NOTHING } as const));
  return { phase, attempt: 4, peers, waitingFor: [second] };
}

function stepsOf(
  phase: KeyGenerationPhase,
  view: Partial<PeerView>,
  options: { readonly hasJoined?: boolean; readonly isKeyMade?: boolean } = {},
) {
  const { waitingFor } = toReport({
    config,
    self,
    status: statusOf(phase),
    hasJoined: true,
    isKeyMade: false,
    genesis: null,
    viewOf: () => ({ ...MET, ...view }),
    ...options,
  });
  return waitingFor.map(({ id, step }) => `${id} ${step}`);
}

Deno.test("toReport() tells phase, attempt, voters and each peer", () => {
  const report = toReport({
    config,
    self,
    status: statusOf("roundTwo"),
    hasJoined: true,
    isKeyMade: false,
    genesis: null,
    viewOf: (peer) => ({ ...MET, isConnected: peer === second }),
  });
  assert.deepEqual(report, {
    cluster: config.cluster,
    fingerprint: fingerprintOf(config),
    id: self,
    phase: "roundTwo",
    attempt: 4,
    threshold: 2,
    voters: [self, second, third],
    peers: [
      { id: second, configuration: "equal", ...NOTHING, connected: true },
      { id: third, configuration: "equal", ...NOTHING, connected: false },
    ],
    waitingFor: [{ id: second, step: "roundTwo" }],
    genesis: null,
  });
});

const STEPS: readonly (readonly [KeyGenerationPhase, AwaitedStep])[] = [
  ["roundOne", "roundOne"],
  ["roundTwo", "roundTwo"],
  ["ready", "ready"],
  ["signed", "signature"],
];

for (const [phase, step] of STEPS) {
  Deno.test(`toReport() says what a peer is to do while this node is ${phase}`, () => {
    assert.deepEqual(stepsOf(phase, {}), [`${second} ${step}`]);
    assert.deepEqual(stepsOf(phase, {}, { isKeyMade: true }), [`${second} genesis`]);
    assert.deepEqual(stepsOf(phase, { isConfigurationEqual: false }), [`${second} configuration`]);
    assert.deepEqual(stepsOf(phase, { isConnected: false }), [`${second} connection`]);
  });
}

Deno.test("toReport() waits for everybody until the node has joined", () => {
  const steps = (view: Partial<PeerView>) => stepsOf("betweenAttempts", view, { hasJoined: false });
  assert.deepEqual(steps({ isConnected: false }), [`${second} connection`, `${third} connection`]);
  assert.deepEqual(steps({ isConfigurationEqual: null }), [
    `${second} connection`,
    `${third} connection`,
  ]);
  assert.deepEqual(steps({ isConfigurationEqual: false }), [
    `${second} configuration`,
    `${third} configuration`,
  ]);
  assert.deepEqual(steps({}), []);
});

Deno.test("toReport() calls a configuration different if either the file or the roster is", () => {
  const status = statusOf("roundOne");
  const different = status.peers.map((peer) => ({ ...peer, configuration: "different" as const }));
  const configurations = (peers: KeyGenerationStatus["peers"], view: Partial<PeerView>) =>
    toReport({
      config,
      self,
      status: { ...status, peers },
      hasJoined: true,
      isKeyMade: false,
      genesis: null,
      viewOf: () => ({ ...MET, ...view }),
    }).peers.map(({ configuration }) => configuration);
  assert.deepEqual(configurations(different, {}), ["different", "different"]);
  assert.deepEqual(configurations(status.peers, { isConfigurationEqual: false }), [
    "different",
    "different",
  ]);
  assert.deepEqual(configurations(status.peers, { isConfigurationEqual: null }), [
    "unknown",
    "unknown",
  ]);
});

Deno.test("toFinalReport() is finished where there is a genesis, and else dealt", () => {
  const finalOf = (genesis: string | null) =>
    toFinalReport({
      config,
      self,
      genesis,
      viewOf: (peer) => ({
        isConnected: peer === second,
        isConfigurationEqual: peer === second ? true : null,
      }),
    });
  const finished = finalOf("note");
  assert.deepEqual([finished.phase, finished.attempt, finished.genesis], [
    "finished",
    null,
    "note",
  ]);
  assert.deepEqual(finished.peers, [
    { id: second, connected: true, configuration: "equal", ...ALL },
    { id: third, connected: false, configuration: "unknown", ...ALL },
  ]);
  assert.deepEqual(finished.waitingFor, []);
  const dealt = finalOf(null);
  assert.deepEqual([dealt.phase, dealt.genesis], ["dealt", null]);
  assert.deepEqual(dealt.peers[0], {
    id: second,
    connected: true,
    configuration: "equal",
    ...NOTHING,
  });
});
