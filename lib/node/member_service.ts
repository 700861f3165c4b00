/**
 * What a node shows about the members, and what operators can change about them.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { KnownMember, Membership } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import { formatAddress } from "../config/mod.ts";
import { type Input, type Output, type RaftView, viewNodes } from "../raft/mod.ts";
import { nextStep, type ReshareEvent } from "../reshare/mod.ts";
import type { NodeId } from "../types.ts";
import { RequestError, type RequestFailure } from "./api.ts";
import type {
  EndedMembersChange,
  MembersChange,
  MembershipChain,
  MembersPlan,
  MembersRequest,
  MembersStatus,
  MemberStatus,
} from "./members_api.ts";
import type { ClusterMembers } from "./cluster_members.ts";
import { explainNoSpare, toGoal, toPlan } from "./members_goal.ts";

/** The parts of the node that a member service reads from and hands inputs to. */
interface MemberServiceParts {
  /** Addresses and keys. */
  readonly members: ClusterMembers;
  /** The core's state. */
  readonly state: RaftView;
  /** The genesis certificate; null if a dealer made the key. */
  readonly genesis: string | null;
  /** The text that the genesis states; null for a cluster of one. */
  readonly founding: string | null;
  /** Whether the connection to a peer is up. */
  readonly isConnected: (peer: NodeId) => boolean;
  /** Hands an input to the core. */
  readonly submit: (input: Input) => void;
}

/** A request of an operator that waits until the log has it. */
interface Waiting {
  readonly deadlineMs: number;
  /** Takes an event; returns whether it answers the request. */
  readonly take: (event: ReshareEvent) => boolean;
  readonly fail: (error: RequestError) => void;
}

/** Most requests that wait at once. */
const WAITING_MAX = 16;

/** Members, for one node's clients. */
export class MemberService {
  readonly #parts: MemberServiceParts;
  #waiting: Waiting[] = [];

  /** A service without any request yet. */
  constructor(parts: MemberServiceParts) {
    this.#parts = parts;
  }

  /** See `NodeApi.members`. */
  status(): MembersStatus {
    const current = this.#parts.state.cluster.changes?.current ?? null;
    if (current === null) return this.#unchanging();
    const present = current.members.map((member) => this.#toStatus(member));
    const former = [...current.formerIds].toSorted().map(toFormer);
    const { sequence, epoch, threshold } = current;
    return {
      sequence,
      epoch,
      threshold,
      members: [...present, ...former],
      change: this.#change(current),
      lastChange: this.#parts.state.cluster.changes?.endedPlan ?? null,
      trouble: troubleOf(current, (id) => this.#isReachable(id)),
    };
  }

  /** See `NodeApi.membershipChain`. */
  chain(): MembershipChain {
    const { genesis, founding, state, members } = this.#parts;
    const { timing, log, history } = members.config;
    const memberships = state.cluster.certificates;
    return { genesis, founding: founding ?? "", memberships, settings: { timing, log, history } };
  }

  /** See `NodeApi.planMembers`. */
  plan(request: MembersRequest): MembersPlan {
    return this.#prepare(request).plan;
  }

  /** See `NodeApi.changeMembers`. */
  async change(request: MembersRequest, deadlineMs: number): Promise<MembersChange> {
    const { changes } = this.#parts.state.cluster;
    const { goal, plan } = this.#prepare(request);
    const why = request.allowNoSpare === true ? null : explainNoSpare(plan);
    if (why !== null) throw refusal("members_refused", why);
    if (changes?.plan !== null || changes.change !== null) {
      throw refusal("members_changing", "Another change of the members is under way");
    }
    await this.#ask({ kind: "planMembers", goal }, deadlineMs, (event) => {
      if (event.kind === "planRefused" && event.goal === goal) {
        throw refusal("members_refused", event.reason);
      }
      return event.kind === "planBegun";
    });
    const current = assertDefined(changes.current, "A chain");
    return assertDefined(this.#change(current) ?? undefined, "The plan has begun");
  }

  /** See `NodeApi.cancelMembers`. */
  async cancel(reason: string, deadlineMs: number): Promise<EndedMembersChange> {
    this.#checkLeads();
    const { changes } = this.#parts.state.cluster;
    const plan = changes?.plan ?? null;
    if (plan === null) throw refusal("no_change", "No change of the members is under way");
    await this.#ask(
      { kind: "cancelChange", reason },
      deadlineMs,
      (event) => event.kind === "planEnded" && event.plan.id === plan.id,
    );
    return assertDefined(changes?.endedPlan ?? undefined, "The plan has ended");
  }

  /** Takes the output of a step. */
  handle(output: Output): void {
    for (const event of output.events) if (event.kind === "resharing") this.#take(event.event);
    if (output.role === null || output.role.role === "leader") return;
    this.#failAll("leader_changed", "Another node leads now; ask it for the outcome");
  }

  /** Ends the requests whose deadline has passed. */
  expire(nowMs: number): void {
    const late = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.#waiting = this.#waiting.filter(({ deadlineMs }) => deadlineMs > nowMs);
    for (const { fail } of late) fail(maybe("timeout", "It was not committed before the deadline"));
  }

  /** Ends every request, because the node stops. */
  stop(): void {
    this.#failAll("stopping", "The node is stopping");
  }

  /** Submits an input, and waits for the event that answers it; `isAnswer` throws at an event that refuses it. */
  #ask(
    input: Input,
    deadlineMs: number,
    isAnswer: (event: ReshareEvent) => boolean,
  ): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) {
      throw refusal("overloaded", "Too many operators wait for a change of the members");
    }
    return new Promise((resolve, reject) => {
      const take = (event: ReshareEvent) => {
        try {
          if (!isAnswer(event)) return false;
          resolve();
        } catch (error) {
          reject(error);
        }
        return true;
      };
      this.#waiting.push({ deadlineMs, take, fail: reject });
      this.#parts.submit(input);
    });
  }

  #take(event: ReshareEvent): void {
    this.#waiting = this.#waiting.filter(({ take }) => !take(event));
  }

  #failAll(code: RequestFailure, message: string): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { fail } of waiting) fail(maybe(code, message));
  }

  #prepare(request: MembersRequest) {
    this.#checkLeads();
    const { members, state } = this.#parts;
    const current = state.cluster.changes?.current ?? null;
    if (current === null) {
      const why = "The members of a cluster of one cannot be changed: its key has no shares. " +
        "Make a new cluster, and restore a snapshot of this one there";
      throw refusal("members_refused", why);
    }
    return catching(InputError, () => {
      const goal = toGoal({ current, config: members.config }, request);
      const { up } = viewNodes(state);
      return { goal, plan: toPlan(current, { goal, epoch: current.epoch, up }) };
    }, ({ message }) => {
      throw refusal("members_refused", message);
    });
  }

  #checkLeads(): void {
    const { role, log, commitIndex, currentTerm } = this.#parts.state;
    if (role.name !== "leader") {
      throw refusal("not_leader", "This node does not lead; ask the leader");
    }
    if (log.termAt(commitIndex) === currentTerm && role.transfer === null) return;
    throw refusal("no_leader", "The leader was elected just now, or is handing over; try again");
  }

  #change(current: Membership): MembersChange | null {
    const { state } = this.#parts;
    const { plan = null, change = null, attemptsFailed = 0, lastFailure = null } =
      state.cluster.changes ?? {};
    if (plan === null) return null;
    const { goal, epoch } = plan;
    const nodes = this.#nodes(current);
    const steps = catching(
      InputError,
      () => toPlan(current, { goal, epoch, up: nodes.up }).steps,
      () => [],
    );
    const next = change === null ? nextStep(current, plan, nodes) : null;
    const isWaiting = next?.kind === "wait";
    return {
      id: plan.id,
      stepsDone: current.sequence - plan.sequence,
      steps,
      stage: change?.stage ?? (isWaiting ? next.stage : "between"),
      waitingFor: change?.waitingFor ?? (isWaiting ? next.waitingFor : []),
      attemptsFailed,
      lastFailure,
      isCancellable: change?.stage !== "authorizing" || steps.length > 1,
    };
  }

  /** The voters that can take part. A follower does not know them, and assumes that all can. */
  #nodes({ members }: Membership) {
    const { state } = this.#parts;
    if (state.role.name === "leader") return viewNodes(state);
    const all = members.map(({ id }) => id);
    return { up: all, caughtUp: all };
  }

  #toStatus(member: KnownMember): MemberStatus {
    const { members, state } = this.#parts;
    const { id, role, identifier, identityKey, verifyingShare } = member;
    const peer = members.config.peers.find((known) => known.id === id);
    const isLeader = state.role.name === "leader";
    const followers = state.role.name === "leader" ? state.role.followers : null;
    return {
      id,
      role,
      identifier,
      hasShare: verifyingShare !== null,
      identityKey: peer?.keys.signingKey ?? identityKey,
      channelKey: member.channelKey ?? peer?.keys.channelKey ?? null,
      peerAddress: member.peerAddress ?? (peer ? formatAddress(peer.peer) : null),
      apiAddress: member.apiAddress ?? (peer ? formatAddress(peer.api) : null),
      isReachable: this.#isReachable(id),
      matchIndex: followers?.get(id)?.matchIndex ?? null,
      isCaughtUp: isLeader ? viewNodes(state).caughtUp.includes(id) : null,
    };
  }

  #isReachable(id: NodeId): boolean {
    return id === this.#parts.state.self || this.#parts.isConnected(id);
  }

  /** A cluster of one, whose key has no shares. */
  #unchanging(): MembersStatus {
    const { members, state } = this.#parts;
    const { epoch, threshold } = members.group;
    const all = members.group.voters.map(({ id, identifier, verifyingShare }) =>
      this.#toStatus({
        id,
        role: "voter",
        identifier,
        verifyingShare,
        identityKey: verifyingShare,
      })
    );
    const sequence = state.cluster.certificates.length;
    return {
      sequence,
      epoch,
      threshold,
      members: all,
      change: null,
      lastChange: null,
      trouble: null,
    };
  }
}

function toFormer(id: NodeId): MemberStatus {
  return {
    id,
    role: "removed",
    identifier: null,
    hasShare: false,
    identityKey: null,
    channelKey: null,
    peerAddress: null,
    apiAddress: null,
    isReachable: false,
    matchIndex: null,
    isCaughtUp: null,
  };
}

/** Warns of too few reachable shares to sign anything, a change of the members included. */
function troubleOf(
  { members, threshold }: Membership,
  isReachable: (node: NodeId) => boolean,
): string | null {
  const holders = members.filter(({ verifyingShare }) => verifyingShare !== null);
  const reachable = holders.filter(({ id }) => isReachable(id)).length;
  if (reachable >= threshold) return null;
  return `${reachable} of the ${holders.length} nodes with a share can be reached from here, and ` +
    `${threshold} must sign: no leader can be elected and no member changed until more are back. If ` +
    "their data are lost, so is the key. Then a new cluster, with a new key, goes on from the newest " +
    "snapshot (floe snapshot restore), or from what floe export --stale saves of the node with the " +
    "highest revision; docs/operators.md has the steps";
}

function refusal(code: RequestFailure, message: string): RequestError {
  return new RequestError(code, message, { maybeApplied: false });
}

function maybe(code: RequestFailure, message: string): RequestError {
  return new RequestError(code, message, { maybeApplied: true });
}
