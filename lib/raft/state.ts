/**
 * The state of one node (Raft Figure 2), and the transitions that all rules share. `mod.ts` lists the files
 * of the rules.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { Certificate } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import { type Epoch, type LogIndex, type NodeId, plus, type Term, toLogIndex } from "../types.ts";
import { FLOW_LIMITS, type FlowLimits, type RaftConfig, STALLED_TIMEOUTS } from "./config.ts";
import { Cluster } from "./cluster.ts";
import { Durability, PendingVotes } from "./durability.ts";
import { type DurableState, LOG_START, type LogPosition, type Snapshot } from "./entry.ts";
import type { Epochs } from "./epochs.ts";
import { ForwardedRequests, LeaderService, type TakenBatches } from "./forwarding.ts";
import { type LostEntries, Outbox, type RoleReport } from "./input_output.ts";
import { Log, OwnSnapshot } from "./log.ts";
import type { Configuration, Members } from "./members.ts";
import type { Message, PreVoteRequest } from "./message.ts";
import { leaveLeadership } from "./readers.ts";
import { type Following, type Role, RoleReporter } from "./role.ts";
import type { Suspects } from "./signing_coordinator.ts";
import {
  type GrantsProof,
  type TermProof,
  toCertificateProof,
  verifyTermProof,
} from "./term_proof.ts";
import { Turns } from "./turns.ts";
import type { VoterPromise } from "./voter.ts";

/** The whole state of a node. It belongs to one {@linkcode Raft}; the rules read and change it. */
export class CoreState {
  /** The configuration, fixed at construction. */
  readonly config: RaftConfig;
  /** Who counts, and by which keys. */
  readonly cluster: Cluster;
  /** The log in memory. */
  readonly log: Log;
  /** How far the disk has followed the log. */
  readonly durability: Durability;
  /** What the current step has for the node to do. */
  output: Outbox = new Outbox();
  /** Notices when role, term or leader change. */
  readonly roleReporter = new RoleReporter();
  /** Votes whose signature share waits for the vote to be durable. */
  readonly pendingVotes = new PendingVotes();
  /** Requests of this node's clients that the leader has not answered. */
  readonly forwarded = new ForwardedRequests();
  /** What others forwarded to this node in the newest term that it led in this run, if any. */
  takenBatches: TakenBatches | null = null;

  /** This node's own snapshots, for followers that are too far behind. */
  readonly ownSnapshot = new OwnSnapshot();

  /** Ticks since construction: the core's only clock. */
  nowTick = 0;
  /** Ticks since the election timer was last reset. */
  electionElapsedTicks = 0;
  /** This round's election timeout, drawn anew at each reset. */
  randomizedTimeoutTicks: number;
  /** The newest commit index that a leader reported. The claim is not proven. */
  leaderCommit: LogIndex = toLogIndex(0);
  /** Entries that this node acknowledged and its log lacks, as a leader noticed; null when none are known. */
  lostEntries: LostEntries | null = null;
  /** What this node promised to the last leader that it heard. */
  readonly voterPromise: VoterPromise = {
    heardTick: null,
    round: 0,
    transferTarget: null,
    transferTerm: 0,
  };
  /** The epoch and the log's end that this term's vote signs. Null before it, and after a restart: then it signs none. */
  votedForStatement: (LogPosition & { readonly epoch: Epoch }) | null = null;
  /** Whose turn it is to stand. */
  readonly turns: Turns;
  /** Whether the leader commits what it was asked to commit. */
  readonly service: LeaderService;
  /** Pre-votes of nodes that claim to be the leader's transfer target, before the leader has confirmed it. */
  readonly earlyRequests = new Map<NodeId, PreVoteRequest>();

  #currentTerm: Term;
  #proof: TermProof | null;
  #votedFor: NodeId | null;
  #commitIndex: LogIndex;
  #role: Role = { name: "follower", following: null };

  /**
   * Resumes from the store's content. `appliedIndex` is the state machine's: it is committed, hence within
   * the log; 0 for a state machine that was lost, see {@linkcode CoreState.lacksState}.
   */
  constructor(config: RaftConfig, durable: DurableState, appliedIndex: LogIndex) {
    this.config = config;
    this.turns = new Turns(config.self, config.electionTimeoutTicks);
    this.service = new LeaderService(STALLED_TIMEOUTS * config.electionTimeoutTicks);
    this.log = new Log(durable.entries, durable.logStart);
    assert(
      appliedIndex >= this.log.base.index || appliedIndex === 0,
      "What the log forgot must have been applied, unless all of it was lost",
    );
    assert(appliedIndex <= this.log.last.index, "The log must reach what has been applied");
    this.durability = new Durability(this.log.last.index);
    this.cluster = new Cluster(config, durable, { log: this.log, commitIndex: appliedIndex });
    this.#currentTerm = durable.hardState.currentTerm;
    this.#votedFor = durable.hardState.votedFor;
    this.#proof = durable.grants;
    this.#commitIndex = appliedIndex;
    this.randomizedTimeoutTicks = this.#drawTimeout();
    // It may have promised a lease to a leader just before it restarted.
    if (this.#currentTerm > 0) {
      this.voterPromise.heardTick = 0;
      this.turns.leaderHeard(0);
    }
    if (durable.currentTermNote !== null) {
      const certificate = this.epochs.verifier.verify(durable.currentTermNote);
      assert(certificate.term === this.#currentTerm, "The stored certificate is the term's");
      this.#proof = toCertificateProof(certificate);
      this.#role = { name: "follower", following: this.#remembered(certificate) };
    }
    assert((this.#proof?.term ?? 0) === this.#currentTerm, "The current term is proven");
  }

  /** How much may wait, or be on its way. */
  get flowLimits(): FlowLimits {
    return this.config.flowLimits ?? FLOW_LIMITS;
  }
  /** Who counts. */
  get members(): Members {
    return this.cluster.members;
  }
  /** The keys. */
  get epochs(): Epochs {
    return this.cluster.epochs;
  }
  /** Whether this node may stand for election. */
  get mayStand(): boolean {
    return !this.lacksState && this.cluster.standing !== null;
  }
  /** This node. */
  get self(): NodeId {
    return this.config.self;
  }
  /** Latest term this node has seen. */
  get currentTerm(): Term {
    return this.#currentTerm;
  }
  /** What proves the current term; null in term 0, which needs no proof, and in no other. */
  get proof(): TermProof | null {
    return this.#proof;
  }
  /** The candidate that has this node's vote in the current term. */
  get votedFor(): NodeId | null {
    return this.#votedFor;
  }
  /** Highest index known to be committed. */
  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }
  /**
   * Whether the state machine was lost and the log does not reach back to its beginning. The log is whole, so
   * the node still votes and stores entries. But it can apply nothing, so it must not lead before it has
   * received a snapshot.
   */
  get lacksState(): boolean {
    return this.#commitIndex < this.log.base.index;
  }
  /** What this node is. */
  get role(): Role {
    return this.#role;
  }
  /** Every member but this node. */
  get peers(): readonly NodeId[] {
    return this.members.all.filter((member) => member !== this.self);
  }
  /** Voters that have cost this node's candidacies a signing session. */
  get suspects(): Suspects {
    return this.cluster.suspects;
  }

  /** The certificate of the current term's leader, this node included; null when unknown. */
  get certificate(): Certificate | null {
    const role = this.#role;
    if (role.name === "leader") return role.certificate;
    return role.name === "candidate" ? null : role.following?.certificate ?? null;
  }

  /** The leader to which this node can send requests: itself, or the one that it follows and has heard. */
  get leader(): NodeId | null {
    const role = this.#role;
    if (role.name === "leader") return this.self;
    if (role.name === "candidate" || !role.following?.isHeard) return null;
    return role.following.certificate.leader;
  }

  /** The role as it is reported. */
  report(): RoleReport {
    const { leader } = this;
    const certificate = leader === null ? null : this.certificate;
    return { role: this.#role.name, term: this.#currentTerm, leader, certificate };
  }

  /** Raft §5.1: moves to a higher term, by its proof. This node has not voted in it. */
  enterTerm(proof: GrantsProof | Certificate): void {
    const { term } = proof;
    assert(term > this.#currentTerm, `Term must rise from ${this.#currentTerm}, not to ${term}`);
    const grants = "note" in proof ? null : proof;
    this.#currentTerm = term;
    this.#votedFor = null;
    this.votedForStatement = null;
    this.durability.termEntered(grants);
    this.pendingVotes.clear();
    this.earlyRequests.clear();
    this.service.leaderChanged();
    this.turns.termEntered(this.nowTick, grants?.candidate ?? null);
    // Even if the same node leads again: it no longer answers for the earlier term.
    this.forwarded.leaderLost(this.output);
    // Nonces of ended elections and of earlier leaders are no longer needed.
    this.epochs.forgetBelow(term);
    this.cluster.dueSigner?.signer.forgetBelow(term);
    if ("note" in proof) this.certify(proof);
    else this.#proof = proof;
  }

  /** The current term's certificate is known: it proves the term from now on. */
  certify(certificate: Certificate): void {
    assert(certificate.term === this.#currentTerm, "A certificate proves its own term only");
    this.#proof = toCertificateProof(certificate);
    this.durability.certificateLearned(certificate);
    this.turns.certified();
  }

  /**
   * Raft §5.1: adopts a higher term by its proof, and follows no leader in it yet. Returns whether the term
   * rose. A claim without proof changes nothing.
   */
  adoptTerm(
    from: NodeId,
    { term, proof }: { readonly term: Term; readonly proof: TermProof | null },
  ): boolean {
    if (term <= this.#currentTerm) return false;
    if (proof?.term !== term) {
      this.refuse(from, `term ${term} without proof`);
      return false;
    }
    const verified = this.verify(from, proof);
    if (verified === null) return false;
    if (this.#role.name === "leader") this.stepDown(`${from} is in term ${term}`);
    this.enterTerm(verified);
    const following = "note" in verified ? this.#remembered(verified) : null;
    this.changeRole({ name: "follower", following });
    return true;
  }

  /** Checks a peer's proof of a term; null, and counted, when it does not hold. */
  verify(from: NodeId, proof: TermProof): GrantsProof | Certificate | null {
    this.cluster.learnEpoch(proof);
    return catching(InputError, () => verifyTermProof(this.epochs.proofKeys, proof), (error) => {
      this.refuse(from, `term ${proof.term}: ${error.message}`);
      return null;
    });
  }

  /** A leader gives up. */
  stepDown(reason: string): void {
    this.output.events.push({ kind: "steppedDown", term: this.#currentTerm, reason });
    this.becomeFollower();
    this.resetElectionTimer();
  }

  /** Raft §5.2: at most one vote a term. */
  vote(candidate: NodeId): void {
    assert(this.#votedFor === null || this.#votedFor === candidate, "One vote a term");
    if (this.#votedFor === candidate) return;
    this.#votedFor = candidate;
    this.durability.voteChanged();
  }

  /**
   * Follows no leader yet. The election timer continues: only a leader's message or a granted vote resets it,
   * so that refused candidates cause no delay (Raft §5.2).
   */
  becomeFollower(): void {
    this.changeRole({ name: "follower", following: null });
  }

  /** Raft §5.2: hears from the leader of this verified certificate, and follows it from now on. */
  hearFrom(certificate: Certificate): void {
    assert(certificate.term === this.#currentTerm, "A certificate counts in its own term only");
    const isNews = this.certificate !== certificate;
    if (!isNews && this.service.isStalled) return;
    const isHandedOver = this.#role.name === "preCandidate" && this.#role.transfer;
    if (isNews || this.leader === null || (this.#role.name === "preCandidate" && !isHandedOver)) {
      this.changeRole({ name: "follower", following: { certificate, isHeard: true } });
    }
    this.voterPromise.heardTick = this.nowTick;
    this.turns.leaderHeard(this.nowTick);
    this.resetElectionTimer();
  }

  /** A leader that is known but not heard in this run; null for this node itself. */
  #remembered(certificate: Certificate): Following | null {
    return certificate.leader === this.self ? null : { certificate, isHeard: false };
  }

  /** Changes the role. A leader that steps down refuses all its requests. */
  changeRole(role: Role): void {
    const before = this.#role;
    const leaderBefore = this.leader;
    this.#role = role;
    if (before.name === "leader" && before !== role) leaveLeadership(this, before);
    // The term's election is over. Its shares are useless, and the log grows beyond the statement.
    if (this.certificate !== null) this.pendingVotes.clear();
    if (leaderBefore !== this.leader) {
      this.forwarded.leaderLost(this.output);
    }
  }

  /** Raft §5.2: heard from a leader, granted a vote or started an election. */
  resetElectionTimer(): void {
    this.electionElapsedTicks = 0;
    this.randomizedTimeoutTicks = this.#drawTimeout();
  }

  /** Raft §5.3: commits up to `index` and hands the entries to the state machine. */
  commitTo(index: LogIndex): void {
    assert(index <= this.log.last.index, `Cannot commit ${index}: beyond the log`);
    if (index <= this.#commitIndex || this.lacksState) return;
    const entries = this.log.slice(plus(this.#commitIndex, 1), index);
    for (const entry of entries) this.output.apply.push(entry);
    this.#commitIndex = index;
    this.service.committed(index);
    this.#enter(this.cluster.commit(entries));
  }

  /** Another configuration is in force: earlier epochs no longer sign. */
  #enter(configuration: Configuration | null): void {
    if (configuration === null) return;
    const { epoch } = configuration;
    this.pendingVotes.dropBelow(epoch);
    // A snapshot can come to who stands.
    const stoodIn = epochOf(this.#role);
    if (stoodIn !== null && stoodIn < epoch) this.becomeFollower();
    this.output.events.push({ kind: "membersChanged", configuration });
    if (this.cluster.isRemoved) this.output.events.push({ kind: "removed", configuration });
  }

  /**
   * Raft §7: a snapshot replaces everything up to its index. Later entries stay if the log agrees with the
   * snapshot; otherwise the whole log is discarded.
   */
  restore(snapshot: Snapshot): void {
    assert(snapshot.index > this.#commitIndex, "A snapshot only moves forward");
    assert(snapshot.index >= this.log.base.index, "The log goes on from a snapshot");
    const position = { index: snapshot.index, term: snapshot.term };
    const isContinued = this.log.termAt(snapshot.index) === snapshot.term;
    if (!isContinued) this.cluster.truncateFrom(LOG_START.index);
    this.#enter(this.cluster.restore(snapshot.members));
    const { record } = this.cluster;
    if (isContinued) {
      this.log.compactTo(snapshot.index);
      this.durability.logCompactedTo(position, record);
    } else {
      this.log.reset(position);
      this.durability.logResetTo(position, record);
    }
    this.#commitIndex = snapshot.index;
    this.service.committed(snapshot.index);
    this.output.installSnapshot = snapshot;
    // The snapshot includes all that this step committed before.
    this.output.apply.length = 0;
  }

  /** Sends a message that needs no durability first. */
  send(message: Message): void {
    this.output.send.push(message);
  }

  /** Sends a message once everything this step changed is durable. */
  sendAfterPersist(message: Message): void {
    this.output.sendAfterPersist.push(message);
  }

  /** Notes that a peer's message does not fit. */
  refuse(from: NodeId, reason: string): void {
    this.output.events.push({ kind: "messageRefused", from, reason });
  }

  #drawTimeout(): number {
    const { electionTimeoutTicks, random } = this.config;
    return electionTimeoutTicks + Math.floor(random() * electionTimeoutTicks);
  }
}

/** Under which epoch it stands for election; null where it does not. */
function epochOf(role: Role): Epoch | null {
  if (role.name === "preCandidate") return role.certifier.epoch;
  return role.name === "candidate" ? role.signing.certifier.epoch : null;
}
