/**
 * What a cluster can do now, from what all its nodes say together. The margins by design are in `margins.ts`.
 *
 * @module
 */

import { majorityOf, type Quorum } from "./margins.ts";

/** One voter, as far as any answer shows. */
export interface VoterState {
  /** The voter. */
  readonly id: string;
  /** Whether it answered, or a node that answered is connected to it. */
  readonly isUp: boolean;
  /** Whether its share of the key is known to be lost for ever. */
  readonly isShareLost: boolean;
  /** What it says is wrong with it; null when nothing is known. */
  readonly trouble: string | null;
}

/** The state of a cluster, in one word. */
export type Health = "healthy" | "degraded" | "writesOnly" | "noQuorum" | "keyLost";

/** The state of a cluster. */
export interface Verdict {
  /** In one word, for programs. */
  readonly health: Health;
  /** In words, for people: who is down, and what the next loss would stop. */
  readonly words: string;
  /** How many more voters can be lost now while the rest can still write and elect a leader. */
  readonly canLose: number;
}

/** As people read them. */
export const HEALTH_NAMES: Readonly<Record<Health, string>> = {
  healthy: "HEALTHY",
  degraded: "DEGRADED",
  writesOnly: "WRITES ONLY",
  noQuorum: "NO QUORUM",
  keyLost: "KEY LOST",
};

/** Judges a cluster. `leader` is the node that leads, as those that answered say; null when none is known. */
export function judgeCluster(
  { threshold, voters, leader }: {
    readonly threshold: number;
    readonly voters: readonly VoterState[];
    readonly leader: string | null;
  },
): Verdict {
  const counts = count({ threshold, voters });
  const { n, live, signers, sharesLeft, canLose } = counts;
  const missing = describeMissing(voters);
  const isLed = voters.some(({ id, isUp }) => id === leader && isUp);
  if (sharesLeft < threshold) {
    const words =
      `${sharesLeft} of ${n} shares are left and ${threshold} must sign: no leader can ` +
      "ever be elected again. Save the data (floe export), and import them into a new cluster";
    return { health: "keyLost", words, canLose: 0 };
  }
  if (signers < threshold) {
    const lack = `${missing}. ${signers} can sign and ${threshold} must`;
    return isLed && live >= majorityOf(n)
      ? {
        health: "writesOnly",
        words: `${lack}: ${leader} still writes, and no node could succeed it`,
        canLose: 0,
      }
      : {
        health: "noQuorum",
        words: `${lack}: no leader can be elected, and nothing written`,
        canLose: 0,
      };
  }
  const next = describeNext(counts, threshold);
  const faults = [missing, ...(isLed ? [] : ["no leader is known: an election is due"])]
    .filter((fault) => fault !== "");
  if (faults.length > 0) {
    return { health: "degraded", words: `${faults.join("; ")}. ${next}`, canLose };
  }
  return { health: "healthy", words: `all ${n} voters are up. ${next}`, canLose };
}

interface Counts {
  readonly n: number;
  /** Voters that are up. */
  readonly live: number;
  /** Those of them that hold a share. */
  readonly signers: number;
  /** Shares that are not known to be lost: one of a voter that is down comes back with it. */
  readonly sharesLeft: number;
  readonly canLose: number;
}

function count(
  { threshold, voters }: { readonly threshold: number; readonly voters: readonly VoterState[] },
): Counts {
  const n = voters.length;
  const live = voters.filter(({ isUp }) => isUp).length;
  const signers = voters.filter(({ isUp, isShareLost }) => isUp && !isShareLost).length;
  const sharesLeft = voters.filter(({ isShareLost }) => !isShareLost).length;
  const canLose = Math.max(0, Math.min(signers - threshold, live - majorityOf(n)));
  return { n, live, signers, sharesLeft, canLose };
}

function describeMissing(voters: readonly VoterState[]): string {
  const listed = (wanted: readonly VoterState[], what: string) => {
    const names = wanted.map(({ id }) => id);
    if (names.length === 0) return [];
    return [`${names.join(", ")} ${names.length === 1 ? "is" : "are"} ${what}`];
  };
  return [
    ...listed(voters.filter(({ isUp, isShareLost }) => !isUp && !isShareLost), "down"),
    ...listed(voters.filter(({ isShareLost }) => isShareLost), "without a share"),
    ...listed(voters.filter(({ isUp, trouble }) => isUp && trouble !== null), "in trouble"),
  ].join("; ");
}

/** What the next loss stops, or how many more make no difference. */
function describeNext({ n, live, canLose }: Counts, threshold: Quorum["threshold"]): string {
  if (canLose > 0) {
    return canLose === 1 ? "1 more can be lost" : `${canLose} more can be lost`;
  }
  return live - 1 < majorityOf(n)
    ? "The next loss stops all writes"
    : `The next loss stops elections: ${threshold} must sign`;
}
