/**
 * etcd's services Lock and Election. They use the same keys as the locks and elections of etcd's clients: a
 * client that wants one puts the key `NAME/LEASE` and attaches it to its lease, and the key that was created
 * first has it.
 *
 * @module
 */

import { InvariantError } from "../assert.ts";
import {
  acquireTransaction,
  type KeyRange,
  type KeyValueRow,
  lockKey,
  lockKeys,
  type PutOperation,
  releaseTransaction,
  singleKey,
  type StoreView,
  type Transaction,
} from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { admitAccess, admitRead, type Call, TIMEOUT_MS, turn } from "./call.ts";
import type { ClusterIdentity } from "./cluster_identity.ts";
import { EtcdError, refuse } from "./errors.ts";
import type { KvService } from "./kv.ts";
import { drawLeaseId } from "./lease.ts";
import type { LeaderKey, LeaderResponse, ResponseHeader } from "./messages.ts";
import { toKeyValue } from "./ranges.ts";

/** The time to live of the lease that a request without a lease gets, as in etcd's own sessions. */
const SESSION_TTL_SECONDS = 60;

/** A claim to a lock or to the leadership. */
interface Claim {
  readonly name: Uint8Array;
  readonly lease: number;
  readonly key: Uint8Array;
  /** The revision at which its key was created. */
  readonly fence: number;
  /** The store's revision after the claim was made or found. */
  readonly revision: number;
  /** Whether the key existed before. */
  readonly isOld: boolean;
}

/** The parts of both services. */
interface ClaimParts {
  readonly node: NodeApi;
  readonly identity: ClusterIdentity;
  /** Runs the transactions. */
  readonly kv: KvService;
}

interface OnlyHeader {
  readonly header: ResponseHeader;
}

/** etcd's service Lock. */
export class LockService {
  readonly #parts: ClaimParts;

  /** `parts` are used as they are. */
  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /** Waits for a lock. Its key exists until it is unlocked, or its lease ends. */
  async lock(
    { name, lease }: { readonly name: Uint8Array; readonly lease: number },
    call: Call,
  ): Promise<OnlyHeader & { readonly key: Uint8Array }> {
    const claim = await makeClaim(this.#parts, { name, lease, value: NO_BYTES }, call);
    await waitForTurn(this.#parts, claim, call);
    const view = await this.#parts.kv.view(false);
    if (view.get(claim.key)?.createRevision !== claim.fence) {
      throw new EtcdError("unknown", "mutex: session is expired");
    }
    return { header: this.#parts.identity.header(view.revision), key: claim.key };
  }

  /** Releases a lock. */
  async unlock({ key }: { readonly key: Uint8Array }, call: Call): Promise<OnlyHeader> {
    const request = { key, range_end: NO_BYTES, prev_kv: false };
    const { header = {} } = await this.#parts.kv.deleteRange(request, call);
    return { header };
  }
}

/** etcd's service Election. */
export class ElectionService {
  readonly #parts: ClaimParts;

  /** `parts` are used as they are. */
  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /** Waits until the caller leads. */
  async campaign(
    { name, lease, value }: {
      readonly name: Uint8Array;
      readonly lease: number;
      readonly value: Uint8Array;
    },
    call: Call,
  ): Promise<OnlyHeader & { readonly leader: LeaderKey }> {
    const claim = await makeClaim(this.#parts, { name, lease, value }, call);
    const leader = { name, key: claim.key, rev: claim.fence, lease: claim.lease };
    if (claim.isOld) await this.proclaim({ leader, value }, call);
    await waitForTurn(this.#parts, claim, call);
    return { header: this.#parts.identity.header(claim.revision), leader };
  }

  /** Changes the leader's value. */
  async proclaim(
    { leader, value }: { readonly leader: LeaderKey | undefined; readonly value: Uint8Array },
    call: Call,
  ): Promise<OnlyHeader> {
    if (leader === undefined) throw refuse("missingLeaderKey");
    const { key, lease } = leader;
    const put: PutOperation = { kind: "put", key, value, lease, isPreviousWanted: false };
    const { answer, revision } = await this.#asLeader(leader, put, call);
    if (!answer.succeeded) throw refuse("electionNotLeader");
    return { header: this.#parts.identity.header(revision) };
  }

  /** Gives up the leadership, if the caller has it. */
  async resign(
    { leader }: { readonly leader: LeaderKey | undefined },
    call: Call,
  ): Promise<OnlyHeader> {
    if (leader === undefined) throw refuse("missingLeaderKey");
    const keys = singleKey(leader.key);
    const remove = { kind: "delete", keys, isPreviousWanted: false } as const;
    const { revision } = await this.#asLeader(leader, remove, call);
    return { header: this.#parts.identity.header(revision) };
  }

  /** The present leader. */
  async leader({ name }: { readonly name: Uint8Array }, call: Call): Promise<LeaderResponse> {
    admitRead(call, lockKeys(name));
    const view = await this.#parts.kv.view(false);
    const row = await firstClaim(view, name);
    if (row === null) throw refuse("electionNoLeader");
    return { header: this.#parts.identity.header(view.revision), kv: toKeyValue(row) };
  }

  /** The leader and its value, now and after each change. */
  async *observe(
    { name }: { readonly name: Uint8Array },
    call: Call,
  ): AsyncGenerator<LeaderResponse, void> {
    const keys = lockKeys(name);
    let shownRevision = 0;
    while (!call.signal.aborted) {
      admitRead(call, keys);
      const view = await this.#parts.kv.view(false);
      const row = await firstClaim(view, name);
      const { revision } = view;
      if (row !== null && row.modRevision !== shownRevision) {
        shownRevision = row.modRevision;
        yield { header: this.#parts.identity.header(revision), kv: toKeyValue(row) };
      }
      const fromRevision = revision + 1;
      await nextChange(this.#parts.node, { keys, fromRevision, without: [] }, call.signal);
    }
  }

  #asLeader(
    { key, rev }: LeaderKey,
    operation: Transaction["success"][number],
    call: Call,
  ): ReturnType<KvService["write"]> {
    const keys = singleKey(key);
    admitAccess(call, { reads: [keys], writes: [keys] });
    const number = Number.isSafeInteger(rev) && rev >= 0 ? rev : Number.MAX_SAFE_INTEGER;
    return this.#parts.kv.write({
      conditions: [{ target: "createRevision", keys, relation: "=", number }],
      success: [operation],
      failure: [],
    });
  }
}

/** Puts the key of a claim, or finds the existing key. A request without a lease gets a new one. */
async function makeClaim(
  { node, kv }: ClaimParts,
  { name, lease: wanted, value }: {
    readonly name: Uint8Array;
    readonly lease: number;
    readonly value: Uint8Array;
  },
  call: Call,
): Promise<Claim> {
  admitAccess(call, { reads: [lockKeys(name)], writes: [lockKeys(name)] });
  if (!Number.isSafeInteger(wanted) || wanted < 0) throw refuse("leaseNotFound");
  const lease = wanted === 0 ? await grantSession(node) : wanted;
  const { answer, revision } = await kv.write(acquireTransaction({ name, lease, value }));
  const [own] = answer.answers;
  const key = lockKey(name, lease);
  if (own?.kind === "put") {
    return { name, lease, key, fence: own.createRevision, revision, isOld: false };
  }
  const row = own?.kind === "range" ? own.rows[0] : undefined;
  if (row === undefined) throw new InvariantError("the claim was neither put nor found");
  return { name, lease, key, fence: row.createRevision, revision, isOld: true };
}

async function grantSession(node: NodeApi): Promise<number> {
  const id = drawLeaseId();
  const command = { kind: "grantLease", id, ttlSeconds: SESSION_TTL_SECONDS } as const;
  const { result } = await node.write(command, { timeoutMs: TIMEOUT_MS });
  if (result.kind !== "leaseGranted") throw refuse("tooManyRequests");
  return id;
}

/** Waits until there is no older claim. A client that stops waiting gives up its claim. */
async function waitForTurn(parts: ClaimParts, claim: Claim, call: Call): Promise<void> {
  try {
    await waitForOlder(parts, claim, call.signal);
  } catch (error) {
    await parts.kv.write(releaseTransaction(claim)).catch(() => {});
    throw error;
  }
}

/** Each client waits for the claim before its own, so that the end of one claim wakes one client. */
async function waitForOlder(
  { node, kv }: ClaimParts,
  { name, fence }: Claim,
  signal: AbortSignal,
): Promise<void> {
  while (true) {
    if (signal.aborted) throw new EtcdError("canceled", "etcdserver: request canceled");
    const view = await kv.view(false);
    const before = await lastBefore(view, lockKeys(name), fence);
    if (before === null) return;
    const keys = singleKey(before.key);
    await nextChange(node, { keys, fromRevision: view.revision + 1, without: ["put"] }, signal);
  }
}

/** The claims of a lock or an election. Etcd's clients treat every key below its name as a claim. */
async function* claimsOf(view: StoreView, keys: KeyRange): AsyncGenerator<KeyValueRow, void> {
  const read = view.range({ keys });
  while (true) {
    const slice = read.next();
    if (slice.kind !== "slice") throw refuse("compacted");
    for (const item of slice.items) if (item.kind === "row") yield item.row;
    if (slice.isDone) return;
    await turn();
  }
}

async function firstClaim(view: StoreView, name: Uint8Array): Promise<KeyValueRow | null> {
  let first: KeyValueRow | null = null;
  for await (const row of claimsOf(view, lockKeys(name))) {
    if (first === null || row.createRevision < first.createRevision) first = row;
  }
  return first;
}

async function lastBefore(
  view: StoreView,
  keys: KeyRange,
  fence: number,
): Promise<KeyValueRow | null> {
  let last: KeyValueRow | null = null;
  for await (const row of claimsOf(view, keys)) {
    if (row.createRevision >= fence) continue;
    if (last === null || row.createRevision > last.createRevision) last = row;
  }
  return last;
}

/** Resolves when something changed, or may have changed. The caller then reads again. */
async function nextChange(
  node: NodeApi,
  query: Parameters<NodeApi["watch"]>[0],
  signal: AbortSignal,
): Promise<void> {
  const changed = Promise.withResolvers<void>();
  const watcher = node.watch(query, () => changed.resolve());
  if ("kind" in watcher) {
    if (watcher.kind === "tooMany") throw refuse("tooManyRequests");
    return;
  }
  const onAbort = () => changed.resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      const taken = watcher.take();
      if (taken.kind === "closed") throw refuse("stopped");
      if (taken.kind === "compacted" || taken.events.length > 0) return;
      await (taken.hasMore ? turn() : changed.promise);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    watcher.end();
  }
}

const NO_BYTES = new Uint8Array(0);
