/**
 * etcd's service KV.
 *
 * @module
 */

import { InvariantError } from "../assert.ts";
import { InputError } from "../errors.ts";
import {
  accessOf,
  type CommandResult,
  isReadOnly,
  type Operation,
  type OperationAnswer,
  type StoreView,
  type Transaction,
  TRANSACTION_BYTES_MAX,
  TRANSACTION_KEYS_MAX,
  type TransactionAnswer,
  type TransactionOutcome,
} from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { admitAccess, admitRead, admitScope, type Call, TIMEOUT_MS } from "./call.ts";
import type { ClusterIdentity } from "./cluster_identity.ts";
import { EtcdError, refuse } from "./errors.ts";
import type {
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  TxnRequest,
  TxnResponse,
} from "./messages.ts";
import { checkRangeRequest, readRange, toKeyRange } from "./ranges.ts";
import {
  checkDelete,
  checkPut,
  checkTxn,
  type PastReads,
  pastReadsOf,
  toDelete,
  toDeleteResponse,
  toPut,
  toPutResponse,
  toTransaction,
  toTxnResponse,
} from "./transactions.ts";

/** The answer to a transaction, and the store's revision after it. */
interface Done {
  readonly answer: TransactionAnswer;
  readonly revision: LogIndex;
}

/** etcd's service KV. */
export class KvService {
  readonly #node: NodeApi;
  readonly #identity: ClusterIdentity;

  /** Reads from and writes to `node`. */
  constructor(node: NodeApi, identity: ClusterIdentity) {
    this.#node = node;
    this.#identity = identity;
  }

  /** Reads keys. */
  async range(request: RangeRequest, call: Call): Promise<RangeResponse> {
    checkRangeRequest(request);
    admitRead(call, toKeyRange(request.key, request.range_end));
    const view = await this.view(request.serializable);
    const header = this.#identity.header(view.revision);
    return { ...await readRange(view, request, call), header };
  }

  /** Sets a key. */
  async put(request: PutRequest, call: Call): Promise<PutResponse> {
    checkPut(request);
    const { answer, header } = await this.#doOne(toPut(request), call);
    if (answer?.kind !== "put") throw new InvariantError("the answer is not a put");
    return toPutResponse(answer, header);
  }

  /** Removes keys. */
  async deleteRange(request: DeleteRangeRequest, call: Call): Promise<DeleteRangeResponse> {
    checkDelete(request);
    const { answer, header } = await this.#doOne(toDelete(request), call);
    if (answer?.kind !== "delete") throw new InvariantError("the answer is not a delete");
    return toDeleteResponse(answer, header);
  }

  /** Runs a transaction. */
  async txn(request: TxnRequest, call: Call): Promise<TxnResponse> {
    // Before any work: a request without a token must cost nothing.
    call.caller();
    checkTxn(request);
    const transaction = toTransaction(request);
    const pastReads = pastReadsOf(request);
    for (const { key, range_end } of pastReads) admitRead(call, toKeyRange(key, range_end));
    admitAccess(call, accessOf(transaction));
    const isRead = isReadOnly(transaction);
    const past = await this.#readPast(pastReads, { isRead, call });
    const { answer, revision } = isRead
      ? await this.#read(transaction, isSerializable(request))
      : await this.write(transaction);
    return toTxnResponse(request, { answer, past, header: this.#identity.header(revision) });
  }

  /** Forgets history up to a revision. */
  async compact(
    { revision }: { readonly revision: number },
    call: Call,
  ): Promise<{ readonly header: ResponseHeader }> {
    admitScope(call, "admin");
    const view = await this.view(false);
    if (revision <= view.compactedRevision) throw refuse("compacted");
    if (revision > Math.max(1, view.revision)) throw refuse("futureRevision");
    const command = { kind: "compact", revision: toLogIndex(revision) } as const;
    const { result } = await this.#node.write(command, { timeoutMs: TIMEOUT_MS });
    return { header: this.#identity.header(result.revision) };
  }

  /** The store for a linearizable read, or, if serializable, as this node has it. */
  view(serializable: boolean): Promise<StoreView> {
    const consistency = serializable ? "stale" : "linearizable";
    return this.#node.view({ consistency, timeoutMs: TIMEOUT_MS });
  }

  /** Runs a transaction that was checked and authorized. @throws {EtcdError} when it cannot be done. */
  async write(transaction: Transaction): Promise<Done> {
    try {
      const command = { kind: "transaction", ...transaction } as const;
      const { result } = await this.#node.write(command, { timeoutMs: TIMEOUT_MS });
      return toDone(result);
    } catch (error) {
      // Its parts were checked before, so only their sum can be too large.
      if (error instanceof InputError) throw refuse("requestTooLarge", { cause: error });
      throw error;
    }
  }

  async #read(transaction: Transaction, serializable: boolean): Promise<Done> {
    const view = await this.view(serializable);
    return toDone({ ...view.transaction(transaction), revision: view.revision });
  }

  /**
   * Does the reads that name a revision. If a transaction writes, a read that cannot be done is refused
   * before anything is written. If it writes nothing, the read is refused only if it is in the chosen
   * branch.
   */
  async #readPast(
    requests: readonly RangeRequest[],
    { isRead, call }: { readonly isRead: boolean; readonly call: Call },
  ): Promise<PastReads> {
    const past = new Map<RangeRequest, RangeResponse | EtcdError>();
    if (requests.length === 0) return past;
    const view = await this.view(false);
    for (const request of requests) {
      const answer = await readPast(view, request, call);
      if (!isRead && answer instanceof EtcdError) throw answer;
      past.set(request, answer);
    }
    return past;
  }

  async #doOne(
    operation: Operation,
    call: Call,
  ): Promise<{ readonly answer: OperationAnswer | undefined; readonly header: ResponseHeader }> {
    const transaction = { conditions: [], success: [operation], failure: [] };
    admitAccess(call, accessOf(transaction));
    const { answer, revision } = await this.write(transaction);
    return { answer: answer.answers[0], header: this.#identity.header(revision) };
  }
}

/** In a transaction, a revision below 0 is refused. */
async function readPast(
  view: StoreView,
  request: RangeRequest,
  call: Call,
): Promise<RangeResponse | EtcdError> {
  if (request.revision < 0) return refuse("compacted");
  try {
    return await readRange(view, request, call);
  } catch (error) {
    if (error instanceof EtcdError) return error;
    throw error;
  }
}

function isSerializable({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].every(isSerializableOperation);
}

function isSerializableOperation({ request_range, request_txn }: RequestOp): boolean {
  if (request_txn !== undefined) return isSerializable(request_txn);
  return request_range?.serializable === true;
}

function toDone(result: CommandResult): Done {
  switch (result.kind) {
    case "transaction":
      return { answer: result, revision: result.revision };
    case "transactionRefused":
      throw refusedBecause(result.reason);
    default:
      throw new InvariantError(`the result of a transaction is a ${result.kind}`);
  }
}

type RefusalReason = Extract<TransactionOutcome, { kind: "transactionRefused" }>["reason"];

function refusedBecause(reason: RefusalReason): EtcdError {
  switch (reason) {
    case "leaseNotFound":
    case "keyNotFound":
      return refuse(reason);
    case "tooManyKeys":
      return new EtcdError(
        "resourceExhausted",
        `etcdserver: the transaction reads or deletes more than ${TRANSACTION_KEYS_MAX} keys; divide it`,
      );
    case "tooManyBytes":
      return new EtcdError(
        "resourceExhausted",
        `etcdserver: the answer, or the values to compare, are above ${TRANSACTION_BYTES_MAX} bytes; ` +
          "divide the transaction",
      );
    default:
      return reason satisfies never;
  }
}
