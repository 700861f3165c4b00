/**
 * What every service needs to know of a request besides its message: who asks, and until when.
 *
 * @module
 */

import { coversRange, hasScope, type KeyAccess, type KeyRange, type Token } from "../kv/mod.ts";
import { refuse } from "./errors.ts";

/** What the sender of a request may do. */
export type EtcdCaller = Pick<Token, "scopes" | "prefixes">;

/** One request, or one stream of them. */
export interface Call {
  /** What its sender may do now: it may be asked again while a stream goes on. @throws {EtcdError} */
  readonly caller: () => EtcdCaller;
  /** Over which way it came. */
  readonly way: "json" | "grpc";
  /** Whether a stream is to end when the node has no leader for a while. */
  readonly requiresLeader: boolean;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** How long the cluster may take to answer one request. */
export const TIMEOUT_MS = 5_000;

/** Checks that a caller may read and change these keys. @throws {EtcdError} `permissionDenied`. */
export function admitAccess({ caller }: Call, { reads, writes }: KeyAccess): void {
  const who = caller();
  if (reads.length > 0 && !hasScope(who, "read")) throw refuse("permissionDenied");
  if (writes.length > 0 && !hasScope(who, "write")) throw refuse("permissionDenied");
  for (const keys of [...reads, ...writes]) {
    if (!coversRange(who, keys)) throw refuse("permissionDenied");
  }
}

/** Checks that a caller may read these keys. @throws {EtcdError} `permissionDenied`. */
export function admitRead(call: Call, keys: KeyRange): void {
  admitAccess(call, { reads: [keys], writes: [] });
}

/** Checks that a caller has a scope. @throws {EtcdError} `permissionDenied`. */
export function admitScope({ caller }: Call, scope: "read" | "write" | "admin"): void {
  if (!hasScope(caller(), scope)) throw refuse("permissionDenied");
}

/** Lets everything else have its turn first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
