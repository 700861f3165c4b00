/**
 * Kills leaders just when they write a step of a change of the members.
 *
 * @module
 */

import type { Output } from "../../../lib/raft/mod.ts";
import { decodeReshareEntry, type ReshareEntry } from "../../../lib/reshare/mod.ts";
import type { Counters } from "../counters.ts";
import { COMMON_BOUNDARIES, type CrashPlan } from "../crash_plan.ts";
import type { Random } from "../random.ts";

/** The steps of a change, as the log has them. */
export const CHANGE_STEPS = [
  "begin",
  "deal",
  "held",
  "select",
  "ready",
  "proof",
  "configuration",
  "abort",
] as const satisfies readonly ReshareEntry["kind"][];

/** One of {@linkcode CHANGE_STEPS}. */
export type ChangeStep = typeof CHANGE_STEPS[number];

/** The leader's process is killed at one of the next boundaries, more or less often. */
export function killAtStep(
  { persist }: Output,
  { crashes, random, counters, share, step: only }: {
    readonly crashes: CrashPlan;
    readonly random: Random;
    readonly counters: Counters;
    /** How often. */
    readonly share: number;
    /** At which step; null for any. */
    readonly step: ChangeStep | null;
  },
): void {
  for (const { kind, data } of persist?.entries ?? []) {
    if (kind !== "resharing" && kind !== "configuration") continue;
    const step = decodeReshareEntry(data).kind;
    counters.count(`change.step.${step}`);
    if ((only ?? step) !== step || !random.chance(share)) continue;
    counters.count(`change.killed.${step}`);
    crashes.arm(random.pick(COMMON_BOUNDARIES), random);
  }
}
