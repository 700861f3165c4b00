/**
 * Rules about time that no single state shows: who may reset an election timer, and how long a leader
 * may go on without a quorum.
 *
 * @module
 */

import { majorityOf } from "../../../lib/margins.ts";
import type { LeaderView, Message, Output, RaftView } from "../../../lib/raft/mod.ts";
import type { Term } from "../../../lib/types.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

/** What is remembered of a node's last step. */
interface Before {
  readonly term: Term;
  readonly elapsedTicks: number;
  /** When it last heard the leader that it followed then; null when it followed none. */
  readonly leaderHeardTick: number | null;
}

/** Watches the timers of all nodes. */
export class TimingChecker {
  readonly #before = new WeakMap<RaftView, Before>();
  /** Candidacies that a leader asked for, by candidate and term: those that it named to its followers. */
  readonly #transfers = new Set<string>();
  /** The highest round that each node has answered, by node, term and leader. */
  readonly #answered = new Map<string, number>();
  readonly #liars: number;

  /** With liars about, nobody can tell who answered which round. */
  constructor(options: { readonly liars: number }) {
    this.#liars = options.liars;
  }

  /** A step was taken. */
  stepped(node: NodeView, state: RaftView, output: Output): void {
    const before = this.#before.get(state);
    this.#before.set(state, {
      term: state.currentTerm,
      elapsedTicks: state.electionElapsedTicks,
      leaderHeardTick: state.certificate === null ? null : state.voterPromise.heardTick,
    });
    if (state.role.name === "leader") {
      checkQuorum(node, state, state.role);
      if (this.#liars === 0) this.#checkRounds(node, state, state.role);
    }
    if (before === undefined) return;
    if (state.electionElapsedTicks < before.elapsedTicks) checkReset(node, state, output);
    this.#checkPromise(node, state, { before, output });
  }

  /** A message leaves: notes who answers which round, and whom a leader names. */
  sending(message: Message): void {
    if (message.kind === "appendResponse") {
      const answer = `${message.from} ${message.term} ${message.to}`;
      const newest = Math.max(message.round, this.#answered.get(answer) ?? 0);
      this.#answered.set(answer, newest);
    }
    if (message.kind !== "appendRequest" || message.transferTarget === null) return;
    this.#transfers.add(`${message.transferTarget} ${message.term + 1}`);
  }

  /** Who follows a leader is counted by answers given in its term, and to it. */
  #checkRounds(node: NodeView, state: RaftView, leader: LeaderView): void {
    for (const [peer, { rounds }] of leader.followers) {
      if (rounds.answered === 0) continue;
      const answered = this.#answered.get(`${peer} ${state.currentTerm} ${node.id}`) ?? 0;
      require(rounds.answered <= answered, "A round is answered in its own term", () => {
        return `${node.id} counts round ${rounds.answered} of ${peer}, which answered ${answered}`;
      });
    }
  }

  /** Dissertation §4.2.3: who has just heard a leader helps no other, unless that leader wishes so. */
  #checkPromise(
    node: NodeView,
    state: RaftView,
    { before, output }: { readonly before: Before; readonly output: Output },
  ): void {
    if (before.leaderHeardTick === null || before.term !== state.currentTerm) return;
    if (state.nowTick - before.leaderHeardTick >= state.config.electionTimeoutTicks) return;
    const grant = output.send.find((message) =>
      message.kind === "preVoteResponse" && message.granted &&
      !this.#transfers.has(`${message.to} ${message.term}`) && !this.#isToldBy(state, message)
    );
    require(grant === undefined, "Who hears a leader helps no other", () => {
      return `${node.id} heard its leader in tick ${before.leaderHeardTick} and helps ${grant?.to}`;
    });
  }

  /** A leader that lies may name any target, and its messages are changed after they were noted. */
  #isToldBy(
    { voterPromise }: RaftView,
    { to, term }: Pick<Message, "to"> & { readonly term: Term },
  ): boolean {
    return this.#liars > 0 && voterPromise.transferTarget === to &&
      voterPromise.transferTerm === term;
  }
}

/** Raft §5.2: hearing from a leader, granting a vote and standing for election reset the timer. */
function checkReset(node: NodeView, state: RaftView, output: Output): void {
  if (state.voterPromise.heardTick === state.nowTick || state.votedFor !== null) return;
  const isReset = output.events.some(({ kind }) =>
    kind === "preVoteStarted" || kind === "electionStarted" || kind === "steppedDown" ||
    // A vote in a term that ended within the same step.
    kind === "voteGranted"
  );
  const refusal = output.sendAfterPersist.find((message) =>
    message.kind === "voteResponse" && !message.granted
  );
  require(isReset || refusal === undefined, "A refused vote resets no timer", () => {
    return `${node.id} refuses ${refusal?.to} and starts its timer anew`;
  });
}

/** Dissertation §6.2: without a quorum for an election timeout, a leader gives up. */
function checkQuorum(node: NodeView, state: RaftView, leader: LeaderView): void {
  // Where members change, those of the newest configuration count, and others besides until it is in force.
  const { membership, voters } = state.members.newest;
  if (membership !== null && (state.members.isPending || !voters.includes(node.id))) return;
  const followers = [...leader.followers].filter(([id]) =>
    membership === null || voters.includes(id)
  );
  const contacts = followers.map(([, follower]) => follower.rounds.answeredSentTick);
  contacts.sort((left, right) => right - left);
  // This node is one of the majority.
  const contact = contacts[majorityOf(contacts.length + 1) - 2] ?? state.nowTick;
  const silence = state.nowTick - contact;
  require(silence <= state.config.electionTimeoutTicks, "A leader has a quorum or gives up", () => {
    return `${node.id} leads term ${state.currentTerm} after ${silence} ticks without a quorum`;
  });
}
