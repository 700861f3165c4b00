/**
 * The log entries of a change of the members. Once committed, they alone decide who may deal, what was
 * dealt, which receiver has which deal, and which dealers count.
 *
 * A node signs what it says about itself with its identity key, over a text that names the change. So no
 * leader can say it in that node's name.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { concatBytes, encodeHex, encodeUtf8 } from "../bytes.ts";
import type { Member, PlannedMembership } from "../certificate/mod.ts";
import type { FrostRefusal } from "../frost/mod.ts";
import type { Epoch, LogIndex, NodeId } from "../types.ts";

/** A member whose share is not known yet. */
export type PlannedMember = Omit<Member, "verifyingShare">;

/**
 * Begins a change: the new membership without its shares. Its hash ({@linkcode hashBegin}) names the change
 * in all later entries.
 */
export interface BeginEntry extends Omit<PlannedMembership, "members"> {
  /** The tag. */
  readonly kind: "begin";
  /** Which attempt at this position this is, from 1. */
  readonly attempt: number;
  /** 32 random bytes, so that no two changes have one name. */
  readonly seed: Uint8Array;
  /** Every member afterwards, by rising identifier. */
  readonly members: readonly PlannedMember[];
  /** New voters that are down, and get no share. */
  readonly absent: readonly NodeId[];
}

/** An old voter's commitment. Its sub-shares are sent over the channels, never through the log. */
export interface DealEntry {
  /** The tag. */
  readonly kind: "deal";
  /** Which change of members it is part of. */
  readonly change: string;
  /** The old voter. */
  readonly author: NodeId;
  /** The commitment: t' encoded elements, 32 bytes each. */
  readonly elements: readonly Uint8Array[];
  /** The author's, over {@linkcode encodeWord}: 64 bytes. */
  readonly signature: Uint8Array;
}

/** A deal that a receiver refuses. Other nodes cannot check it, because they do not see the sub-share. */
export interface Complaint {
  /** The old voter that made the deal. */
  readonly dealer: NodeId;
  /** What was wrong with it. */
  readonly rule: FrostRefusal;
}

/** A new voter says whose deals it holds and has checked, and whose it refuses: all so far. */
export interface HeldEntry {
  /** The tag. */
  readonly kind: "held";
  /** Which change of members it is part of. */
  readonly change: string;
  /** The new voter. */
  readonly author: NodeId;
  /** The dealers whose deals it holds. */
  readonly dealers: readonly NodeId[];
  /** The dealers whose deals it refuses. */
  readonly complaints: readonly Complaint[];
  /** The author's, over {@linkcode encodeWord}: 64 bytes. */
  readonly signature: Uint8Array;
}

/** Q: the dealers that count. Each node checks it against the log and trusts no leader. */
export interface SelectEntry {
  /** The tag. */
  readonly kind: "select";
  /** Which change of members it is part of. */
  readonly change: string;
  /** At least t of the old voters, whose deals every new voter that is not absent holds. */
  readonly dealers: readonly NodeId[];
}

/** A new voter's new share is durable. */
export interface ReadyEntry {
  /** The tag. */
  readonly kind: "ready";
  /** Which change of members it is part of. */
  readonly change: string;
  /** The new voter. */
  readonly author: NodeId;
  /** The author's, over {@linkcode encodeWord}: 64 bytes. */
  readonly signature: Uint8Array;
}

/**
 * The statement, signed by the new shares. From here on the change can only be completed, so no
 * authorization of a change that was aborted can ever come up.
 */
export interface ProofEntry {
  /** The tag. */
  readonly kind: "proof";
  /** Which change of members it is part of. */
  readonly change: string;
  /** The note by the new epoch. */
  readonly note: string;
}

/** The new configuration, with the notes that make it one. */
export interface ConfigurationEntry {
  /** The tag. */
  readonly kind: "configuration";
  /** Which change of members it is part of. */
  readonly change: string;
  /** The note by the old epoch. */
  readonly byOld: string;
  /** The note by the new epoch; null for a change within the epoch. */
  readonly byNew: string | null;
}

/** Ends a change that was not proven yet. The old configuration was in force all the while. */
export interface AbortEntry {
  /** The tag. */
  readonly kind: "abort";
  /** Which change of members it is part of. */
  readonly change: string;
  /** Why, for people. */
  readonly reason: string;
}

/** The members in the end, after any number of steps. */
export interface MembersGoal {
  /** How many of the voters must sign. */
  readonly threshold: number;
  /** Every member in the end, by rising identifier. */
  readonly members: readonly PlannedMember[];
  /** Present members that leave, as they are until they have left. */
  readonly leaving: readonly PlannedMember[];
  /** Whether every voter is to get a new share even if nothing else changes. */
  readonly isRefresh: boolean;
}

/** Begins a plan: changes, one after the other, until the goal is reached. */
export interface PlanEntry {
  /** The tag. */
  readonly kind: "plan";
  /** The entry's own index, which names the plan. */
  readonly id: LogIndex;
  /** How many statements the chain had when the plan was made. */
  readonly sequence: number;
  /** The epoch that was in force. */
  readonly epoch: Epoch;
  /** Where it leads. */
  readonly goal: MembersGoal;
}

/** Ends a plan before its goal is reached. What was done stays. */
export interface PlanEndEntry {
  /** The tag. */
  readonly kind: "planEnd";
  /** Which plan. */
  readonly id: LogIndex;
  /** Whether an operator ended it, or the leader gave it up. */
  readonly outcome: "cancelled" | "failed";
  /** Why, for people. */
  readonly reason: string;
}

/** What a change writes into the log. */
export type ChangeEntry =
  | BeginEntry
  | DealEntry
  | HeldEntry
  | SelectEntry
  | ReadyEntry
  | ProofEntry
  | ConfigurationEntry
  | AbortEntry;

/** Everything about members that the log has. */
export type ReshareEntry = ChangeEntry | PlanEntry | PlanEndEntry;

/** Most characters of the reason of an abort, or of a plan's end. */
export const REASON_LENGTH_MAX = 512;

/** What a node says about itself: an entry with its author's signature. */
export type SignedEntry = DealEntry | HeldEntry | ReadyEntry;

/** What the author signs. */
export type Word =
  | Omit<DealEntry, "signature">
  | Omit<HeldEntry, "signature">
  | Omit<ReadyEntry, "signature">;

/** The name of a change: SHA-256 over everything that its first entry says, in hex. */
export function hashBegin(begin: BeginEntry): string {
  const { cluster, sequence, epoch, attempt, seed, previous, threshold, absent } = begin;
  const text = "floe/reshare-begin/v1\n" +
    `cluster ${cluster}\n` +
    `sequence ${sequence}\n` +
    `epoch ${epoch}\n` +
    `attempt ${attempt}\n` +
    `seed ${encodeHex(seed)}\n` +
    `previous ${encodeHex(previous)}\n` +
    `threshold ${threshold}\n` +
    begin.members.map(encodePlannedMember).join("") +
    absent.map((id) => `absent ${id}\n`).join("");
  return sha256Hex(encodeUtf8(text));
}

/** The exact bytes that a node signs as itself: begins with their kind, and names the change. */
export function encodeWord(word: Word): Uint8Array {
  return encodeUtf8(
    "floe/reshare/v1\n" +
      `change ${word.change}\n` +
      `${word.kind} ${word.author}\n` +
      encodeWordBody(word),
  );
}

/** Signs what a node says about itself. */
export function signWord<Said extends Word>(
  word: Said,
  sign: (message: Uint8Array) => Uint8Array,
): Said & Pick<SignedEntry, "signature"> {
  return { ...word, signature: sign(encodeWord(word)) };
}

function encodeWordBody(word: Word): string {
  switch (word.kind) {
    case "deal":
      return `commitment ${word.elements.length} ${sha256Hex(concatBytes(...word.elements))}\n`;
    case "held":
      return word.dealers.map((id) => `holds ${id}\n`).join("") +
        word.complaints.map(({ dealer, rule }) => `refuses ${dealer} ${rule}\n`).join("");
    case "ready":
      return "";
    default:
      return word satisfies never;
  }
}

function encodePlannedMember(member: PlannedMember): string {
  const { id, role, identifier, identityKey, channelKey, peerAddress, apiAddress } = member;
  return `${role} ${id} ${identifier} ${encodeHex(identityKey)} ${encodeHex(channelKey)} ` +
    `${peerAddress} ${apiAddress ?? "-"}\n`;
}

function sha256Hex(bytes: Uint8Array): string {
  return encodeHex(new Uint8Array(createHash("sha256").update(bytes).digest()));
}
