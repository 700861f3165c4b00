/**
 * A member that lies in changes of the members, and in nothing else: as a dealer, as a receiver, as a signer, or as
 * the leader that brings a configuration. Its votes are honest, and everybody has the log that it has
 * (`leader_lies.ts`).
 *
 * @module
 */

import type { AppendRequest, Entry, Message, SignatureResponse } from "../../../lib/raft/mod.ts";
import type { CoreState } from "../../../lib/raft/state.ts";
import {
  type DealEntry,
  decodeReshareEntry,
  encodeReshareEntry,
  type HeldEntry,
  type SignedEntry,
  signWord,
  type Word,
} from "../../../lib/reshare/mod.ts";
import type { Counters } from "../counters.ts";
import type { Random } from "../random.ts";
import { LEADER_LIES, LeaderLies } from "./leader_lies.ts";

/** Lies that cost time only, for as long as t others hold a share: a liar may go on with them for ever. */
export const SIGNING_LIES = ["declinedSignature", "wrongSignature"] as const;

/** How it lies. */
export const MEMBER_LIES = [
  "wrongSubShare",
  "withheldSubShare",
  "wrongConstantTerm",
  "wrongDegree",
  "falseComplaint",
  "silence",
  "forgedConfiguration",
  ...SIGNING_LIES,
  ...LEADER_LIES,
] as const;
/** One of {@linkcode MEMBER_LIES}. */
export type MemberLie = typeof MEMBER_LIES[number];

/** How often it lies when it could, unless it always does. */
const LIE_SHARE = 0.5;

/** What a liar works with. */
export interface MemberLiarOptions {
  /** What it says. */
  readonly lies: readonly MemberLie[];
  /** Whether it tells the lies about signatures whenever it can, also once faults are over. */
  readonly isConstant: boolean;
  /** Signs as the liar. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Chance. */
  readonly random: Random;
  /** Counts lies. */
  readonly counters: Counters;
}

/** See the module. */
export class MemberLiar {
  readonly #options: MemberLiarOptions;
  readonly #leader: LeaderLies;

  /** It has not lied yet. */
  constructor(options: MemberLiarOptions) {
    this.#options = options;
    this.#leader = new LeaderLies((lie) => this.#tells(lie));
  }

  /** Whether it goes on once faults are over. */
  get isConstant(): boolean {
    return this.#options.isConstant;
  }

  /** Whether its shares of signatures may be wrong. */
  get signsWrongly(): boolean {
    return this.#options.lies.includes("wrongSignature");
  }

  /** What it puts into its log while it leads. */
  lead(state: CoreState): void {
    this.#leader.lead(state);
  }

  /** What leaves in place of a message, once faults are over: the lies that never end. */
  rewriteCalm(message: Message): Message | null {
    const isOfSigner = this.isConstant && message.kind === "signatureResponse";
    return isOfSigner ? this.rewrite(message) : message;
  }

  /** What leaves in place of a message; null for nothing. */
  rewrite(message: Message): Message | null {
    switch (message.kind) {
      case "subShare":
        if (this.#tells("withheldSubShare")) return null;
        return this.#tells("wrongSubShare")
          ? { ...message, secret: changed(message.secret) }
          : message;
      case "memberEntryRequest": {
        const entry = decodeReshareEntry(message.data);
        if (this.#tells("silence")) return null;
        const told = this.#say(entry);
        return told === null ? message : { ...message, data: encodeReshareEntry(told) };
      }
      case "appendRequest":
        return this.#bring(message);
      case "signatureResponse":
        return this.#answer(message);
      default:
        return message;
    }
  }

  /** A commitment, and at once no share for it, or a wrong one. */
  #answer(message: SignatureResponse): Message {
    const { lies, random } = this.#options;
    const own = SIGNING_LIES.filter((lie) => lies.includes(lie));
    if (message.share === null || own.length === 0) return message;
    const lie = random.pick(own);
    if (!this.#tells(lie)) return message;
    return { ...message, share: lie === "declinedSignature" ? null : changed(message.share) };
  }

  #say(entry: ReturnType<typeof decodeReshareEntry>): SignedEntry | null {
    if (entry.kind === "deal") return this.#deal(entry);
    return entry.kind === "held" ? this.#hold(entry) : null;
  }

  /** Another constant term, or a polynomial of another degree. */
  #deal({ signature: _, ...deal }: DealEntry): SignedEntry | null {
    const { elements } = deal;
    const [first, ...rest] = elements;
    if (first === undefined) return null;
    if (rest.length > 0 && this.#tells("wrongConstantTerm")) {
      return this.#sign({ ...deal, elements: [...rest, first] });
    }
    return this.#tells("wrongDegree")
      ? this.#sign({ ...deal, elements: [...elements, first] })
      : null;
  }

  #hold({ signature: _, ...held }: HeldEntry): SignedEntry | null {
    const [dealer, ...dealers] = held.dealers;
    if (dealer === undefined || !this.#tells("falseComplaint")) return null;
    const complaints = [...held.complaints, { dealer, rule: "bad-share" as const }];
    return this.#sign({ ...held, dealers, complaints });
  }

  /** A configuration that the new shares did not sign, or with a signature that is none. */
  #bring(message: AppendRequest): Message {
    if (!message.entries.some(({ kind }) => kind === "configuration")) return message;
    if (!this.#tells("forgedConfiguration")) return message;
    const entries = message.entries.map((entry) => this.#forge(entry));
    return { ...message, entries };
  }

  #forge(entry: Entry): Entry {
    if (entry.kind !== "configuration") return entry;
    const said = decodeReshareEntry(entry.data);
    if (said.kind !== "configuration") return entry;
    const { random } = this.#options;
    const byNew = said.byNew === null ? null : spoilt(said.byNew);
    const forged = random.chance(0.5) && byNew !== null
      ? { ...said, byNew }
      : { ...said, byOld: spoilt(said.byOld) };
    return { ...entry, data: encodeReshareEntry(forged) };
  }

  #sign(word: Word): SignedEntry {
    return signWord(word, this.#options.sign);
  }

  #tells(lie: MemberLie): boolean {
    const { lies, isConstant, random, counters } = this.#options;
    const isAlways = isConstant && SIGNING_LIES.some((known) => known === lie);
    if (!lies.includes(lie) || !(isAlways || random.chance(LIE_SHARE))) return false;
    counters.count(`lie.members.${lie}`);
    return true;
  }
}

function changed(bytes: Uint8Array): Uint8Array {
  const other = bytes.slice();
  other[0] = (other[0] ?? 0) ^ 1;
  return other;
}

/** A note with the signature of another text: its last line is of base64. */
function spoilt(note: string): string {
  const at = note.length - 10;
  const other = note[at] === "A" ? "B" : "A";
  return note.slice(0, at) + other + note.slice(at + 1);
}
