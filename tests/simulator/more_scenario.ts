/**
 * What a seed stands for beyond faults: who uses all of the store, and how the members change.
 *
 * @module
 */

import { HISTORY_LIMITS, type StoreLimits } from "../../lib/kv/mod.ts";
import { MEMBER_LIES, type MemberLie } from "./members/member_lies.ts";
import type { ChangeStep } from "./members/step_killer.ts";
import type { Random } from "./random.ts";

/** What else clients do: all that the store has beyond single keys. */
export interface StoreScenario {
  /** How many clients send transactions and read ranges. */
  readonly clients: number;
  /** How many keep leases, and take locks with them. */
  readonly holders: number;
  /** After which part of its time to live a holder keeps its lease alive: of more than 1 it is too late. */
  readonly keepAliveShare: { readonly least: number; readonly most: number };
  /** How many watch. */
  readonly watchers: number;
  /** How many keys there are, and as many below each lock. */
  readonly keys: number;
  /** How long each waits between two requests, on average. */
  readonly thinkUsMean: number;
  /** How many changes history keeps; null for as many as a node does. */
  readonly historyChangesMax: number | null;
}

/** How the members of a run change. */
export interface MembersScenario {
  /** How many nodes there are that are no members in the beginning. */
  readonly joiners: number;
  /** The time between two things that operators ask for, on average. */
  readonly changeUsMean: number;
  /** How often the leader is killed just when it writes a step of a change. */
  readonly killShare: number;
  /** At which step; at any where there is none. */
  readonly killStep?: ChangeStep;
  /** How often a node's disk is full just when it writes a step of a change, or its shares. */
  readonly fullDiskShare: number;
  /** How often operators ask for a plan, and not for a single change. */
  readonly planShare: number;
  /** How one voter lies in changes; not at all where there is no lie. */
  readonly lies: readonly MemberLie[];
  /** Whether the liar tells its lies about signatures whenever it can, and never stops. */
  readonly liesForEver: boolean;
}

/** Now and then it is too late. */
export const KEEP_ALIVE_SHARE: StoreScenario["keepAliveShare"] = { least: 0.25, most: 1.05 };

/** How many of the runs that can change their members do. */
const MEMBERS_SHARE = 0.5;
/** In half of the runs, so that the others stay as quick as they are. */
export function drawStore(random: Random): StoreScenario | null {
  if (random.chance(0.5)) return null;
  return {
    clients: random.between(1, 2),
    holders: random.between(0, 2),
    keepAliveShare: KEEP_ALIVE_SHARE,
    watchers: random.between(1, 2),
    keys: random.pick([2, 4, 8]),
    thinkUsMean: random.pick([50_000, 200_000]),
    historyChangesMax: random.pick([null, null, 10, 40]),
  };
}

/** In a quarter of all runs: those of few voters, none of whom lies. */
export function drawMembers(
  random: Random,
  { size, liars }: { readonly size: number; readonly liars: number },
): MembersScenario | null {
  if (liars > 0 || size < 3 || size > 5 || !random.chance(MEMBERS_SHARE)) return null;
  return {
    joiners: random.between(1, 3),
    changeUsMean: random.pick([300_000, 1_000_000]),
    killShare: random.pick([0, 0.05, 0.2]),
    fullDiskShare: random.pick([0, 0, 0.01, 0.05]),
    planShare: random.pick([0, 0.3, 1]),
    lies: random.chance(0.5) ? [] : random.shuffled(MEMBER_LIES).slice(0, 3),
    liesForEver: random.chance(0.3),
  };
}

/** How much a node's store keeps besides its keys. */
export function storeLimitsOf(
  { rememberedEntries, store }: {
    readonly rememberedEntries: number | null;
    readonly store: StoreScenario | null;
  },
): StoreLimits {
  const changesMax = store?.historyChangesMax ?? HISTORY_LIMITS.changesMax;
  const history = { ...HISTORY_LIMITS, changesMax };
  if (rememberedEntries === null) return { history };
  return { history, memory: { entriesMax: rememberedEntries, bytesMax: Infinity } };
}
