/**
 * One attempt to make a key, from fresh polynomials to this node's share.
 *
 * Rounds one and two are FROST's KeyGen (ePrint 2020/852, Figure 1): `hash` and `reveal` are round 1,
 * steps 1 to 5, `share` is round 2, steps 1 and 2, and what follows it steps 3 and 4. The hash before the
 * reveal is Floe's addition: without it a voter could choose its polynomial after it has seen the others'.
 *
 * An attempt has four stages, each with one message to every peer. A node enters a stage when it has
 * every peer's message of the stage before. So a peer's message of one stage also confirms this node's
 * message of the stage before:
 *
 * | stage | message | sent when |
 * | --- | --- | --- |
 * | `hash` | hash of the commitment, signed | at once |
 * | `reveal` | commitment, proof, all signed hashes | all hashes are here |
 * | `share` | the receiver's share | all commitments are here and checked, and their hashes agree |
 * | `ready` | transcript hash | all shares are here and checked, and this node's own is durable |
 *
 * **Secrets.** The polynomial is kept until the shares are dealt, at the beginning of `share`; a share
 * for a peer until that peer is ready; the shares from peers until they are combined, at the beginning
 * of `ready`. When the attempt ends, {@linkcode Attempt.erase} erases the rest.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { encodeGenesisStatement, toGenesisStatement } from "../certificate/mod.ts";
import {
  beginKeyGeneration,
  type CheckedCommitment,
  type CheckedShare,
  checkPairwiseShare,
  checkPolynomialCommitment,
  combineShares,
  dealShares,
  type DkgBeginning,
  type DkgParameters,
  erasePolynomial,
} from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import { SignedHashes } from "./agreement.ts";
import {
  blaming,
  hashTranscript,
  identifierOf,
  KeyGenerationFault,
  parametersOf,
  type Plan,
} from "./configuration.ts";
import type { AttemptBody, RevealBody } from "./message.ts";

/** The stages of an attempt, in order; each is named after the message that it sends. */
const STAGES = ["hash", "reveal", "share", "ready"] as const;

/** The stage of an attempt. */
export type Stage = typeof STAGES[number];

/** The result of a complete attempt. */
export interface AttemptResult {
  /** The genesis statement, which every honest voter computes alike. */
  readonly statement: string;
  /** This node's share: a 32-byte scalar. The caller keeps it and erases it. */
  readonly secret: Uint8Array;
}

/** This node's side of one attempt. */
export class Attempt {
  /** Which attempt it is, from 1. */
  readonly number: number;
  readonly #plan: Plan;
  readonly #parameters: DkgParameters;
  readonly #beginning: DkgBeginning;
  readonly #hashes: SignedHashes;
  readonly #commitments = new Map<NodeId, CheckedCommitment>();
  readonly #shares = new Map<NodeId, CheckedShare>();
  /** The shares for peers that are not ready yet. */
  readonly #outgoing = new Map<NodeId, Uint8Array>();
  readonly #transcripts = new Map<NodeId, Uint8Array>();
  #stage: Stage = "hash";

  /** Draws this node's polynomial. */
  constructor(plan: Plan, number: number) {
    const { identifier, randomBytes } = plan;
    this.number = number;
    this.#plan = plan;
    this.#parameters = parametersOf(plan, number);
    this.#beginning = beginKeyGeneration(this.#parameters, { identifier, randomBytes });
    this.#hashes = new SignedHashes(plan, number, this.#beginning.hash);
    const { commitment, hash } = this.#beginning;
    this.#commitments.set(
      plan.self,
      checkPolynomialCommitment(this.#parameters, commitment, hash),
    );
  }

  /** This node's stage. */
  get stage(): Stage {
    return this.#stage;
  }

  /** Whether every voter said that its share is durable. */
  get isUnanimous(): boolean {
    return this.#transcripts.size === this.#plan.roster.voters.length;
  }

  /** Whether the peer's message of this stage is here. */
  hasFrom(peer: NodeId, stage: Stage): boolean {
    switch (stage) {
      case "hash":
        return this.#hashes.of(peer) !== null;
      case "reveal":
        return this.#commitments.has(peer);
      case "share":
        return this.#shares.has(peer);
      case "ready":
        return this.#transcripts.has(peer);
      default:
        return stage satisfies never;
    }
  }

  /**
   * Takes a peer's message. It ignores a message that comes before its predecessor, or a second time: the
   * peer sends again what this node needs.
   *
   * @throws {KeyGenerationFault} with the voter at fault. The caller then gives the attempt up.
   */
  receive(peer: NodeId, body: AttemptBody): void {
    switch (body.kind) {
      case "hash":
        return this.#hashes.accept(peer, body);
      case "reveal":
        return this.#takeReveal(peer, body);
      case "share":
        return this.#takeShare(peer, body.share);
      case "ready":
        return this.#takeReady(peer, body.transcriptHash);
      default:
        return body satisfies never;
    }
  }

  /**
   * Enters the next stage if everything that it needs is here; null if not. The last stage returns the
   * result, which the caller makes durable before it sends any further message.
   *
   * @throws {KeyGenerationFault} as {@linkcode Attempt.receive}.
   */
  advance(): { readonly entered: Stage; readonly result: AttemptResult | null } | null {
    const { peers } = this.#plan;
    if (!peers.every((peer) => this.hasFrom(peer, this.#stage))) return null;
    switch (this.#stage) {
      case "hash":
        return this.#enter("reveal");
      case "reveal":
        this.#deal();
        return this.#enter("share");
      case "share":
        return this.#enter("ready", this.#combine());
      case "ready":
        return null;
      default:
        return this.#stage satisfies never;
    }
  }

  /** This node's messages for a peer, from one stage up to its own. */
  messagesFor(peer: NodeId, from: Stage): AttemptBody[] {
    return STAGES.slice(STAGES.indexOf(from), STAGES.indexOf(this.#stage) + 1)
      .flatMap((stage) => this.#messageFor(peer, stage) ?? []);
  }

  /** The first stage whose message the peer has not confirmed. */
  neededBy(peer: NodeId): Stage {
    // A peer's message of a stage confirms this node's message of the stage before.
    return STAGES.findLast((stage) => this.hasFrom(peer, stage)) ?? "hash";
  }

  /** Erases every secret that is left. */
  erase(): void {
    erasePolynomial(this.#beginning.polynomial);
    for (const { secret } of this.#shares.values()) secret.fill(0);
    for (const secret of this.#outgoing.values()) secret.fill(0);
    this.#outgoing.clear();
  }

  #takeReveal(peer: NodeId, reveal: RevealBody): void {
    const signed = this.#hashes.of(peer);
    if (signed === null || this.#commitments.has(peer)) return;
    const { vssCommitment, proofOfKnowledge } = reveal;
    const commitment = {
      identifier: identifierOf(this.#plan, peer),
      vssCommitment,
      proofOfKnowledge,
    };
    this.#hashes.compare(peer, reveal.hashes);
    const checked = blaming(
      this.#plan,
      () => checkPolynomialCommitment(this.#parameters, commitment, signed.hash),
    );
    this.#commitments.set(peer, checked);
  }

  #takeShare(peer: NodeId, secret: Uint8Array): void {
    const commitment = this.#commitments.get(peer);
    if (commitment === undefined || this.#shares.has(peer)) return;
    const { identifier: receiver } = this.#plan;
    this.#shares.set(
      peer,
      blaming(this.#plan, () => checkPairwiseShare(commitment, { receiver, secret })),
    );
  }

  #takeReady(peer: NodeId, transcriptHash: Uint8Array): void {
    if (!this.#shares.has(peer) || this.#transcripts.has(peer)) return;
    const own = this.#transcripts.get(this.#plan.self);
    if (own !== undefined) checkTranscript(peer, transcriptHash, own);
    this.#transcripts.set(peer, transcriptHash.slice());
    this.#outgoing.get(peer)?.fill(0);
    this.#outgoing.delete(peer);
  }

  #enter(entered: Stage, result: AttemptResult | null = null) {
    this.#stage = entered;
    return { entered, result };
  }

  #deal(): void {
    const { self, roster } = this.#plan;
    for (const share of dealShares(this.#parameters, this.#beginning.polynomial)) {
      const { id } = assertDefined(roster.voters[share.receiver - 1], "A share for nobody");
      if (id !== self) this.#outgoing.set(id, share.secret);
      else {
        this.#shares.set(self, checkPairwiseShare(this.#commitmentOf(self), share));
        share.secret.fill(0);
      }
    }
  }

  #combine(): AttemptResult {
    const { identifier, roster, self } = this.#plan;
    const commitments = roster.voters.map(({ id }) => this.#commitmentOf(id));
    const shares = [...this.#shares.values()];
    const { group, share } = blaming(
      this.#plan,
      () => combineShares(this.#parameters, { identifier, commitments, shares }),
    );
    const transcriptHash = hashTranscript(
      this.#parameters,
      this.#hashes.list().map(({ hash }) => hash),
    );
    for (const [peer, hash] of this.#transcripts) checkTranscript(peer, hash, transcriptHash);
    this.#transcripts.set(self, transcriptHash);
    const statement = toGenesisStatement(roster, group, transcriptHash);
    return { statement: encodeGenesisStatement(statement), secret: share.secret };
  }

  /** The message of a stage; null when the peer does not need it any more. */
  #messageFor(peer: NodeId, stage: Stage): AttemptBody | null {
    const { self } = this.#plan;
    switch (stage) {
      case "hash":
        return { kind: "hash", ...assertDefined(this.#hashes.of(self), "No hash of one's own") };
      case "reveal": {
        const { vssCommitment, proofOfKnowledge } = this.#commitmentOf(self);
        return { kind: "reveal", vssCommitment, proofOfKnowledge, hashes: this.#hashes.list() };
      }
      case "share": {
        const share = this.#outgoing.get(peer);
        return share === undefined ? null : { kind: "share", share: share.slice() };
      }
      case "ready": {
        const transcriptHash = assertDefined(this.#transcripts.get(self), "No transcript");
        return { kind: "ready", transcriptHash };
      }
      default:
        return stage satisfies never;
    }
  }

  #commitmentOf(voter: NodeId): CheckedCommitment {
    return assertDefined(this.#commitments.get(voter), `No commitment of ${voter}`);
  }
}

/**
 * All hashes were compared before, and each hash binds its commitment. So a voter that claims another
 * transcript contradicts its own messages.
 */
function checkTranscript(peer: NodeId, claimed: Uint8Array, own: Uint8Array): void {
  if (equalBytes(claimed, own)) return;
  throw new KeyGenerationFault(
    "wrong-transcript",
    `${peer} claims another transcript than it took part in`,
    { voter: peer },
  );
}

/**
 * The highest attempt. A voter can give up each attempt whose key it dislikes. This limits its choice to
 * about 2^20 keys, and each of these attempts names it.
 */
export const ATTEMPT_MAX = 1_000_000;
/**
 * How far one message of a peer can raise the attempt. A node follows a higher one in several steps, so
 * no single message uses up all attempts.
 */
export const ATTEMPT_STRIDE_MAX = 1_000;
/** Longest wait between two attempts, in ticks. */
export const ATTEMPT_GAP_TICKS_MAX = 50;

/** Counts ticks and attempts for one process. */
export class AttemptClock {
  #nowTick = 0;
  #entered = 0;
  #notBeforeTick = 0;
  #wanted: { readonly attempt: number; readonly raisedBy: NodeId };

  /** The first attempt wanted is the one after the `highest` that was entered before. */
  constructor(highest: number, self: NodeId) {
    this.#wanted = { attempt: highest + 1, raisedBy: self };
  }

  /** Ticks since the start. */
  get nowTick(): number {
    return this.#nowTick;
  }

  /** The attempt that is wanted next. */
  get wanted(): number {
    return this.#wanted.attempt;
  }

  /** One tick has passed. */
  tick(): void {
    this.#nowTick++;
  }

  /** A node wants an attempt above `current`. The highest wins. */
  want(attempt: number, { current, raisedBy }: { current: number; raisedBy: NodeId }): void {
    const within = Math.min(attempt, current + ATTEMPT_STRIDE_MAX);
    if (within > this.#wanted.attempt) this.#wanted = { attempt: within, raisedBy };
  }

  /** The attempt to enter now, if there is one above `current` and its time has come; else null. */
  due(current: number): { readonly attempt: number; readonly raisedBy: NodeId } | null {
    const { attempt } = this.#wanted;
    if (attempt <= current || attempt > ATTEMPT_MAX) return null;
    return this.#nowTick < this.#notBeforeTick ? null : this.#wanted;
  }

  /** An attempt was entered; the next one must wait. */
  entered(): void {
    this.#entered++;
    this.#notBeforeTick = this.#nowTick + Math.min(this.#entered, ATTEMPT_GAP_TICKS_MAX);
  }
}
