/**
 * The inputs and answers of each route, as data, from which `openapi.ts` makes its document. The bodies are the
 * schemas of `lib/wire`, which also validate; tests compare the rest with the routes and with `docs/api.md`.
 *
 * @module
 */

import {
  compactedSchema,
  compactionSchema,
  deletedRangeSchema,
  deleteSchema,
  dkgSchema,
  electionSchema,
  electionsSchema,
  endedMembersChangeSchema,
  EVENTS_MEDIA_TYPE,
  evidenceSchema,
  groupSchema,
  healthSchema,
  keyValueSchema,
  leaderSchema,
  leaseSchema,
  leasesSchema,
  leaseWithKeysSchema,
  LINES_MEDIA_TYPE,
  membersChainSchema,
  membersChangeSchema,
  membersPlanSchema,
  membersRequestSchema,
  membersSchema,
  newLeaseSchema,
  newTokenSchema,
  putSchema,
  rangeSchema,
  RAW_MEDIA_TYPE,
  revokedLeaseSchema,
  revokedTokenSchema,
  type Schema,
  statusSchema,
  tokenSchema,
  tokensSchema,
  transactionAnswerSchema,
  transactionSchema,
  transferSchema,
  watchProgressSchema,
} from "../wire/mod.ts";
import type { Needs } from "./authorization.ts";
import type { ParameterName } from "./operation_parameters.ts";
import { DELETE_PARAMETERS, RANGE_PARAMETERS } from "./ranges.ts";
import { WATCH_PARAMETERS } from "./watches.ts";

/** A body in JSON, with the name that it has in the document. */
export interface NamedSchema {
  readonly name: string;
  readonly schema: Schema<unknown>;
}

/** A body that is not JSON. */
type OtherBody =
  | typeof RAW_MEDIA_TYPE
  | typeof LINES_MEDIA_TYPE
  | typeof EVENTS_MEDIA_TYPE
  | "text/plain";

/** One route: a method and a path. */
export interface Operation {
  /** The name of its function in programs that are generated from the document. */
  readonly id: string;
  readonly summary: string;
  /** The scope that its token needs; null if it needs no token. */
  readonly needs: Needs;
  /** The parameters of its query, in the order in which a refusal lists them. */
  readonly query: readonly ParameterName[];
  /** Headers that it reads besides those of all routes. */
  readonly headers: readonly ParameterName[];
  /** Its request body. */
  readonly body: NamedSchema | typeof RAW_MEDIA_TYPE | null;
  /** Its successful answer; null if that is never JSON. */
  readonly answer: NamedSchema | null;
  /** Its other forms; if there is also a JSON form, `Accept` chooses. */
  readonly otherAnswers: readonly OtherBody[];
  /** The statuses of its problems, besides those that every route has. */
  readonly problems: readonly number[];
}

const WRITE_HEADERS = ["Idempotency-Key"] as const;
const KEY_WRITE_HEADERS = ["Idempotency-Key", "If-Match", "If-None-Match"] as const;

/** Every route of the API by method and path. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  "GET /v1/kv/{key}": operation("getKey", "The value of a key, with its revisions", {
    needs: "read",
    query: ["consistency", "revision", "timeoutMs"],
    answer: named("KeyValue", keyValueSchema),
    otherAnswers: [RAW_MEDIA_TYPE],
    problems: [404, 410, 413, 503, 504],
  }),
  "PUT /v1/kv/{key}": operation("putKey", "Sets a key to the bytes of the body", {
    needs: "write",
    query: ["lease", "timeoutMs"],
    headers: KEY_WRITE_HEADERS,
    body: RAW_MEDIA_TYPE,
    answer: named("Put", putSchema),
    problems: [404, 408, 412, 413, 422, 503, 504],
  }),
  "DELETE /v1/kv/{key}": operation("deleteKey", "Deletes a key", {
    needs: "write",
    query: ["timeoutMs"],
    headers: KEY_WRITE_HEADERS,
    answer: named("Deleted", deleteSchema),
    problems: [412, 413, 422, 503, 504],
  }),
  "GET /v1/kv": operation("listKeys", "The keys of a range, in order", {
    needs: "read",
    query: RANGE_PARAMETERS,
    answer: named("Range", rangeSchema),
    otherAnswers: [LINES_MEDIA_TYPE],
    problems: [410, 503, 504],
  }),
  "DELETE /v1/kv": operation("deleteKeys", "Deletes the keys of a range at one revision", {
    needs: "write",
    query: DELETE_PARAMETERS,
    headers: WRITE_HEADERS,
    answer: named("DeletedRange", deletedRangeSchema),
    problems: [413, 422, 503, 504],
  }),
  "POST /v1/txn": operation("transact", "Does a transaction", {
    needs: "any",
    query: ["consistency", "timeoutMs"],
    headers: WRITE_HEADERS,
    body: named("Transaction", transactionSchema),
    answer: named("TransactionAnswer", transactionAnswerSchema),
    problems: [404, 408, 413, 422, 503, 504],
  }),
  "POST /v1/compact": operation("compact", "Forgets history up to a revision", {
    needs: "admin",
    query: ["timeoutMs"],
    headers: WRITE_HEADERS,
    body: named("Compaction", compactionSchema),
    answer: named("Compacted", compactedSchema),
    problems: [408, 413, 422, 503, 504],
  }),
  "GET /v1/watch": operation("watch", "Changes as they happen. The answer has no end", {
    needs: "read",
    query: WATCH_PARAMETERS,
    headers: ["Last-Event-ID"],
    otherAnswers: [EVENTS_MEDIA_TYPE],
    problems: [410, 503, 504],
  }),
  "POST /v1/watch/{id}/progress": operation("askForProgress", "Asks a watch for its progress", {
    needs: "read",
    query: ["timeoutMs"],
    answer: named("WatchProgress", watchProgressSchema),
    problems: [404, 503, 504],
  }),
  "GET /v1/leases": operation("listLeases", "The leases, by rising id", {
    needs: "read",
    query: ["limit", "after", "consistency", "timeoutMs"],
    answer: named("Leases", leasesSchema),
    problems: [503, 504],
  }),
  "POST /v1/leases": operation("grantLease", "Grants a lease", {
    needs: "write",
    query: ["timeoutMs"],
    headers: WRITE_HEADERS,
    body: named("NewLease", newLeaseSchema),
    answer: named("Lease", leaseSchema),
    problems: [408, 409, 413, 422, 503, 504],
  }),
  "GET /v1/leases/{id}": operation("getLease", "A lease, how long it still lives, and its keys", {
    needs: "read",
    query: ["timeoutMs"],
    answer: named("LeaseWithKeys", leaseWithKeysSchema),
    problems: [404, 503, 504],
  }),
  "DELETE /v1/leases/{id}": operation("revokeLease", "Ends a lease and deletes its keys", {
    needs: "write",
    query: ["timeoutMs"],
    headers: WRITE_HEADERS,
    answer: named("RevokedLease", revokedLeaseSchema),
    problems: [403, 422, 503, 504],
  }),
  "POST /v1/leases/{id}/keepalive": operation(
    "keepLeaseAlive",
    "Gives a lease its full time again",
    {
      needs: "write",
      query: ["timeoutMs"],
      answer: named("Lease", leaseSchema),
      problems: [404, 503, 504],
    },
  ),
  "GET /v1/status": operation("getStatus", "The node's view of itself and of its peers", {
    needs: "status",
    answer: named("Status", statusSchema),
  }),
  "GET /v1/events": operation("showCluster", "The cluster as it goes on. The answer has no end", {
    needs: "status",
    otherAnswers: [EVENTS_MEDIA_TYPE],
    problems: [503],
  }),
  "GET /v1/leader": operation("getLeader", "The leader, with its certificate", {
    answer: named("Leader", leaderSchema),
    otherAnswers: ["text/plain"],
    problems: [404],
  }),
  "POST /v1/leader/transfer": operation("transferLeadership", "Hands the leadership over", {
    needs: "admin",
    query: ["target"],
    answer: named("Transfer", transferSchema),
    problems: [404, 409, 503, 504],
  }),
  "GET /v1/elections": operation("listElections", "The elections, the newest term first", {
    query: ["limit", "before"],
    answer: named("Elections", electionsSchema),
    otherAnswers: ["text/plain"],
    problems: [404],
  }),
  "GET /v1/elections/{term}": operation("getElection", "The election of a term", {
    answer: named("Election", electionSchema),
    otherAnswers: ["text/plain"],
    problems: [404],
  }),
  "GET /v1/evidence": operation("getEvidence", "Two leaders of one term, if that was ever seen", {
    answer: named("Evidence", evidenceSchema),
    otherAnswers: ["text/plain"],
    problems: [404],
  }),
  "GET /v1/group": operation("getGroup", "The group key, its voters, its genesis", {
    answer: named("Group", groupSchema),
    otherAnswers: ["text/plain"],
    problems: [404],
  }),
  "GET /v1/dkg": operation("getKeyGeneration", "How far the making of the key is", {
    answer: named("KeyGeneration", dkgSchema),
    otherAnswers: ["text/plain"],
    problems: [404],
  }),
  "GET /v1/snapshot": operation("saveSnapshot", "The whole state, as one file", {
    needs: "admin",
    query: ["timeoutMs"],
    otherAnswers: [RAW_MEDIA_TYPE],
    problems: [503, 504],
  }),
  "GET /v1/tokens": operation("listTokens", "Every token, without its secret", {
    needs: "admin",
    query: ["timeoutMs"],
    answer: named("Tokens", tokensSchema),
    problems: [503, 504],
  }),
  "PUT /v1/tokens/{id}": operation("createToken", "Creates a token", {
    needs: "admin",
    query: ["timeoutMs"],
    headers: WRITE_HEADERS,
    body: named("NewToken", newTokenSchema),
    answer: named("Token", tokenSchema),
    problems: [408, 409, 413, 422, 501, 503, 504],
  }),
  "DELETE /v1/tokens/{id}": operation("revokeToken", "Revokes a token", {
    needs: "admin",
    query: ["timeoutMs"],
    headers: WRITE_HEADERS,
    answer: named("RevokedToken", revokedTokenSchema),
    problems: [422, 501, 503, 504],
  }),
  "GET /v1/members": operation("getMembers", "The members, and the change that is under way", {
    needs: "status",
    answer: named("Members", membersSchema),
  }),
  "POST /v1/members": operation("changeMembers", "Begins a change of the members", {
    needs: "admin",
    query: ["timeoutMs"],
    body: named("MembersRequest", membersRequestSchema),
    answer: named("MembersChange", membersChangeSchema),
    problems: [404, 408, 409, 413, 503, 504],
  }),
  "POST /v1/members/plan": operation("planMembers", "What a change would do. Changes nothing", {
    needs: "admin",
    body: named("MembersRequest", membersRequestSchema),
    answer: named("MembersPlan", membersPlanSchema),
    problems: [408, 409, 413, 503],
  }),
  "DELETE /v1/members/change": operation("cancelMembersChange", "Cancels the change under way", {
    needs: "admin",
    query: ["reason", "timeoutMs"],
    answer: named("EndedMembersChange", endedMembersChangeSchema),
    problems: [409, 503, 504],
  }),
  "GET /v1/members/chain": operation(
    "getMembershipChain",
    "The genesis and every membership since",
    {
      answer: named("MembershipChain", membersChainSchema),
      otherAnswers: ["text/plain"],
      problems: [404],
    },
  ),
  "GET /metrics": operation("getMetrics", "Figures for Prometheus", {
    needs: "status",
    otherAnswers: ["text/plain"],
  }),
  "GET /openapi.json": operation("getDescription", "This document", {
    answer: null,
  }),
  "GET /livez": operation("isAlive", "That the node runs", {
    answer: named("Health", healthSchema),
  }),
  "GET /readyz": operation("isReady", "That the node may get traffic", {
    answer: named("Health", healthSchema),
    problems: [503],
  }),
};

function operation(
  id: string,
  summary: string,
  own: Partial<Omit<Operation, "id" | "summary">>,
): Operation {
  const none = { needs: null, query: [], headers: [], body: null, answer: null, problems: [] };
  return { id, summary, otherAnswers: [], ...none, ...own };
}

function named(name: string, schema: Schema<unknown>): NamedSchema {
  return { name, schema };
}
