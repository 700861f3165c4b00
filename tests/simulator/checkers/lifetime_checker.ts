/**
 * Clients' leases: none ends before its time to live is over since it was last kept alive, whatever
 * happens to leaders and clocks; and one that has ended is gone.
 *
 * @module
 */

import { type AppliedEntry, type Command, decodeCommand } from "../../../lib/kv/mod.ts";
import type { Entry } from "../../../lib/raft/mod.ts";
import { require } from "../violation.ts";

/** What the checker must know of clocks. */
export interface LifetimeClocks {
  /** The time. */
  readonly nowUs: () => number;
  /** The shortest that a lease of so many seconds lives, by any node's clock. */
  readonly lifeUsMin: (ttlSeconds: number) => number;
  /** How much earlier a lease may end because clocks jumped since then. */
  readonly jumpedUs: (sinceUs: number) => number;
}

interface Lifetime {
  readonly ttlSeconds: number;
  /** When the newest attempt to keep it alive that was answered began. */
  keptAliveUs: number;
  /** When it was seen to end; null while it was not. */
  endedUs: number | null;
  isRevoked: boolean;
}

/** See the module. */
export class LifetimeChecker {
  readonly #clocks: LifetimeClocks;
  readonly #leases = new Map<number, Lifetime>();
  readonly #ended = new Map<number, number>();
  #appliedIndex = 0;

  /** There is no lease yet. */
  constructor(clocks: LifetimeClocks) {
    this.#clocks = clocks;
  }

  /** Until when a lease that was kept alive at that time lives at least. */
  livesUntilUs(ttlSeconds: number, keptAliveUs: number): number {
    return keptAliveUs + this.#clocks.lifeUsMin(ttlSeconds) - this.#clocks.jumpedUs(keptAliveUs);
  }

  /** A client was told that its lease is there, or that it is kept alive: it had asked at `askedUs`. */
  keptAlive(
    { id, ttlSeconds }: { readonly id: number; readonly ttlSeconds: number },
    askedUs: number,
  ): void {
    const known = this.#leases.get(id);
    const lease = known ?? {
      ttlSeconds,
      keptAliveUs: askedUs,
      endedUs: this.#ended.get(id) ?? null,
      isRevoked: false,
    };
    require(
      lease.endedUs === null || lease.endedUs >= askedUs,
      "A lease that has ended is gone",
      () => {
        return `lease ${id} ended at ${lease.endedUs}, and is said to live by an answer to ${askedUs}`;
      },
    );
    lease.keptAliveUs = Math.max(lease.keptAliveUs, askedUs);
    this.#leases.set(id, lease);
    this.#checkEnd(id, lease);
  }

  /** A client was told that its lease is gone. */
  lost(id: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.isRevoked) return;
    this.#checkTime(id, lease, this.#clocks.nowUs());
  }

  /** A client is about to end its lease itself. */
  revoking(id: number): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) lease.isRevoked = true;
  }

  /**
   * Entries were applied somewhere; only the first time counts. `isOver` says whether the store that they
   * were applied to has a lease no more, or ends it: what an entry did is not concluded from what it says.
   */
  applied(
    entries: readonly Entry[],
    outcomes: readonly AppliedEntry[],
    isOver: (id: number) => boolean,
  ): void {
    entries.forEach((entry, at) => {
      if (entry.index <= this.#appliedIndex) return;
      this.#appliedIndex = entry.index;
      const outcome = outcomes[at];
      if (outcome?.kind !== "command") return;
      const { kind } = outcome.result;
      if (kind !== "leasesExpired" && kind !== "leaseRevoked") return;
      for (const id of namedBy(decodeCommand(entry.data))) if (isOver(id)) this.#end(id);
    });
  }

  #end(id: number): void {
    const endedUs = this.#clocks.nowUs();
    if (!this.#ended.has(id)) this.#ended.set(id, endedUs);
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.endedUs !== null) return;
    lease.endedUs = endedUs;
    this.#checkEnd(id, lease);
  }

  #checkEnd(id: number, lease: Lifetime): void {
    if (lease.endedUs !== null && !lease.isRevoked) this.#checkTime(id, lease, lease.endedUs);
  }

  #checkTime(id: number, { ttlSeconds, keptAliveUs }: Lifetime, endedUs: number): void {
    const livesUntilUs = this.livesUntilUs(ttlSeconds, keptAliveUs);
    require(endedUs >= livesUntilUs, "No lease ends early", () => {
      return `lease ${id} of ${ttlSeconds} s was kept alive at ${keptAliveUs} and ended at ` +
        `${endedUs}, not at ${livesUntilUs} or later`;
    });
  }
}

function namedBy(command: Command): readonly number[] {
  if (command.kind === "revokeLease") return [command.id];
  return command.kind === "expireLeases" ? command.ids : [];
}
