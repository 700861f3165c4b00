/**
 * The candidate's side of FROST's second round, made robust in the manner of ROAST: when a signer is
 * silent or cheats, another session is opened with voters that answered. The statement and the
 * votes stay. A voter may decline once, because it lost its nonces if it restarted between the rounds. It is
 * named only if it declines to use a commitment of the same run. Every other failed session exposes a voter
 * that owes a share, cheated or withholds, so n - t + 1 sessions, plus one for each decline, are enough.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { encodeHex } from "../bytes.ts";
import type { Certifier, ElectionFields, SigningRequest } from "../certificate/mod.ts";
import type { NodeId } from "../types.ts";

/** A voter's commitment for one more session. */
export interface Offer {
  /** The commitment, checked. */
  readonly commitment: Uint8Array;
  /** The run of the voter that made it. */
  readonly incarnation: number;
}

/** One attempt at the signature with a fixed set of signers. */
export interface CoordinatedSession {
  /** The number of the session in its candidacy, from 1. */
  readonly number: number;
  /** The statement and the signers. */
  readonly request: SigningRequest;
  /** The runs of the signers that made the commitments. */
  readonly incarnations: ReadonlyMap<NodeId, number>;
  /** The shares received, the first from each signer. */
  readonly shares: Map<NodeId, Uint8Array>;
  /** When it was opened. */
  readonly openedTick: number;
  /** `failed` once it can no longer yield a certificate. */
  status: "open" | "failed";
}

/** The start of a candidacy. */
interface Candidacy {
  /** What every session signs. */
  readonly election: ElectionFields;
  /** Knows the voters and the threshold. */
  readonly certifier: Certifier;
  /** The commitments of the pre-vote, one of each voter. */
  readonly offers: ReadonlyMap<NodeId, Offer>;
  /** Voters that cost a session, in this candidacy or an earlier one. The coordinator updates it. */
  readonly suspects: Suspects;
}

/** All signing sessions of one candidacy. */
export class SigningCoordinator {
  /** What every session signs. */
  readonly election: ElectionFields;
  /** Knows the voters and the threshold, and combines their shares. */
  readonly certifier: Certifier;
  readonly #unused = new Map<NodeId, Offer>();
  /** Every commitment that was ever offered, so that a late or doubled answer offers none again. */
  readonly #known = new Set<string>();
  readonly #sessions: CoordinatedSession[] = [];
  readonly #excluded = new Set<NodeId>();
  readonly #declined = new Set<NodeId>();
  readonly #suspects: Suspects;

  /** Begins without a session. */
  constructor(candidacy: Candidacy) {
    this.election = candidacy.election;
    this.certifier = candidacy.certifier;
    for (const [voter, offer] of candidacy.offers) this.offer(voter, offer);
    this.#suspects = candidacy.suspects;
  }

  /** The newest session, or null before the first. */
  get latest(): CoordinatedSession | null {
    return this.#sessions.at(-1) ?? null;
  }

  /** Keeps a voter's next commitment, which is checked. */
  offer(voter: NodeId, offer: Offer): void {
    this.#known.add(encodeHex(offer.commitment));
    this.#unused.set(voter, offer);
  }

  /** Whether an unused commitment of the voter is known. */
  hasOffer(voter: NodeId): boolean {
    return this.#unused.has(voter);
  }

  /** Whether a commitment can be used. One that was offered before may have been used already. */
  wantsOffer(voter: NodeId, commitment: Uint8Array): boolean {
    return !this.hasOffer(voter) && !this.#known.has(encodeHex(commitment));
  }

  /** Signers of open sessions whose shares are missing. */
  owing(): ReadonlySet<NodeId> {
    const owing = new Set<NodeId>();
    for (const session of this.#sessions) {
      if (session.status === "failed") continue;
      for (const { voter } of session.request.commitments) {
        if (!session.shares.has(voter)) owing.add(voter);
      }
    }
    return owing;
  }

  /**
   * Opens a session with t voters that have offered a commitment, owe nothing and are not excluded,
   * the candidate itself among them. Returns null when there are too few, or after the last session that
   * can help. Voters that owe a share now become suspects: this session is needed because of them.
   */
  open(nowTick: number): CoordinatedSession | null {
    const { threshold, voters } = this.certifier;
    if (this.#sessions.length > voters.length - threshold + this.#declined.size) return null;
    const owing = this.owing();
    for (const voter of owing) if (voter !== this.election.leader) this.#suspects.add(voter);
    const signers = this.#chooseSigners(owing);
    if (signers === null) return null;
    const commitments = [];
    const incarnations = new Map<NodeId, number>();
    for (const voter of voters) {
      const offer = this.#unused.get(voter);
      if (!signers.has(voter) || offer === undefined) continue;
      commitments.push({ voter, commitment: offer.commitment });
      incarnations.set(voter, offer.incarnation);
      this.#unused.delete(voter);
    }
    assert(commitments.length === threshold, "A session has exactly t signers");
    const session: CoordinatedSession = {
      number: this.#sessions.length + 1,
      request: { election: this.election, commitments },
      incarnations,
      shares: new Map(),
      openedTick: nowTick,
      status: "open",
    };
    this.#sessions.push(session);
    return session;
  }

  /**
   * Adds a signer's share. Returns the session when it is now complete; null when it is not, or
   * when the share belongs to no open session or is not the voter's first.
   */
  addShare(voter: NodeId, number: number, share: Uint8Array): CoordinatedSession | null {
    const session = this.#openSessionOf(voter, number);
    if (session === null || session.shares.has(voter)) return null;
    session.shares.set(voter, share);
    return session.shares.size === session.request.commitments.length ? session : null;
  }

  /**
   * A signer answered without a share, so the session cannot finish. After the second time, no further
   * session includes the voter. Returns true when it lies: the run that declines made the commitment.
   */
  decline(
    voter: NodeId,
    answer: { readonly session: number; readonly incarnation: number },
  ): boolean {
    const session = this.#openSessionOf(voter, answer.session);
    if (session === null || session.shares.has(voter)) return false;
    session.status = "failed";
    const isRepeated = this.#declined.has(voter);
    if (isRepeated) this.#exclude(voter);
    this.#declined.add(voter);
    return isRepeated && session.incarnations.get(voter) === answer.incarnation;
  }

  /**
   * The newest open session in which the voter owes its share. If there is none, and no unused commitment of
   * the voter, the newest failed one: a voter that never heard of it still offers that session's commitment,
   * and offers another once it has used it there. Null when there is nothing to ask for.
   */
  sessionOwedBy(voter: NodeId): CoordinatedSession | null {
    const unanswered = this.#sessions.filter((session) =>
      signs(session, voter) && !session.shares.has(voter)
    );
    const owed = unanswered.findLast(({ status }) => status === "open");
    return owed ?? (this.hasOffer(voter) ? null : unanswered.at(-1) ?? null);
  }

  /** These voters' shares were wrong: no further session includes them. */
  exclude(session: CoordinatedSession, cheaters: readonly NodeId[]): void {
    session.status = "failed";
    for (const voter of cheaters) this.#exclude(voter);
  }

  /** The session made the certificate: its signers are no longer suspects. */
  certified({ shares }: CoordinatedSession): void {
    for (const voter of shares.keys()) this.#suspects.remove(voter);
  }

  #exclude(voter: NodeId): void {
    this.#excluded.add(voter);
    this.#suspects.add(voter);
  }

  /** The open session of this number in which `voter` signs. */
  #openSessionOf(voter: NodeId, number: number): CoordinatedSession | null {
    const session = this.#sessions[number - 1];
    if (session === undefined || session.status === "failed") return null;
    return signs(session, voter) ? session : null;
  }

  #chooseSigners(owing: ReadonlySet<NodeId>): ReadonlySet<NodeId> | null {
    const self = this.election.leader;
    const eligible = [...this.#unused.keys()].filter((voter) =>
      !owing.has(voter) && !this.#excluded.has(voter)
    );
    if (!eligible.includes(self)) return null;
    const others = eligible.filter((voter) => voter !== self);
    // The first to answer the pre-vote come first, because they are probably the nearest.
    const trusted = others.filter((voter) => !this.#suspects.has(voter));
    const suspected = others.filter((voter) => this.#suspects.has(voter));
    const signers = [self, ...trusted, ...suspected].slice(0, this.certifier.threshold);
    return signers.length === this.certifier.threshold ? new Set(signers) : null;
  }
}

function signs(session: CoordinatedSession, voter: NodeId): boolean {
  return session.request.commitments.some((entry) => entry.voter === voter);
}

/**
 * The suspects of one run of the process. A suspect signs only where other voters are missing. If it then
 * signs correctly, it is no longer a suspect, so a network fault has no lasting effect.
 */
export class Suspects {
  readonly #voters = new Set<NodeId>();
  #faultyMax: number;

  /** An election is promised while at most `faultyMax` voters are down or lie: n - t. */
  constructor(faultyMax: number) {
    this.#faultyMax = faultyMax;
  }

  /** The voters or the threshold changed. */
  allow(faultyMax: number): void {
    this.#faultyMax = faultyMax;
  }

  /** Whether this voter is a suspect. */
  has(voter: NodeId): boolean {
    return this.#voters.has(voter);
  }

  /** Adds a suspect. More suspects than possible faulty voters mean a network fault: all are cleared. */
  add(voter: NodeId): void {
    this.#voters.add(voter);
    if (this.#voters.size > this.#faultyMax) this.#voters.clear();
  }

  /** Removes a suspect. */
  remove(voter: NodeId): void {
    this.#voters.delete(voter);
  }
}
