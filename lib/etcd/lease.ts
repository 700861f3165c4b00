/**
 * etcd's service Lease.
 *
 * @module
 */

import { InvariantError } from "../assert.ts";
import { checkLeaseTtl, LEASE_TTL_SECONDS_MAX, singleKey, type StoreView } from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { admitRead, admitScope, type Call, type EtcdCaller, TIMEOUT_MS, turn } from "./call.ts";
import type { ClusterIdentity } from "./cluster_identity.ts";
import { EtcdError, refuse } from "./errors.ts";
import type { LeaseKeepAliveResponse, LeaseRequest, ResponseHeader } from "./messages.ts";

/** Most keys of a lease that are shown. */
const LEASE_KEYS_MAX = 10_000;
/** So many leases are looked at before other work has its turn. */
const LEASES_PER_TURN = 1_000;

/** etcd's service Lease. */
export class LeaseService {
  readonly #node: NodeApi;
  readonly #identity: ClusterIdentity;

  /** Sends commands and requests to `node`. */
  constructor(node: NodeApi, identity: ClusterIdentity) {
    this.#node = node;
    this.#identity = identity;
  }

  /** Makes a lease. */
  async grant(
    { ID, TTL }: { readonly ID: number; readonly TTL: number },
    call: Call,
  ): Promise<{ readonly header: ResponseHeader; readonly ID: number; readonly TTL: number }> {
    admitScope(call, "write");
    if (TTL > LEASE_TTL_SECONDS_MAX) throw refuse("leaseTtlTooLarge");
    const id = ID === 0 ? drawLeaseId() : ID;
    if (!isLeaseId(id)) {
      throw new EtcdError(
        "invalidArgument",
        "etcdserver: Floe's lease ids are from 1 to 2^53 - 1; 0 lets the node choose one",
      );
    }
    // etcd replaces a time that is too short by the shortest possible one.
    const ttlSeconds = Math.max(1, TTL);
    checkLeaseTtl(ttlSeconds);
    const command = { kind: "grantLease", id, ttlSeconds } as const;
    const { result } = await this.#node.write(command, { timeoutMs: TIMEOUT_MS });
    if (result.kind === "leaseRefused") {
      throw refuse(result.reason === "exists" ? "leaseExists" : "tooManyRequests");
    }
    return { header: this.#identity.header(result.revision), ID: id, TTL: ttlSeconds };
  }

  /** Ends a lease and deletes its keys. */
  async revoke({ ID }: LeaseRequest, call: Call): Promise<{ readonly header: ResponseHeader }> {
    admitScope(call, "write");
    if (!isLeaseId(ID)) throw refuse("leaseNotFound");
    await this.#admitLease(ID, call);
    let answer = await this.#revokeOnce(ID);
    if (!answer.wasThere) throw refuse("leaseNotFound");
    // One entry ends so many keys and no more. etcd answers when all of them are gone.
    while (answer.keysLeft > 0) answer = await this.#revokeOnce(ID);
    return { header: this.#identity.header(answer.revision) };
  }

  async #revokeOnce(id: number) {
    const command = { kind: "revokeLease", id } as const;
    const { result } = await this.#node.write(command, { timeoutMs: TIMEOUT_MS });
    if (result.kind === "leaseRevoked") return result;
    throw new InvariantError(`the result of a revoked lease is a ${result.kind}`);
  }

  /** Keeps leases alive, one after the other. For a lease that does not exist the answer is 0 seconds. */
  async *keepAlive(
    requests: AsyncIterable<LeaseRequest>,
    call: Call,
  ): AsyncGenerator<LeaseKeepAliveResponse, void> {
    for await (const { ID } of requests) {
      if (call.signal.aborted) return;
      admitScope(call, "write");
      const header = await this.#identity.headerNow();
      yield { header, ID, TTL: await this.#keepOne(ID) };
    }
  }

  async #keepOne(id: number): Promise<number> {
    if (!isLeaseId(id)) return 0;
    const answer = await this.#node.keepAlive(id, { timeoutMs: TIMEOUT_MS });
    return answer.kind === "lease" ? answer.lease.ttlSeconds : 0;
  }

  /** The remaining time of a lease. */
  async timeToLive(
    { ID, keys: wantsKeys }: { readonly ID: number; readonly keys: boolean },
    call: Call,
  ): Promise<LeaseTimes> {
    admitScope(call, "read");
    const answer = isLeaseId(ID)
      ? await this.#node.leaseTimes(ID, { timeoutMs: TIMEOUT_MS })
      : { kind: "leaseNotFound" } as const;
    const view = await this.#node.view({ consistency: "linearizable", timeoutMs: TIMEOUT_MS });
    const header = this.#identity.header(view.revision);
    if (answer.kind === "leaseNotFound") return { header, ID, TTL: -1 };
    const keys = wantsKeys ? view.leaseKeys(ID, LEASE_KEYS_MAX) : [];
    for (const key of keys) admitRead(call, singleKey(key));
    return {
      header,
      ID,
      TTL: answer.secondsLeft,
      grantedTTL: answer.lease.ttlSeconds,
      keys,
    };
  }

  /** Every lease that the caller may see. */
  async leases(_request: object, call: Call): Promise<Leases> {
    admitScope(call, "read");
    const view = await this.#node.view({ consistency: "linearizable", timeoutMs: TIMEOUT_MS });
    const caller = call.caller();
    const leases: { readonly ID: number }[] = [];
    let lookedAt = 0;
    for (const { id } of view.leases()) {
      if (++lookedAt % LEASES_PER_TURN === 0) await turn();
      if (maySee(view, caller, id)) leases.push({ ID: id });
    }
    return { header: this.#identity.header(view.revision), leases };
  }

  /** A token with prefixes cannot end a lease that has keys of others. */
  async #admitLease(id: number, call: Call): Promise<void> {
    const caller = call.caller();
    if (caller.prefixes.length === 0) return;
    const view = await this.#node.view({ consistency: "linearizable", timeoutMs: TIMEOUT_MS });
    if (!view.mayUseLease(id, caller)) throw refuse("permissionDenied");
  }
}

interface LeaseTimes {
  readonly header: ResponseHeader;
  readonly ID: number;
  readonly TTL: number;
  readonly grantedTTL?: number;
  readonly keys?: readonly Uint8Array[];
}

interface Leases {
  readonly header: ResponseHeader;
  readonly leases: readonly { readonly ID: number }[];
}

/** A random id, which cannot be guessed. */
export function drawLeaseId(): number {
  const bits = new DataView(crypto.getRandomValues(new Uint8Array(8)).buffer).getBigUint64(0);
  return Math.max(1, Number(bits >> 11n));
}

function isLeaseId(id: number): boolean {
  return Number.isSafeInteger(id) && id > 0;
}

/** A client that sees a lease can attach keys to it. So only its creator sees a lease without keys. */
function maySee(view: StoreView, caller: EtcdCaller, id: number): boolean {
  if (caller.prefixes.length === 0) return true;
  return view.leaseKeyCount(id) > 0 && view.mayUseLease(id, caller);
}
