/**
 * Whether a process that lives on under the same load comes to hold more and more.
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
  };
}

function medianOf(samples: readonly Usage[]): Usage {
  const median = (what: keyof Usage) => {
    const values = samples.map((sample) => sample[what]).sort((left, right) => left - right);
    return values[Math.floor(values.length / 2)] ?? 0;
  };
  return { rssBytes: median("rssBytes"), fds: median("fds") };
}
