/**
 * What a lying leader puts into the log in a change of the members. Everybody has the log that it has, so each
 * node must see by itself that the entry changes nothing.
 *
 * @module
 */

import { appendEntry } from "../../../lib/raft/leader.ts";
import type { CoreState } from "../../../lib/raft/state.ts";
import {
  type BeginEntry,
  type Change,
  encodeReshareEntry,
  explainIntersection,
  type ReshareEntry,
} from "../../../lib/reshare/mod.ts";
import { majorityOf } from "../../../lib/margins.ts";
import { toEpoch } from "../../../lib/types.ts";

/** How a leader lies: Q is not what was reported, and so on. */
export const LEADER_LIES = ["otherDealers", "unsafeBegin", "lateAbort", "forgedReady"] as const;
/** One of {@linkcode LEADER_LIES}. */
export type LeaderLie = typeof LEADER_LIES[number];

/** Most changes whose lies are remembered: it lies once in each. */
const REMEMBERED_MAX = 1_000;

/** See the module. */
export class LeaderLies {
  readonly #tells: (lie: LeaderLie) => boolean;
  readonly #told = new Set<string>();

  /** `tells` draws whether a lie is told now. */
  constructor(tells: (lie: LeaderLie) => boolean) {
    this.#tells = tells;
  }

  /** Before a step: puts a lie into the log, at most one of a kind in each change. */
  lead(state: CoreState): void {
    const { role, log, commitIndex, currentTerm, cluster: { change } } = state;
    if (role.name !== "leader" || role.transfer !== null) return;
    if (log.termAt(commitIndex) !== currentTerm) return;
    if (change === null) return this.#tell(state, "unsafeBegin", unsafeBegin(state));
    if (change.stage === "dealing") this.#tell(state, "otherDealers", otherDealers(change));
    if (change.stage === "combining") this.#tell(state, "forgedReady", forgedReady(change));
    if (change.stage === "authorizing" && !change.isAmendment) {
      const reason = "the leader lies";
      this.#tell(state, "lateAbort", { kind: "abort", change: change.id, reason });
    }
  }

  #tell(state: CoreState, lie: LeaderLie, entry: ReshareEntry | null): void {
    if (entry === null || this.#told.size >= REMEMBERED_MAX) return;
    const { cluster: { change, changes }, currentTerm } = state;
    const name = `${lie} ${change?.id ?? `${changes?.current.sequence} ${currentTerm}`}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    if (!this.#tells(lie)) return;
    appendEntry(state, { kind: "resharing", data: encodeReshareEntry(entry) });
  }
}

/** As many dealers as must be, and among them one whose deal not every receiver holds. */
function otherDealers(change: Change): ReshareEntry | null {
  const { before: { threshold }, commonDealers, deals, id } = change;
  const stray = [...deals.keys()].filter((dealer) => !commonDealers.includes(dealer));
  const dealers = [...stray, ...commonDealers].slice(0, threshold);
  const isOther = stray.length > 0 && dealers.length === threshold;
  return isOther ? { kind: "select", change: id, dealers } : null;
}

/** A node that is not ready is said to be, without its signature. */
function forgedReady(change: Change): ReshareEntry | null {
  const author = change.receivers.find((receiver) => !change.isReady(receiver));
  if (author === undefined) return null;
  return { kind: "ready", change: change.id, author, signature: new Uint8Array(64) };
}

/** Half of the voters at once, as no honest leader would. */
function unsafeBegin(state: CoreState): BeginEntry | null {
  const { changes } = state.cluster;
  const { newest: { voters, threshold } } = state.members;
  if (changes === null || state.members.isPending || voters.length < 4) return null;
  const { current, attempt } = changes;
  const staying = voters.slice(0, Math.ceil(voters.length / 2));
  const after = { voters: staying, threshold: majorityOf(staying.length) };
  if (explainIntersection({ voters, threshold }, after) === null) return null;
  const members = current.members.filter(({ id }) => staying.includes(id)).flatMap((member) => {
    const { channelKey, peerAddress, apiAddress = null } = member;
    if (channelKey === undefined || peerAddress === undefined) return [];
    const { verifyingShare: _, ...line } = member;
    return [{ ...line, channelKey, peerAddress, apiAddress }];
  });
  return {
    kind: "begin",
    cluster: current.cluster,
    sequence: current.sequence + 1,
    epoch: toEpoch(current.epoch + 1),
    attempt: attempt + 1,
    seed: new Uint8Array(32),
    previous: current.hash,
    threshold: after.threshold,
    members,
    absent: [],
  };
}
