/**
 * What a cluster of n voters, t of which must sign, survives: a handful of subtractions that decide what an
 * operator gets from another machine, and that no operator should have to compute in the head.
 *
 * The formulas hold for n/2 < t <= n, which `lib/node` checks of every configuration: t voters are then a majority
 * as well, so nothing is asked of a majority that is not asked of t.
 *
 * @module
 */

/** How many voters there are, and how many must sign. */
export interface Quorum {
  /** How many voters there are: from 1. */
  readonly n: number;
  /** How many must sign: n/2 < threshold <= n. */
  readonly threshold: number;
}

/** How much may go wrong before a promise no longer holds. */
export interface Margins {
  /** Voters that may be down while the cluster still elects and writes: n - t. */
  readonly crashed: number;
  /** Voters that may lie while no term can have two certified leaders: 2t - n - 1. */
  readonly lying: number;
  /**
   * Voters that may vote against the log rule, or acknowledge what they did not store, while no
   * acknowledged write is lost: t + majority - n - 1. As long as none of them leads: a leader that
   * lies about the log is beyond every margin.
   */
  readonly lyingFollowers: number;
  /** Shares that may be lost for ever while the rest can still sign: n - t. */
  readonly sharesLost: number;
  /** So many shares together sign anything: a thief of so many is the cluster. */
  readonly sharesToForge: number;
}

/** How many of n are more than half: what a write needs, and the least that a threshold may be. */
export function majorityOf(n: number): number {
  return Math.floor(n / 2) + 1;
}

/** The margins of a cluster. */
export function marginsOf({ n, threshold }: Quorum): Margins {
  return {
    crashed: n - threshold,
    // Any two sets of t voters share at least 2t - n: one honest voter among them is enough.
    lying: 2 * threshold - n - 1,
    // The t who elect a leader and the majority who stored a write share one in the same way.
    lyingFollowers: threshold + majorityOf(n) - n - 1,
    sharesLost: n - threshold,
    sharesToForge: threshold,
  };
}

/** What an operator of such a cluster should know before it matters: whole sentences, worst first. */
export function marginWarnings({ n, threshold }: Quorum): readonly string[] {
  if (n === 1) return ["There is one node: with its folder, the data and the key are lost."];
  const warnings: string[] = [];
  if (threshold === n) {
    warnings.push(
      `All ${n} nodes must sign: one that is down stops every election, and one lost share loses ` +
        "the key for ever.",
    );
  }
  if (n % 2 === 0) warnings.push(describeEven({ n, threshold }));
  return warnings;
}

/** One node and one signer fewer survive as many crashes; the threshold is still enough. */
function describeEven({ n, threshold }: Quorum): string {
  const crashes = n - threshold === 1 ? "1 crash" : `${n - threshold} crashes`;
  return `An even number of nodes adds no crash margin: ${threshold} of ${n} tolerates ${crashes}, ` +
    `and so does ${threshold - 1} of ${n - 1}. The last node only makes room for one more liar.`;
}
