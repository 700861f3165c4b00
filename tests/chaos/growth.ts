/**
 * Whether a process that lives on under the same load comes to hold more and more.
 *
 * Resident memory is not what a program holds. Traced in a run of 150 seconds, a node's live heap after
 * each collection went from 19.0 to 20.1 MB while its resident memory went from 95 to 203 MiB: in one step
 * when the thread that makes snapshots started, and then up and down by 20. A runtime warms up, and gives
 * little back. So a step is no growth, and neither is a process that has not lived for minutes: memory
 * grows only if the least that was held rises from each part of a long life to the next.
 *
 * @module
 */

import type { Usage } from "./resources.ts";

/** What a process held at one moment. */
export interface Sample extends Usage {
  /** Which process. */
  readonly pid: number;
}

/** What one process held, early and late in its life under load: medians. */
export interface Growth {
  /** How many times it was looked at. */
  readonly samples: number;
  /** In the second fifth of that time: in the first one it warms up. */
  readonly early: Usage;
  /** In the last fifth. */
  readonly late: Usage;
  /** The least resident memory in each fifth but the first. */
  readonly rssFloors: readonly number[];
}

/** In a shorter life memory tells nothing: a sample is a second. */
const MEMORY_SAMPLES_MIN = 100;

/** Whether the least memory held rises by `stepBytes` or more from each fifth of a long life to the next. */
export function isMemoryGrowing({ samples, rssFloors }: Growth, stepBytes: number): boolean {
  if (samples < MEMORY_SAMPLES_MIN) return false;
  return rssFloors.every((floor, at) => {
    const before = rssFloors[at - 1];
    return before === undefined || floor >= before + stepBytes;
  });
}

/** Fewer looks than this tell nothing. */
const SAMPLES_MIN = 25;

/** What the last process in `samples`, oldest first, held early and late; null if it lived too short. */
export function findGrowth(samples: readonly Sample[]): Growth | null {
  const pid = samples.at(-1)?.pid;
  const own = samples.filter((sample) => sample.pid === pid);
  if (own.length < SAMPLES_MIN) return null;
  const fifth = Math.floor(own.length / 5);
  return {
    samples: own.length,
    early: medianOf(own.slice(fifth, 2 * fifth)),
    late: medianOf(own.slice(-fifth)),
    rssFloors: [1, 2, 3, 4].map((part) => {
      return Math.min(
        ...own.slice(part * fifth, (part + 1) * fifth).map(({ rssBytes }) => rssBytes),
      );
    }),
  };
}

function medianOf(samples: readonly Usage[]): Usage {
  const median = (what: keyof Usage) => {
    const values = samples.map((sample) => sample[what]).sort((left, right) => left - right);
    return values[Math.floor(values.length / 2)] ?? 0;
  };
  return { rssBytes: median("rssBytes"), fds: median("fds") };
}
