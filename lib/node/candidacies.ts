/**
 * The candidacies of this node, as its core reports them: which voters granted, which signed, how long each
 * round took, and how each candidacy ended. Only the candidate sees both rounds, so each node records its own.
 *
 * @module
 */

import { CANDIDACIES_MAX, type Candidacy } from "../node_view.ts";
import type { RaftEvent, RaftView } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";

/** The clocks that the record reads, in milliseconds. */
interface TimeSource {
  /** A monotonic clock. */
  nowMs(): number;
  /** The time of day. */
  wallMs(): number;
}

type Mutable<Value> = {
  -readonly [Name in keyof Value]: Value[Name] extends readonly (infer Item)[] ? Item[]
    : Value[Name];
};

/** The newest {@linkcode CANDIDACIES_MAX} of one node. */
export class Candidacies {
  readonly #self: NodeId;
  readonly #clock: TimeSource;
  readonly #kept: Mutable<Candidacy>[] = [];
  /** The candidacy that goes on; null when there is none. */
  #open: Mutable<Candidacy> | null = null;
  #startedMs = 0;

  /** Begins with no candidacy. */
  constructor(
    self: NodeId,
    clock: TimeSource = { nowMs: () => performance.now(), wallMs: () => Date.now() },
  ) {
    this.#self = self;
    this.#clock = clock;
  }

  /** The oldest first. */
  get all(): readonly Candidacy[] {
    return this.#kept;
  }

  /** Takes the output of one step, and the node's state after it. */
  observe(events: readonly RaftEvent[], role: RaftView["role"]): void {
    for (const event of events) this.#take(event);
    if (this.#open !== null) this.#readRole(this.#open, role);
  }

  #take(event: RaftEvent): void {
    if (event.kind === "preVoteStarted") return this.#begin(event.term);
    const open = this.#open;
    if (open === null) return;
    switch (event.kind) {
      case "electionStarted":
        open.term = event.term;
        open.signers = [...event.signers];
        open.sessions = 1;
        open.roundOneMs = this.#passedMs();
        return;
      case "signingSessionOpened":
        open.sessions = event.session;
        return;
      case "cheaterFound":
        open.cheaters.push(event.voter);
        return;
      case "electionWon":
        return this.#win(open);
    }
  }

  /** A node that finds no quorum asks again and again; that counts as one candidacy with many attempts. */
  #begin(term: number): void {
    const last = this.#kept.at(-1);
    const isRepeated = last?.term === term && last.roundOneMs === null;
    const attempts = isRepeated ? last.attempts + 1 : 1;
    if (isRepeated) this.#kept.pop();
    this.#startedMs = this.#clock.nowMs();
    this.#open = {
      term,
      candidate: this.#self,
      startedAt: isRepeated ? last.startedAt : this.#clock.wallMs(),
      attempts,
      granted: [],
      signers: [],
      voted: [],
      refused: [],
      sessions: 0,
      cheaters: [],
      roundOneMs: null,
      roundTwoMs: null,
      outcome: "running",
    };
    this.#kept.push(this.#open);
    if (this.#kept.length > CANDIDACIES_MAX) this.#kept.shift();
  }

  #win(open: Mutable<Candidacy>): void {
    const ms = this.#passedMs();
    // The step that brings the last share also makes the certificate.
    for (const id of open.signers) this.#note(open.voted, id, ms);
    open.roundTwoMs = ms - (open.roundOneMs ?? 0);
    open.outcome = "won";
    this.#open = null;
  }

  #readRole(open: Mutable<Candidacy>, role: RaftView["role"]): void {
    const ms = this.#passedMs();
    if (role.name === "preCandidate") {
      for (const id of role.grants.keys()) this.#note(open.granted, id, ms);
    } else if (role.name === "candidate") {
      for (const [id, answer] of role.answers) {
        this.#note(answer === "granted" ? open.voted : open.refused, id, ms);
      }
    } else {
      open.outcome = "lost";
      this.#open = null;
    }
  }

  #note(answers: { readonly id: string; readonly ms: number }[], id: NodeId | string, ms: number) {
    if (!answers.some((known) => known.id === id)) answers.push({ id, ms });
  }

  /** Milliseconds since the open candidacy began, rounded to tenths. */
  #passedMs(): number {
    return Math.round((this.#clock.nowMs() - this.#startedMs) * 10) / 10;
  }
}
