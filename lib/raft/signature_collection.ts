/**
 * Collects the signature of a membership for the leader: the two rounds of FROST, in sessions of t signers,
 * one session after the other. A signer that cheats is left out of the next sessions. One that is late or declines
 * is chosen only after the signing timeout, when the others have had the time to offer, and then in the order in
 * which the signers were last late. So the n - t faulty signers together spoil about one session each before t
 * others sign, however fast they answer.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";
import type {
  MembershipRequest,
  MembershipSigner,
  SignerCommitment,
  SigningLeader,
} from "../certificate/mod.ts";
import type { NodeId } from "../types.ts";

/** Most doublings of the timeout: at most 16 times the first. */
const DOUBLINGS_MAX = 4;

/** One attempt with a fixed set of signers. */
export interface CollectedSession {
  /** Counted from 1. */
  readonly number: number;
  /** The statement, and the voters that sign it. */
  readonly request: MembershipRequest;
  /** When it was opened. */
  readonly openedTick: number;
  /** The shares received, the first of each signer. */
  readonly shares: Map<NodeId, Uint8Array>;
}

/** All sessions of one leader for one text. */
export class SignatureCollection {
  /** Knows the voters and the threshold, and combines their shares. */
  readonly signer: MembershipSigner;
  /** What is signed. */
  readonly text: string;
  readonly #leader: SigningLeader;
  readonly #offers = new Map<NodeId, Uint8Array>();
  /**
   * Every commitment that was ever offered, so that a doubled answer does not offer it again. A commitment
   * can be offered again only if its signer may not have received the request of its session. A signer adds one
   * for each session in which it was chosen.
   */
  readonly #known = new Set<string>();
  /** The voter that was late last stands last. */
  readonly #late = new Set<NodeId>();
  readonly #cheaters = new Set<NodeId>();
  #sessions = 0;
  #expired = 0;
  #session: CollectedSession | null = null;

  /** Nothing is collected yet. */
  constructor(
    signer: MembershipSigner,
    { text, ...leader }: SigningLeader & { readonly text: string },
  ) {
    this.signer = signer;
    this.text = text;
    this.#leader = leader;
  }

  /** The session that is under way; null between sessions. */
  get session(): CollectedSession | null {
    return this.#session;
  }

  /** The voters without a commitment here that are in no session. */
  get silent(): readonly NodeId[] {
    const signs = this.#session?.request.commitments.map(({ voter }) => voter) ?? [];
    return this.signer.voters.filter((voter) =>
      !this.#offers.has(voter) && !signs.includes(voter) && !this.#cheaters.has(voter)
    );
  }

  /** Whether a commitment is of use. One unused commitment of each voter is enough. */
  wantsOffer(voter: NodeId, commitment: Uint8Array): boolean {
    return !this.#offers.has(voter) && !this.#cheaters.has(voter) &&
      !this.#known.has(encodeHex(commitment));
  }

  /** A voter's checked commitment. */
  offer(voter: NodeId, commitment: Uint8Array): void {
    if (!this.wantsOffer(voter, commitment)) return;
    this.#known.add(encodeHex(commitment));
    this.#offers.set(voter, commitment);
  }

  /**
   * Opens a session if none is under way and t voters have offered a commitment; null if not. `withLate` says
   * whether late signers may be among them.
   */
  open(
    nowTick: number,
    { withLate }: { readonly withLate: boolean },
  ): CollectedSession | null {
    if (this.#session !== null) return null;
    const { threshold, voters } = this.signer;
    const offered = voters.filter((voter) => this.#offers.has(voter));
    const prompt = offered.filter((voter) => !this.#late.has(voter));
    const late = withLate ? [...this.#late].filter((voter) => this.#offers.has(voter)) : [];
    const chosen = [...prompt, ...late].slice(0, threshold);
    if (chosen.length < threshold) return null;
    const commitments = voters.flatMap((voter): SignerCommitment[] => {
      const commitment = this.#offers.get(voter);
      return commitment !== undefined && chosen.includes(voter) ? [{ voter, commitment }] : [];
    });
    for (const voter of chosen) this.#offers.delete(voter);
    this.#session = {
      number: ++this.#sessions,
      request: { ...this.#leader, text: this.text, commitments },
      openedTick: nowTick,
      shares: new Map(),
    };
    return this.#session;
  }

  /** Whether the open session is overdue. The timeout doubles each time. */
  isOverdue(nowTick: number, timeoutTicks: number): boolean {
    const waitTicks = timeoutTicks * 2 ** Math.min(this.#expired, DOUBLINGS_MAX);
    return this.#session !== null && nowTick - this.#session.openedTick >= waitTicks;
  }

  /** Ends an overdue session. A signer without a share is late. */
  expire(): void {
    this.#endSession({ late: this.owing, unanswered: this.owing });
  }

  /**
   * An `unanswered` signer may offer the commitment of this session again. If the request was lost, its nonce is
   * unused. If the share was lost, the signer refuses a second request for that nonce.
   */
  #endSession({ late, unanswered }: {
    readonly late: readonly NodeId[];
    readonly unanswered: readonly NodeId[];
  }): void {
    for (const { voter, commitment } of this.#session?.request.commitments ?? []) {
      if (unanswered.includes(voter)) this.#known.delete(encodeHex(commitment));
    }
    for (const voter of late) {
      this.#late.delete(voter);
      this.#late.add(voter);
    }
    this.#session = null;
    this.#expired++;
  }

  /** The signers whose shares are missing in the open session. */
  get owing(): readonly NodeId[] {
    const session = this.#session;
    return session?.request.commitments.map(({ voter }) => voter)
      .filter((voter) => !session.shares.has(voter)) ?? [];
  }

  /** A signer's share, or its refusal. Returns the signature once all shares make one. */
  answer(voter: NodeId, number: number, share: Uint8Array | null): Uint8Array | null {
    const session = this.#session;
    if (session?.number !== number || !this.owing.includes(voter)) return null;
    if (share === null) {
      // The others are not late: their answers may still be on their way, or the request may be.
      this.#endSession({ late: [voter], unanswered: this.owing.filter((one) => one !== voter) });
      return null;
    }
    session.shares.set(voter, share);
    return this.owing.length > 0 ? null : this.#combine(session);
  }

  #combine({ request, shares }: CollectedSession): Uint8Array | null {
    const result = this.signer.combine(request, shares);
    this.#session = null;
    if (result.kind === "signature") return result.signature;
    for (const voter of result.voters) this.#cheaters.add(voter);
    return null;
  }

  /** The voters whose shares were wrong. */
  get cheaters(): ReadonlySet<NodeId> {
    return this.#cheaters;
  }
}
