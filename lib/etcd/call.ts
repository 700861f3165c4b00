/**
 * What every service must know about a request besides its message: the rights of its sender, and when it
 * ends.
 *
 * @module
 */

import { coversRange, hasScope, type KeyAccess, type KeyRange, type Token } from "../kv/mod.ts";
import { refuse } from "./errors.ts";

/** The rights of the sender of a request. */
export interface EtcdCaller extends Pick<Token, "scopes" | "prefixes"> {
  /** The id of its token; absent for a node's own token, and without a token. */
  readonly id?: string;
  /** The node whose own token it has. */
  readonly node?: string;
}

/** One request, or one stream of them. */
export interface Call {
  /** The present rights of its sender. A stream asks again while it goes on. @throws {EtcdError} */
  readonly caller: () => EtcdCaller;
  /** Whether it came through the JSON gateway or over gRPC. */
  readonly way: "json" | "grpc";
  /** Whether a stream ends when the node has no leader for some time. */
  readonly requiresLeader: boolean;
  /** Aborted when the client no longer waits for the answer. */
  readonly signal: AbortSignal;
  /** Counts bytes of the answer until it is sent. @throws {EtcdError} when too many are under way. */
  readonly hold?: (bytes: number) => void;
  /** The keys that it changes, or wanted to, for its record. Set when its rights are checked. */
  changedKeys?: readonly KeyRange[];
}

/** How long the cluster may take to answer one request. */
export const TIMEOUT_MS = 5_000;

/** Checks that a caller may read and change these keys. @throws {EtcdError} `permissionDenied`. */
export function admitAccess(call: Call, { reads, writes }: KeyAccess): void {
  if (writes.length > 0) call.changedKeys = writes;
  const who = call.caller();
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

/** Waits for the next turn of the event loop, so that other work runs first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
