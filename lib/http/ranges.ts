/**
 * `GET` and `DELETE /v1/kv`: the keys of a range.
 *
 * A range is read in slices at one revision, and each slice is sent before the next one is read. A range
 * that fits into one slice is answered as a whole. If the revision is compacted in the meantime, the answer
 * breaks off: without its last line it is not complete.
 *
 * @module
 */

import { accepts } from "hono/accepts";
import { InvariantError } from "../assert.ts";
import { encodeUtf8 } from "../bytes.ts";
import type { KeyOrder, RangeItem, RangeRead, RangeSlice, TransactionCommand } from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import {
  type DeletedRangeBody,
  keyBody,
  keyFields,
  keyValueBody,
  LINES_MEDIA_TYPE,
  type RangeEndBody,
  type RangeHeadBody,
  type RangeItemBody,
} from "../wire/mod.ts";
import type { Caller } from "./authorization.ts";
import { type RequestGate, STREAM_STALLED_MS, throughGate } from "./connections.ts";
import type { ParameterName } from "./operation_parameters.ts";
import {
  type Query,
  readBytes,
  readChoice,
  readConsistency,
  readCount,
  readFlag,
  readKeys,
  readQuery,
  readRevision,
  readTimeoutMs,
} from "./parameters.ts";
import { jsonResponse, lengthHeader, NO_STORE, Problem } from "./problem.ts";
import { addRoute, needs, type RequestContext, type Router } from "./route.ts";
import { type PartSource, type StreamGate, streamResponse, turn } from "./streams.ts";
import {
  idempotencyKeyReused,
  readUnconditional,
  replayHeaders,
  transactionRefused,
  unreadable,
} from "./writes.ts";

/** The settings of the routes of ranges. */
interface RangeOptions {
  /** The node that reads and writes. */
  readonly node: NodeApi;
  /** Limits the running requests. */
  readonly gate: RequestGate;
  /** Limits the ranges that are sent at once. */
  readonly ranges: StreamGate;
}

const JSON_MEDIA_TYPE = "application/json";

/** Adds `/v1/kv`. */
export function addRangeRoutes(router: Router, { node, gate, ranges }: RangeOptions): void {
  addRoute(router, "/v1/kv", {
    GET: needs("read", (context, caller) => {
      const { url } = context.req;
      const query = readQuery(url, RANGE_PARAMETERS);
      const keys = readKeys(url, query);
      router.authorizer.admitKeys(caller, keys);
      return throughGate(gate, 0, () => getRange({ node, ranges }, query, context));
    }),
    DELETE: needs("write", (context, caller) => {
      const { url } = context.req;
      const keys = readKeys(url, readQuery(url, DELETE_PARAMETERS));
      router.authorizer.admitKeys(caller, keys);
      return throughGate(gate, 0, () => deleteRange(node, caller, context));
    }),
  });
}

/** What a range can be deleted by. */
export const DELETE_PARAMETERS = [
  "prefix",
  "start",
  "end",
  "timeoutMs",
] as const satisfies readonly ParameterName[];

/** What a range can be read by. */
export const RANGE_PARAMETERS = [
  "prefix",
  "start",
  "end",
  "limit",
  "after",
  "order",
  "delimiter",
  "keysOnly",
  "countOnly",
  "revision",
  "consistency",
  "timeoutMs",
] as const satisfies readonly ParameterName[];

async function getRange(
  { node, ranges }: Pick<RangeOptions, "node" | "ranges">,
  query: Query,
  context: RequestContext,
): Promise<Response> {
  const request = readRange(context.req.url, query);
  const asOf = readRevision(query);
  const consistency = readConsistency(query);
  const view = await node.view({ consistency, timeoutMs: readTimeoutMs(query) });
  const read = view.range({ ...request, ...(asOf === null ? {} : { revision: asOf }) });
  const first = nextSlice(read);
  const isLines = wantsLines(context);
  const writer = new RangeWriter(read.revision, { isLines, keysOnly: request.keysOnly });
  const headers = {
    "content-type": isLines ? LINES_MEDIA_TYPE : JSON_MEDIA_TYPE,
    "floe-revision": String(read.revision),
    "vary": "accept",
    ...NO_STORE,
  };
  const { raw } = context.req;
  if (raw.method === "HEAD") return new Response(null, { headers });
  if (first.isDone) {
    const bytes = encodeUtf8(writer.write(first));
    return new Response(bytes, { headers: { ...headers, ...lengthHeader(bytes) } });
  }
  return streamResponse(
    raw,
    new RangeSource({ read, first, writer, end: ranges.enter() }),
    headers,
  );
}

/** The range to read, without the revision. @throws {Problem} `invalid_parameter`. */
function readRange(url: string, query: Query) {
  const countOnly = readFlag(query, "countOnly");
  const alone = ["limit", "after", "keysOnly", "order"].find((name) => query[name] !== undefined);
  if (countOnly && alone !== undefined) {
    throw new Problem("invalid_parameter", `countOnly counts all, and takes no ${alone}`);
  }
  const limit = readCount(query, "limit", { least: 1, most: Number.MAX_SAFE_INTEGER });
  const after = readBytes(url, query, "after");
  const delimiter = readBytes(url, query, "delimiter");
  if (delimiter?.length === 0) {
    throw new Problem("invalid_parameter", "Cannot read delimiter: it is empty");
  }
  const order: KeyOrder = readChoice(query, "order", ["asc", "desc"]) === "asc"
    ? "ascending"
    : "descending";
  return {
    keys: readKeys(url, query),
    order,
    keysOnly: readFlag(query, "keysOnly"),
    countOnly,
    ...(limit === null ? {} : { limit }),
    ...(after === null ? {} : { after }),
    ...(delimiter === null ? {} : { delimiter }),
  };
}

/** @throws {Problem} `compacted` or `future_revision`. */
function nextSlice(read: RangeRead): RangeSlice {
  const slice = read.next();
  if (slice.kind === "slice") return slice;
  throw unreadable(slice);
}

function wantsLines(context: RequestContext): boolean {
  const mediaType = accepts(context, {
    header: "Accept",
    supports: [JSON_MEDIA_TYPE, LINES_MEDIA_TYPE],
    default: JSON_MEDIA_TYPE,
  });
  return mediaType === LINES_MEDIA_TYPE;
}

/** A range that is sent slice by slice. */
class RangeSource implements PartSource {
  readonly stalledMsMax = STREAM_STALLED_MS;
  readonly end: () => void;
  readonly #read: RangeRead;
  readonly #writer: RangeWriter;
  #next: RangeSlice | null;
  #isDone = false;
  #isStopped = false;

  constructor({ read, first, writer, end }: {
    readonly read: RangeRead;
    readonly first: RangeSlice;
    readonly writer: RangeWriter;
    readonly end: () => void;
  }) {
    this.#read = read;
    this.#next = first;
    this.#writer = writer;
    this.end = end;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#isDone) return null;
    while (true) {
      const slice = this.#next ?? await this.#readOn();
      this.#next = null;
      this.#isDone = slice.isDone;
      const text = this.#writer.write(slice);
      if (text !== "") return encodeUtf8(text);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #readOn(): Promise<RangeSlice> {
    await turn();
    if (this.#isStopped) throw new Problem("stopping", "The node is stopping");
    return nextSlice(this.#read);
  }
}

/** A range as text: one document, or a line for its head, for each item and for its end. */
class RangeWriter {
  readonly #isLines: boolean;
  readonly #keysOnly: boolean;
  readonly #revision: number;
  #hasBegun = false;
  #hasItems = false;
  #last: RangeItem | undefined;

  constructor(
    revision: number,
    { isLines, keysOnly }: { readonly isLines: boolean; readonly keysOnly: boolean },
  ) {
    this.#revision = revision;
    this.#isLines = isLines;
    this.#keysOnly = keysOnly;
  }

  write(slice: RangeSlice): string {
    const { items, isDone } = slice;
    const parts = [this.#hasBegun ? "" : this.#head()];
    this.#hasBegun = true;
    for (const item of items) parts.push(this.#item(JSON.stringify(this.#itemBody(item))));
    this.#last = items.at(-1) ?? this.#last;
    if (isDone) parts.push(this.#end(slice));
    return parts.join("");
  }

  #head(): string {
    const text = JSON.stringify({ revision: this.#revision } satisfies RangeHeadBody);
    return this.#isLines ? `${text}\n` : `${text.slice(0, -1)},"items":[`;
  }

  #item(text: string): string {
    if (this.#isLines) return `${text}\n`;
    const separator = this.#hasItems ? "," : "";
    this.#hasItems = true;
    return separator + text;
  }

  #itemBody(item: RangeItem): RangeItemBody {
    if (item.kind === "row") return this.#keysOnly ? keyBody(item.row) : keyValueBody(item.row);
    const { key: folder, keyEncoding } = keyFields(item.name);
    return keyEncoding === undefined ? { folder } : { folder, folderEncoding: keyEncoding };
  }

  #end({ count, hasMore }: RangeSlice): string {
    const text = JSON.stringify({ count, ...this.#nextAfter(hasMore) } satisfies RangeEndBody);
    return this.#isLines ? `${text}\n` : `],${text.slice(1)}\n`;
  }

  #nextAfter(hasMore: boolean): Omit<RangeEndBody, "count"> {
    if (!hasMore || this.#last === undefined) return { nextAfter: null };
    const name = this.#last.kind === "row" ? this.#last.row.key : this.#last.name;
    const { key: nextAfter, keyEncoding } = keyFields(name);
    return keyEncoding === undefined
      ? { nextAfter }
      : { nextAfter, nextAfterEncoding: keyEncoding };
  }
}

async function deleteRange(
  node: NodeApi,
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const query = readQuery(req.url, DELETE_PARAMETERS);
  const command: TransactionCommand = {
    kind: "transaction",
    conditions: [],
    success: [{ kind: "delete", keys: readKeys(req.url, query), isPreviousWanted: false }],
    failure: [],
    ...readUnconditional(req.raw.headers, caller),
  };
  const answer = await node.write(command, { timeoutMs: readTimeoutMs(query) });
  const { result } = answer;
  if (result.kind === "transactionRefused") throw transactionRefused(result.reason);
  if (result.kind === "idempotencyKeyReused") throw idempotencyKeyReused("the range", result);
  const [done] = result.kind === "transaction" ? result.answers : [];
  if (done?.kind !== "delete") throw new InvariantError("A delete is answered as one");
  const body: DeletedRangeBody = { deleted: done.deleted, revision: result.revision };
  return jsonResponse(body, { headers: replayHeaders(answer) });
}
