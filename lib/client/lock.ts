/**
 * Locks and elections for applications. The oldest claim holds the lock. A claim is a key that is attached
 * to a lease, so it is deleted when its client no longer keeps the lease alive.
 *
 * @module
 */

import { checkLockName, isClaim, lockKey } from "../kv/lock.ts";
import { keyFields } from "../request.ts";
import type { TransactionAnswerBody } from "../wire/mod.ts";
import type { Clock } from "./client.ts";
import { ClientError } from "./failure.ts";
import type { StoreClient } from "./store.ts";
import { type Bytes, type Row, toBytes, toRow } from "./values.ts";

/** The settings of a lock. */
export interface LockOptions {
  /** How long the lock is kept after its holder has died: whole seconds, 1 to 86,400. */
  readonly ttlSeconds: number;
  /** The value of the claim, which other clients can read; empty by default. */
  readonly value?: Bytes;
  /** Ends the wait for the lock. */
  readonly signal: AbortSignal;
  /** The clock for keepalives and pauses. */
  readonly clock: Clock;
}

/** A lock that this process holds. */
export interface HeldLock {
  /** The lease of its key. */
  readonly lease: number;
  /** The revision of its claim, for the condition `fence` of a transaction. */
  readonly fence: number;
  /** Aborted when the lock may be lost. */
  readonly lost: AbortSignal;
  /** Releases the lock. */
  release(): Promise<void>;
}

/** The interval of keepalives, as a share of the lease's time. */
const KEEP_SHARE = 1 / 3;
/**
 * If no keepalive succeeds for this share of the lease's time, the holder counts its lock as lost. In the
 * rest of the time it can stop its work.
 */
const LOST_SHARE = 2 / 3;

/**
 * Waits until this process holds a lock. Clients get the lock in the order of their claims.
 *
 * @throws {ClientError} when the cluster does not answer, or the lease is lost during the wait.
 */
export async function acquireLock(
  store: StoreClient,
  name: Bytes,
  options: LockOptions,
): Promise<HeldLock> {
  const lockName = toBytes(name);
  checkLockName(lockName);
  const askedMs = options.clock.now();
  const { id: lease } = await store.grantLease(options.ttlSeconds);
  const keeper = new LeaseKeeper(store, { lease, askedMs, ...options });
  const held = { store, name: lockName, lease, keeper };
  try {
    const fence = await waitForTurn(held, options);
    return { lease, fence, lost: keeper.lost, release: () => release(held) };
  } catch (error) {
    await release(held).catch(() => {});
    throw error;
  }
}

interface Claim {
  readonly store: StoreClient;
  readonly name: Uint8Array;
  readonly lease: number;
  readonly keeper: LeaseKeeper;
}

async function waitForTurn(claim: Claim, { value = "", signal }: LockOptions): Promise<number> {
  const { store, keeper } = claim;
  const either = AbortSignal.any([signal, keeper.lost]);
  while (true) {
    const { revision, own, before } = await askForTurn(claim, toBytes(value));
    if (before === null) return own;
    // The claim before this one ends when its key is deleted.
    const watch = store.watch({ key: before.key }, {
      fromRevision: revision + 1,
      only: ["delete", "expire"],
      signal: either,
    });
    for await (const _gone of watch) break;
    signal.throwIfAborted();
    if (keeper.lost.aborted) throw lost();
  }
}

/** Makes the claim, unless it exists, and finds the claim before it. */
async function askForTurn(
  { store, name, lease }: Claim,
  value: Uint8Array,
): Promise<{ readonly revision: number; readonly own: number; readonly before: Row | null }> {
  const key = lockKey(name, lease);
  const claims = {
    range: {
      ...prefixFields(name),
      keysOnly: true,
      sortBy: "createRevision",
    },
  } as const;
  const put = {
    ...keyFields(key),
    value: new Uint8Array(value).toBase64(),
    encoding: "base64",
    lease,
  } as const;
  const answer = await store.transact({
    if: [{ ...keyFields(key), exists: false }],
    then: [{ put }],
  });
  const read = await store.transact({ then: [claims] });
  const found = claimsOf(read, name);
  const own = found.find((row) => row.lease === lease)?.createRevision;
  if (own === undefined) throw lost();
  const before = found.filter(({ createRevision }) => createRevision < own).at(-1) ?? null;
  return { revision: Math.max(answer.revision, read.revision), own, before };
}

/** The claims to a lock in an answer, the oldest first, without the claims to locks with longer names. */
function claimsOf({ results }: TransactionAnswerBody, name: Uint8Array): readonly Row[] {
  return (results[0]?.range?.items ?? []).map(toRow)
    .filter(({ key, lease }) => isClaim({ name, key, lease }));
}

/** The present holder of a lock: the oldest claim, with its value. */
export async function findHolder(store: StoreClient, name: Bytes): Promise<Row | null> {
  const lockName = toBytes(name);
  const range = { ...prefixFields(lockName), sortBy: "createRevision" } as const;
  return claimsOf(await store.transact({ then: [{ range }] }), lockName)[0] ?? null;
}

function prefixFields(name: Uint8Array) {
  const { key: prefix, keyEncoding } = keyFields(new Uint8Array([...name, SLASH]));
  return keyEncoding === undefined ? { prefix } : { prefix, keyEncoding };
}

const SLASH = 0x2f;

async function release({ store, lease, keeper }: Claim): Promise<void> {
  keeper.stop();
  await store.revokeLease(lease);
}

function lost(): ClientError {
  return new ClientError("unavailable", "The lease of the lock was lost while waiting for it");
}

/** Keeps a lease alive until it is stopped, or the lease is lost. */
class LeaseKeeper {
  readonly #store: StoreClient;
  readonly #lease: number;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  #isStopped = false;
  /** When the last successful keepalive was sent. The lease lives for its time from then on. */
  #confirmedMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #alarm: ReturnType<typeof setTimeout> | undefined;

  constructor(
    store: StoreClient,
    { lease, askedMs, ttlSeconds, clock }: {
      readonly lease: number;
      readonly askedMs: number;
      readonly ttlSeconds: number;
      readonly clock: Clock;
    },
  ) {
    this.#store = store;
    this.#lease = lease;
    this.#ttlMs = ttlSeconds * 1_000;
    this.#clock = clock;
    this.#confirmedMs = askedMs;
    this.#watch();
    this.#schedule();
  }

  /** Aborted when the lease may have ended, or may end soon. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#alarm);
  }

  /** Counts the lease as lost when its time is over, even while a keepalive is running. */
  #watch(): void {
    const leftMs = this.#confirmedMs + this.#ttlMs * LOST_SHARE - this.#clock.now();
    if (leftMs <= 0) return this.#lose();
    this.#alarm = setTimeout(() => this.#watch(), leftMs);
  }

  #schedule(): void {
    this.#timer = setTimeout(() => void this.#keep(), this.#ttlMs * KEEP_SHARE);
  }

  async #keep(): Promise<void> {
    const sentMs = this.#clock.now();
    try {
      await this.#store.keepLease(this.#lease);
      this.#confirmedMs = sentMs;
    } catch (error) {
      // An unavailable cluster can be available again before the time is over.
      const isGone = !(error instanceof ClientError) || error.kind !== "unavailable";
      if (isGone) return this.#lose();
    }
    if (!this.#isStopped && !this.#lost.signal.aborted) this.#schedule();
  }

  #lose(): void {
    if (this.#isStopped) return;
    this.stop();
    this.#lost.abort();
  }
}
