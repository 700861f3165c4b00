/**
 * The errors of requests: gRPC's codes, and etcd's own texts, because clients compare them.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { RequestError, type RequestFailure } from "../node/mod.ts";

/** The status codes of gRPC that are used. */
export const CODES = {
  canceled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A status code by its name. */
export type CodeName = keyof typeof CODES;

/** An error that etcd's clients understand. */
export class EtcdError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "EtcdError";
  /** Its status code. */
  readonly code: CodeName;

  /** `message` is the text that clients see. */
  constructor(code: CodeName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** etcd's texts, as in its `rpctypes` package. */
const TEXTS = {
  emptyKey: ["invalidArgument", "etcdserver: key is not provided"],
  keyNotFound: ["invalidArgument", "etcdserver: key not found"],
  valueProvided: ["invalidArgument", "etcdserver: value is provided"],
  leaseProvided: ["invalidArgument", "etcdserver: lease is provided"],
  tooManyOperations: ["invalidArgument", "etcdserver: too many operations in txn request"],
  duplicateKey: ["invalidArgument", "etcdserver: duplicate key given in txn request"],
  invalidSort: ["invalidArgument", "etcdserver: invalid sort option"],
  compacted: ["outOfRange", "etcdserver: mvcc: required revision has been compacted"],
  futureRevision: ["outOfRange", "etcdserver: mvcc: required revision is a future revision"],
  leaseNotFound: ["notFound", "etcdserver: requested lease not found"],
  leaseExists: ["failedPrecondition", "etcdserver: lease already exists"],
  leaseTtlTooLarge: ["outOfRange", "etcdserver: too large lease TTL"],
  requestTooLarge: ["invalidArgument", "etcdserver: request is too large"],
  noSpace: ["resourceExhausted", "etcdserver: mvcc: database space exceeded"],
  tooManyRequests: ["resourceExhausted", "etcdserver: too many requests"],
  watchCanceled: ["canceled", "etcdserver: watch canceled"],
  memberNotFound: ["notFound", "etcdserver: member not found"],
  userEmpty: ["invalidArgument", "etcdserver: user name is empty"],
  authFailed: [
    "invalidArgument",
    "etcdserver: authentication failed, invalid user ID or password",
  ],
  authNotEnabled: ["failedPrecondition", "etcdserver: authentication is not enabled"],
  invalidToken: ["unauthenticated", "etcdserver: invalid auth token"],
  permissionDenied: ["permissionDenied", "etcdserver: permission denied"],
  noLeader: ["unavailable", "etcdserver: no leader"],
  notLeader: ["failedPrecondition", "etcdserver: not leader"],
  leaderChanged: ["unavailable", "etcdserver: leader changed"],
  badTransferee: ["failedPrecondition", "etcdserver: bad leader transferee"],
  stopped: ["unavailable", "etcdserver: server stopped"],
  timeout: ["unavailable", "etcdserver: request timed out"],
  electionNotLeader: ["unknown", "election: not leader"],
  electionNoLeader: ["unknown", "election: no leader"],
  missingLeaderKey: ["unknown", '"leader" field must be provided'],
} as const satisfies Readonly<Record<string, readonly [CodeName, string]>>;

/** The name of one of etcd's errors. */
type Refusal = keyof typeof TEXTS;

/** Makes one of etcd's own errors. */
export function refuse(refusal: Refusal, options?: ErrorOptions): EtcdError {
  const [code, text] = TEXTS[refusal];
  return new EtcdError(code, text, options);
}

/** The error for a call that Floe does not have. `message` says what to do instead. */
export function unimplemented(message: string): EtcdError {
  return new EtcdError("unimplemented", `etcdserver: not implemented by Floe: ${message}`);
}

/** The etcd error for each failure of the node. */
const FAILURES: Readonly<Record<RequestFailure, Refusal>> = {
  no_leader: "noLeader",
  no_key: "noLeader",
  timeout: "timeout",
  overloaded: "tooManyRequests",
  unreadable: "notLeader",
  superseded: "leaderChanged",
  leader_changed: "leaderChanged",
  not_leader: "notLeader",
  transferring: "badTransferee",
  no_target: "badTransferee",
  transfer_failed: "badTransferee",
  members_refused: "notLeader",
  members_changing: "notLeader",
  no_change: "notLeader",
  snapshot_failed: "noSpace",
  stopping: "stopped",
};

/** Converts anything thrown to an etcd error. The text of an unexpected error is not shown to clients. */
export function toEtcdError(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  if (error instanceof RequestError) return refuse(FAILURES[error.code], { cause: error });
  if (error instanceof InputError) {
    return new EtcdError("invalidArgument", `etcdserver: ${error.message}`, { cause: error });
  }
  return new EtcdError(
    "internal",
    "etcdserver: the node failed at this request; its log says why",
    {
      cause: error,
    },
  );
}
