/**
 * The key-value store of a cluster, for programs.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { TRANSACTION_BYTES_MAX } from "../limits.ts";
import { EVENTS_MEDIA_TYPE, keyPath, LINES_MEDIA_TYPE } from "../request.ts";
import type {
  CompactedBody,
  DeleteBody,
  DeletedRangeBody,
  LeaseBody,
  LeasesBody,
  LeaseWithKeysBody,
  PutBody,
  RevokedLeaseBody,
  Schema,
  TransactionAnswerBody,
  TransactionBody,
} from "../wire/mod.ts";
import { type ApiClient, bodyOf } from "./client.ts";
import { readEvents, readLines, type ServerEvent } from "./event_stream.ts";
import { ClientError } from "./failure.ts";
import { conditionOf, isReading, type RangePlace, rangeQuery, watchQuery } from "./queries.ts";
import type { ClientRequest } from "./request.ts";
import { parse, readAs, takeChanges, type WatchPlace, type WireOfStore } from "./store_answers.ts";
import {
  type Bytes,
  type Changes,
  type Item,
  type Keys,
  keysQuery,
  type RangeOptions,
  type Row,
  toBytes,
  toItem,
  toRow,
  type WatchOptions,
  type WriteOptions,
} from "./values.ts";

/** A watch that is silent for this long has failed: a node sends its progress at least every 10 s. */
const SILENCE_MS = 30_000;
/** The pause before the client asks again for an answer that broke off. */
const RESUME_PAUSE_MS = 250;
/** How often an answer may break off before anything arrived. */
const IN_VAIN_MAX = 10;
/** A byte of an answer takes at most this many characters in JSON. */
const JSON_INFLATION = 8;

/** The store. Every write is sent with an idempotency key, so it takes effect once. */
export class StoreClient {
  readonly #client: ApiClient;

  /** Sends requests through `client`. */
  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** A key; null when it does not exist. */
  async get(
    key: Bytes,
    { revision, isStale }: Pick<RangeOptions, "revision" | "isStale"> = {},
  ): Promise<Row | null> {
    const query = {
      ...(revision === undefined ? {} : { revision: String(revision) }),
      ...(isStale === true ? { consistency: "stale" } : {}),
    };
    try {
      const request = { method: "GET", path: keyPath(key), query } as const;
      return toRow(await this.#ask(request, (wire) => wire.keyValueSchema));
    } catch (error) {
      if (error instanceof ClientError && error.code === "key_not_found") return null;
      throw error;
    }
  }

  /** Sets a key, optionally with a lease. */
  put(
    key: Bytes,
    value: Bytes,
    { lease, ...options }: WriteOptions & { readonly lease?: number } = {},
  ): Promise<PutBody> {
    const query = lease === undefined ? {} : { lease: String(lease) };
    const body = toBytes(value);
    return this.#write(
      { method: "PUT", path: keyPath(key), query, body },
      (wire) => wire.putSchema,
      options,
    );
  }

  /** Removes a key. */
  delete(key: Bytes, options: WriteOptions = {}): Promise<DeleteBody> {
    return this.#write(
      { method: "DELETE", path: keyPath(key) },
      (wire) => wire.deleteSchema,
      options,
    );
  }

  /** Removes all keys of a range at once, or none. */
  deleteRange(
    keys: Keys,
    options: Pick<WriteOptions, "idempotencyKey"> = {},
  ): Promise<DeletedRangeBody> {
    const request = { method: "DELETE", path: "/v1/kv", rawQuery: keysQuery(keys) } as const;
    return this.#write(request, (wire) => wire.deletedRangeSchema, options);
  }

  /** How many keys a range has. */
  async count(keys: Keys): Promise<number> {
    const rawQuery = [...keysQuery(keys), "countOnly=true"];
    const request = { method: "GET", path: "/v1/kv", rawQuery, accept: LINES_MEDIA_TYPE } as const;
    const { body } = await this.#client.send({ ...request, takesTimeout: true });
    const [, end = ""] = new TextDecoder().decode(body).split("\n");
    const { rangeEndSchema } = await loadWire();
    return readAs(end, rangeEndSchema).count;
  }

  /**
   * The keys of a range, all at one revision. If the answer breaks off, the client continues it, possibly at
   * another node.
   *
   * @throws {ClientError} `compacted` when the revision is forgotten in the meantime.
   */
  async *range(keys: Keys, options: RangeOptions = {}): AsyncGenerator<Item, void> {
    let { limit = Infinity, revision } = options;
    let after: Uint8Array | null = null;
    for (let inVain = 0; inVain < IN_VAIN_MAX; inVain++) {
      const place: RangePlace = { limit, revision, after };
      const rawQuery: readonly string[] = [...keysQuery(keys), ...rangeQuery(options, place)];
      for await (const part of this.#readRange(rawQuery)) {
        if (part.kind === "end") return;
        if (part.kind === "head") {
          if (revision === undefined) options.onRevision?.(part.revision);
          revision = part.revision;
          continue;
        }
        limit--;
        inVain = 0;
        after = part.kind === "row" ? part.row.key : part.name;
        yield part;
        if (limit <= 0) return;
      }
      await this.#client.clock.delay(RESUME_PAUSE_MS);
    }
    throw breaksOff();
  }

  /** Reads one answer until its end, or until it breaks off. */
  async *#readRange(
    rawQuery: readonly string[],
  ): AsyncGenerator<RangePart, void> {
    const request = {
      method: "GET",
      path: "/v1/kv",
      rawQuery,
      accept: LINES_MEDIA_TYPE,
      takesTimeout: true,
    } as const;
    const { rangeHeadSchema, rangeItemSchema, rangeEndSchema } = await loadWire();
    const cancel = new AbortController();
    const { body } = await this.#client.open(request, cancel.signal);
    let isHead = true;
    try {
      for await (const line of readLines(body, { silenceMs: SILENCE_MS })) {
        const end = rangeEndSchema.safeParse(parse(line));
        if (isHead) yield { kind: "head", ...readAs(line, rangeHeadSchema) };
        else if (end.success) return yield { kind: "end" };
        else yield toItem(readAs(line, rangeItemSchema));
        isHead = false;
      }
    } catch (error) {
      if (isFinal(error)) throw error;
    } finally {
      cancel.abort();
    }
  }

  /** Runs a transaction: see `docs/api.md`. */
  transact(
    transaction: TransactionBody,
    options: Pick<WriteOptions, "idempotencyKey"> = {},
  ): Promise<TransactionAnswerBody> {
    const body = encodeUtf8(JSON.stringify(transaction));
    const request = {
      method: "POST",
      path: "/v1/txn",
      body,
      answerBytesMax: JSON_INFLATION * TRANSACTION_BYTES_MAX,
    } as const;
    // A transaction that only reads can be repeated without an idempotency key.
    return isReading(transaction)
      ? this.#ask({ ...request, isRead: true }, loadTransactionAnswer)
      : this.#write(request, loadTransactionAnswer, options);
  }

  /** Forgets history up to a revision. */
  compact(revision: number): Promise<CompactedBody> {
    const body = encodeUtf8(JSON.stringify({ revision }));
    return this.#write(
      { method: "POST", path: "/v1/compact", body },
      (wire) => wire.compactedSchema,
      {},
    );
  }

  /** Makes a lease. */
  grantLease(
    ttlSeconds: number,
    { id, idempotencyKey }: { readonly id?: number; readonly idempotencyKey?: string } = {},
  ): Promise<LeaseBody> {
    const body = encodeUtf8(JSON.stringify({ ttlSeconds, ...(id === undefined ? {} : { id }) }));
    const options = idempotencyKey === undefined ? {} : { idempotencyKey };
    return this.#write(
      { method: "POST", path: "/v1/leases", body },
      (wire) => wire.leaseSchema,
      options,
    );
  }

  /** Keeps a lease alive: gives it its full time again. */
  keepLease(id: number): Promise<LeaseBody> {
    // It can be repeated, because it only gives the lease more time.
    const idempotencyKey = crypto.randomUUID();
    return this.#write(
      { method: "POST", path: `/v1/leases/${id}/keepalive` },
      (wire) => wire.leaseSchema,
      { idempotencyKey },
    );
  }

  /** Ends a lease, and its keys. */
  revokeLease(id: number): Promise<RevokedLeaseBody> {
    return this.#write(
      { method: "DELETE", path: `/v1/leases/${id}` },
      (wire) => wire.revokedLeaseSchema,
      {},
    );
  }

  /** A lease with its keys. */
  lease(id: number): Promise<LeaseWithKeysBody> {
    return this.#ask(
      { method: "GET", path: `/v1/leases/${id}` },
      (wire) => wire.leaseWithKeysSchema,
    );
  }

  /** Every lease, by rising id. */
  async *leases(): AsyncGenerator<LeasesBody["leases"][number], void> {
    let after: number | null = 0;
    while (after !== null) {
      const query = { after: String(after), limit: "1000" };
      const page: LeasesBody = await this.#ask(
        { method: "GET", path: "/v1/leases", query },
        (wire) => wire.leasesSchema,
      );
      yield* page.leases;
      after = page.nextAfter;
    }
  }

  /**
   * The changes of keys, each once and in order. A watch that breaks off continues after the last complete
   * revision, at any node.
   *
   * @throws {ClientError} `compacted` when history has forgotten the next change.
   */
  async *watch(keys: Keys, options: WatchOptions = {}): AsyncGenerator<Changes, void> {
    const { signal = new AbortController().signal } = options;
    const place: WatchPlace = { last: null, parts: [] };
    const wire = await loadWire();
    for (let inVain = 0; !signal.aborted; inVain++) {
      // A watch that has begun is continued until its signal is aborted.
      if (inVain >= IN_VAIN_MAX && place.last === null) throw breaksOff();
      try {
        for await (const event of this.#watchOnce(keys, options, { place, signal })) {
          const changes = await takeChanges(event, place, wire);
          if (changes === null) continue;
          if (changes.events.length > 0 || options.isProgressWanted === true) yield changes;
        }
      } catch (error) {
        if (signal.aborted) return;
        // A watch that could not begin is not continued.
        const isRefused = error instanceof ClientError && place.last === null;
        if (isFinal(error) || isRefused) throw error;
      }
      // A revision that was cut off is sent again as a whole.
      place.parts.length = 0;
      await this.#client.clock.delay(RESUME_PAUSE_MS);
    }
  }

  async *#watchOnce(
    keys: Keys,
    options: WatchOptions,
    { place, signal }: { readonly place: WatchPlace; readonly signal: AbortSignal },
  ): AsyncGenerator<ServerEvent, void> {
    const request = {
      method: "GET",
      path: "/v1/watch",
      rawQuery: [...keysQuery(keys), ...watchQuery(options)],
      accept: EVENTS_MEDIA_TYPE,
      takesTimeout: true,
      ...(place.last === null ? {} : { headers: { "last-event-id": String(place.last) } }),
    } as const;
    const cancel = new AbortController();
    const { body } = await this.#client.open(
      request,
      AbortSignal.any([signal, cancel.signal]),
    );
    try {
      yield* readEvents(body, { silenceMs: SILENCE_MS, signal });
    } finally {
      cancel.abort();
    }
  }

  async #ask<Body>(request: ClientRequest, pick: PickSchema<Body>): Promise<Body> {
    const answer = await this.#client.send({ ...request, takesTimeout: true });
    return bodyOf(answer, await pick(await loadWire()));
  }

  #write<Body>(
    request: ClientRequest,
    pick: PickSchema<Body>,
    { ifRevision, idempotencyKey = crypto.randomUUID() }: WriteOptions,
  ): Promise<Body> {
    return this.#ask({ ...request, headers: conditionOf(ifRevision), idempotencyKey }, pick);
  }
}

type PickSchema<Body> = (wire: WireOfStore) => Schema<Body> | Promise<Schema<Body>>;

/** The schemas. They are loaded for the first body, so that a command which reads none starts without them. */
function loadWire(): Promise<WireOfStore> {
  return import("../wire/store.ts");
}

async function loadTransactionAnswer(): Promise<Schema<TransactionAnswerBody>> {
  return (await import("../wire/mod.ts")).transactionAnswerSchema;
}

type RangePart =
  | Item
  | { readonly kind: "head"; readonly revision: number }
  | { readonly kind: "end" };

/** Whether another attempt would fail in the same way. */
function isFinal(error: unknown): boolean {
  return error instanceof ClientError && error.kind !== "unavailable";
}

function breaksOff(): ClientError {
  return new ClientError("failure", "Every answer breaks off before its first line. Is it a node?");
}
