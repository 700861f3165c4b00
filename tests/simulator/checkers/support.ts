/**
 * Nodes and entries for tests of checkers: only as much of a node as a checker looks at.
 *
 * @module
 */

import { Store } from "../../../lib/kv/mod.ts";
import {
  type Entry,
  type GrantsProof,
  type HardState,
  type Output,
  type PersistBatch,
  Raft,
  type RaftView,
} from "../../../lib/raft/mod.ts";
import { type NodeId, toEpoch, toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { commandEntry } from "../../raft/entries.ts";
import { NO_OUTPUT } from "../../raft/harness.ts";
import { createGrantDouble } from "../../support/grant_double.ts";
import { DurableLog } from "../disk/durable_log.ts";
import { Random } from "../random.ts";
import { drawScenario } from "../scenario.ts";
import { Violation } from "../violation.ts";
import { createVoters, EPOCH } from "../voters.ts";
import type { NodeView } from "../watcher.ts";

/** Three voters, two of whom must sign. */
export const VOTERS = createVoters(
  { ...drawScenario(1), size: 3, threshold: 2, realFrost: false },
  new Random("test"),
);

/** A node with a disk of its own that follows the protocol. */
export function testNode(name = "n1"): NodeView {
  const store = new Store();
  return {
    id: toNodeId(name),
    isHonest: true,
    isGone: false,
    isDamaged: false,
    shares: { current: null, next: null },
    disk: new DurableLog(),
    state: null,
    store,
  };
}

/** The state of a core that starts on these entries in this term. */
export function testState(
  name: string,
  durable: {
    readonly term: number;
    readonly entries?: readonly Entry[];
    readonly applied?: number;
  },
): RaftView {
  const { term, entries = [], applied = 0 } = durable;
  const self = toNodeId(name);
  const config = {
    self,
    certifier: VOTERS.createCertifier(self, new Random(`certifier ${name}`)),
    grants: createGrantDouble(self, EPOCH),
    electionTimeoutTicks: 10,
    heartbeatTicks: 2,
    signingTimeoutTicks: 3,
    random: () => 0.5,
    isCommand: () => true,
    incarnation: 1,
  };
  const raft = new Raft(
    config,
    {
      hardState: { currentTerm: toTerm(term), votedFor: null },
      logStart: new DurableLog().logStart,
      members: null,
      entries,
      currentTermNote: null,
      grants: term === 0 ? null : grantsOf(self, term),
    },
    toLogIndex(applied),
  );
  return raft.state;
}

/** A batch with only these entries. */
export function batchOf(...entries: readonly Entry[]): PersistBatch {
  return { sequence: 1, hardState: null, logStart: null, entries, certificates: [], grants: null };
}

/** A term and a vote. */
export function hardState(term: number, votedFor: string | null): HardState {
  const vote: NodeId | null = votedFor === null ? null : toNodeId(votedFor);
  return { currentTerm: toTerm(term), votedFor: vote };
}

/** A batch with only a term, its proof and a vote. */
export function voteBatch(term: number, votedFor: string | null): PersistBatch {
  const grants = grantsOf(toNodeId(votedFor ?? "n1"), term);
  return { ...batchOf(), hardState: hardState(term, votedFor), grants };
}

function grantsOf(candidate: NodeId, term: number): GrantsProof {
  const opened = { term: toTerm(term), epoch: toEpoch(1), membership: null, candidate };
  return { kind: "grants", ...opened, grants: [] };
}

/** An output with only these parts. */
export function outputOf(parts: Partial<Output>): Output {
  return { ...NO_OUTPUT, ...parts };
}

/** For `assert.throws`: a violation of this invariant. */
export function breaks(invariant: string): (error: unknown) => boolean {
  return (error) => error instanceof Violation && error.invariant === invariant;
}

export { commandEntry };
