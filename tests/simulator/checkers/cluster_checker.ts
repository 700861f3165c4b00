/**
 * All checkers of nodes, in one. Where liars are beyond what replication promises, only what
 * certificates promise is checked.
 *
 * @module
 */

import type { Certifier } from "../../../lib/certificate/certifier.ts";
import type { Membership } from "../../../lib/certificate/mod.ts";
import type { AppliedEntry } from "../../../lib/kv/mod.ts";
import type { Entry, Message, PersistBatch, RaftView } from "../../../lib/raft/mod.ts";
import { majorityOf } from "../../../lib/margins.ts";
import type { DurableShares } from "../../../lib/reshare/mod.ts";
import type { Epoch } from "../../../lib/types.ts";
import type { NodeView, Step, Watcher } from "../watcher.ts";
import { AnswerChecker } from "./answer_checker.ts";
import { checkSending } from "./durability_checker.ts";
import { checkOpening, ElectionChecker, type ElectionCheckerOptions } from "./election_checker.ts";
import { EvidenceChecker } from "./evidence_checker.ts";
import { checkLease } from "./lease_checker.ts";
import { type EpochVoters, MembersChecker } from "./members_checker.ts";
import type { LifetimeChecker } from "./lifetime_checker.ts";
import { LimitChecker } from "./limit_checker.ts";
import { type Committed, type HaveMajority, LogChecker } from "./log_checker.ts";
import { NonceChecker } from "./nonce_checker.ts";
import { StateChecker } from "./state_checker.ts";
import { TimingChecker } from "./timing_checker.ts";

/** What the checkers know of the cluster. */
export interface ClusterCheckerOptions extends Omit<ElectionCheckerOptions, "votersOf"> {
  /** The voters of a run whose members never change. */
  readonly voters: EpochVoters;
  /** Where the members change: where the chain begins; null where they do not. */
  readonly genesis: Membership | null;
  /** Another membership is in force. */
  readonly entered: () => void;
  /** All nodes. */
  readonly nodes: () => Iterable<NodeView>;
  /** Whether replication is safe in spite of the liars. */
  readonly replicationHolds: boolean;
  /** Whether clocks are as good as leases need them to be. */
  readonly hasGoodClocks: boolean;
  /** Watches clients' leases. */
  readonly lifetimes: LifetimeChecker;
}

/** See the module. */
export class ClusterChecker implements Watcher {
  readonly #elections: ElectionChecker;
  readonly #evidence: EvidenceChecker;
  readonly #log: LogChecker;
  readonly #nonces = new NonceChecker();
  readonly #answers = new AnswerChecker();
  readonly #limits = new LimitChecker();
  readonly #states = new StateChecker();
  readonly #timing: TimingChecker;
  readonly #replicationHolds: boolean;
  readonly #options: ClusterCheckerOptions;
  /** Watches who counts; null where the members never change. */
  readonly members: MembersChecker | null;

  /** Checkers that have seen nothing yet. */
  constructor(options: ClusterCheckerOptions) {
    this.#options = options;
    const { genesis, nodes, entered } = options;
    this.members = genesis === null ? null : new MembersChecker({ genesis, nodes, entered });
    this.#elections = new ElectionChecker({
      ...options,
      votersOf: (epoch) => this.#votersOf(epoch),
    });
    this.#evidence = new EvidenceChecker(options);
    const { members } = this;
    const majority = majorityOf(options.voters.voters.length);
    const haveMajority: HaveMajority = members === null
      ? (_state, { holders }) => holders.size >= majority
      : (state, quorum) => members.haveMajority(state, quorum);
    this.#log = new LogChecker({ nodes, haveMajority });
    this.#timing = new TimingChecker(options);
    this.#replicationHolds = options.replicationHolds;
  }

  /** Every entry known to be committed. */
  get committed(): readonly Committed[] {
    return this.#log.committed;
  }

  /** How many terms had a leader. */
  get leaderCount(): number {
    return this.#elections.leaderCount;
  }

  /** See {@linkcode Watcher.started}. */
  started(node: NodeView): void {
    if (node.isHonest && node.state !== null) this.#elections.started(node, node.state);
  }

  /** See {@linkcode Watcher.stepped}. */
  stepped(node: NodeView, step: Step): void {
    const { state } = node;
    if (!node.isHonest || state === null) return;
    const { output } = step;
    this.#answers.stepped(node, state, step);
    this.#elections.stepped(node, output);
    this.#evidence.stepped(node, state, output);
    this.#timing.stepped(node, state, output);
    const grants = output.persist?.grants;
    if (grants) checkOpening(node, grants, this.#votersOf(grants.epoch));
    this.#checkLease(node, state);
    this.members?.stepped(node, state);
    if (!this.#replicationHolds) return;
    this.#limits.stepped(node, state, output);
    this.#log.checkProgress(node, state);
    // Who wins a term may leave it within the same step, because a later one was waiting.
    const won = output.events.find(({ kind }) => kind === "electionWon");
    if (won?.kind === "electionWon" && won.term === state.currentTerm) {
      this.#log.leading(node, state);
    }
    if (output.installSnapshot !== null) this.#log.installing(node, output.installSnapshot);
    if (output.apply.length === 0) return;
    this.#log.committing(node, state, {
      entries: output.apply,
      then: (entry) => this.members?.committed([entry]),
    });
    this.#evidence.committed(output.apply);
  }

  /** Where clocks jump, a voter's promise ends too early; beyond the line, liars outnumber promises. */
  #checkLease(node: NodeView, state: RaftView): void {
    const { hasGoodClocks, nodes } = this.#options;
    const leader = state.role;
    if (!this.#replicationHolds || !hasGoodClocks || leader.name !== "leader") return;
    checkLease(node, { state, leader, nodes: nodes() });
  }

  /** See {@linkcode Watcher.sending}. */
  sending(node: NodeView, message: Message): void {
    this.#timing.sending(message);
    if (!node.isHonest || node.state === null) return;
    // A liar that leads may have a follower replace what it acknowledges, all in one step.
    const acknowledges = message.kind === "appendResponse" || message.kind === "snapshotResponse";
    if (this.#replicationHolds || !acknowledges) checkSending(node, node.state, message);
  }

  /** See {@linkcode Watcher.persisting}. */
  persisting(node: NodeView, batch: PersistBatch): void {
    const { state } = node;
    if (!node.isHonest || state === null) return;
    if (batch.hardState !== null) this.#elections.persisting(node, batch.hardState);
    if (this.#replicationHolds) this.#log.persisting(node, state, batch);
    this.members?.persisting(node, batch.entries);
  }

  /** See {@linkcode Watcher.persisted}. */
  persisted(node: NodeView, batch: PersistBatch): void {
    const { state } = node;
    if (!node.isHonest || state === null) return;
    if (batch.hardState !== null) this.#elections.persisted(node, batch.hardState);
    if (this.#replicationHolds) this.#log.persisted(node, batch);
  }

  /** See {@linkcode Watcher.persistingShares}. */
  persistingShares(node: NodeView, shares: DurableShares): void {
    this.members?.persistingShares(node, shares);
  }

  #votersOf(epoch: Epoch): EpochVoters {
    return this.members?.votersOf(epoch) ?? this.#options.voters;
  }

  /** See {@linkcode Watcher.applied}. */
  applied(
    node: NodeView,
    entries: readonly Entry[],
    outcomes: readonly AppliedEntry[],
  ): void {
    if (!node.isHonest || node.isDamaged || !this.#replicationHolds) return;
    const { leases } = node.store.keys;
    this.#options.lifetimes.applied(entries, outcomes, (id) => {
      const lease = leases.get(id);
      return lease === null || lease.ending !== null;
    });
    this.#states.applied(node.id, outcomes, node.store);
  }

  /** Compares a node's whole state with that of others. */
  compareState(node: NodeView): void {
    if (!node.isHonest || node.isDamaged) return;
    if (this.#replicationHolds) this.#states.compareState(node.id, node.store);
  }

  /** See {@linkcode Watcher.watchCertifier}. */
  watchCertifier(node: NodeView, certifier: Certifier): Certifier {
    if (!node.isHonest) return certifier;
    return this.#evidence.watch(node, this.#nonces.watch(node, certifier));
  }
}
