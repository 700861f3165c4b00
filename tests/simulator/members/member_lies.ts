/**
 * A member that lies in changes of the members, and in nothing else: as a dealer, as a receiver, as a signer, or as
 * the leader that brings a configuration. Its votes and its log are honest.
 *
 * @module
 */

import type { AppendRequest, Entry, Message } from "../../../lib/raft/mod.ts";
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

/** How it lies. */
export const MEMBER_LIES = [
  "wrongSubShare",
  "withheldSubShare",
  "wrongConstantTerm",
  "wrongDegree",
  "falseComplaint",
  "silence",
  "forgedConfiguration",
  "declinedSignature",
] as const;
/** One of {@linkcode MEMBER_LIES}. */
export type MemberLie = typeof MEMBER_LIES[number];

/** How often it lies when it could. */
const LIE_SHARE = 0.5;

/** What a liar works with. */
export interface MemberLiarOptions {
  /** What it says. */
  readonly lies: readonly MemberLie[];
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

  /** It has not lied yet. */
  constructor(options: MemberLiarOptions) {
    this.#options = options;
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
        // A commitment, and at once no share for it.
        return message.share !== null && this.#tells("declinedSignature")
          ? { ...message, share: null }
          : message;
      default:
        return message;
    }
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
    const { lies, random, counters } = this.#options;
    if (!lies.includes(lie) || !random.chance(LIE_SHARE)) return false;
    counters.count(`lie.members.${lie}`);
    return true;
  }
}

function changed(secret: Uint8Array): Uint8Array {
  const other = secret.slice();
  other[0] = (other[0] ?? 0) ^ 1;
  return other;
}

/** A note with the signature of another text: its last line is of base64. */
function spoilt(note: string): string {
  const at = note.length - 10;
  const other = note[at] === "A" ? "B" : "A";
  return note.slice(0, at) + other + note.slice(at + 1);
}
