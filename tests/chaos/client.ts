/**
 * Clients that write, read and compare-and-set through every node, and write down what they see.
 *
 * @module
 */

import { FreshConnections } from "../../lib/cli/process_context.ts";
import { type Failure, failureOfError, failureOfResponse } from "../../lib/client/failure.ts";
import { pause } from "../../lib/deadline.ts";
import { IDEMPOTENCY_KEY_HEADER, keyPath } from "../../lib/wire/mod.ts";
import type { DeleteBody, KeyValueBody, PutBody } from "../../lib/wire/mod.ts";
import type { Random } from "../simulator/random.ts";
import type { Endpoint } from "./chaos_cluster.ts";
import type { Ending, Exchange, Request } from "./history.ts";
import type { Workload } from "./workload.ts";

/** Says that the answer is that of an earlier attempt. */
const REPLAYED_HEADER = "idempotency-replayed";
/** How long a node may try, and how long a client waits for its answer. */
const NODE_TIMEOUT_MS = 1_500;
const CLIENT_TIMEOUT_MS = 2_000;
/** The mean of the time between an answer and the next request. */
const THINK_MS_MEAN = 25;
/** How often a write with an idempotency key is sent at most, and the pause between. */
const ATTEMPTS_MAX = 4;
const RETRY_PAUSE_MS = 100;

/** What a client works with. */
export interface ClientOptions {
  /** Its name, which no other client has. */
  readonly name: string;
  /** Chance. */
  readonly random: Random;
  /** What to ask. */
  readonly workload: Workload;
  /** Whom, at this moment. */
  readonly endpoints: () => readonly Endpoint[];
  /** Takes down what came of it. */
  readonly onExchange: (exchange: Exchange) => void;
  /** Told of an answer that no node may give. */
  readonly onViolation: (violation: string) => void;
}

/** See the module. Its connections are its own, and end with it. */
export class Client implements Disposable {
  readonly #options: ClientOptions;
  readonly #connections = new FreshConnections();
  #count = 0;

  /** Asks nothing yet. */
  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Asks one thing after the other until `signal` is aborted and the last one has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, workload } = this.#options;
    while (!signal.aborted) {
      await pause(random.exponential(THINK_MS_MEAN), signal);
      await this.ask(workload.draw(random, `${this.#options.name}.${++this.#count}`));
    }
  }

  /** Asks one thing, and again where that can do no harm. */
  async ask(request: Request): Promise<Ending> {
    const { random, onExchange, workload } = this.#options;
    const isRepeatable = request.kind !== "get" && random.chance(0.5);
    const idempotencyKey = isRepeatable ? `${this.#options.name}-${++this.#count}` : null;
    const calledMs = performance.now();
    const ending = await this.#attempts(request, idempotencyKey);
    onExchange({ request, calledMs, ending, returnedMs: performance.now() });
    workload.learn(request, ending);
    return ending;
  }

  /** Ends its connections. */
  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }

  async #attempts(request: Request, idempotencyKey: string | null): Promise<Ending> {
    let mayBeDone = false;
    const why: string[] = [];
    for (let attempt = 1;; attempt++) {
      const ending = await this.#attempt(request, idempotencyKey);
      if (ending.kind !== "failed" && ending.kind !== "unknown") return ending;
      mayBeDone ||= ending.kind === "unknown";
      why.push(ending.why);
      if (idempotencyKey === null || attempt === ATTEMPTS_MAX) break;
      await pause(RETRY_PAUSE_MS, new AbortController().signal);
    }
    return { kind: mayBeDone ? "unknown" : "failed", why: why.join("; ") };
  }

  async #attempt(request: Request, idempotencyKey: string | null): Promise<Ending> {
    const endpoint = this.#options.random.pick(this.#options.endpoints());
    try {
      const response = await this.#connections.fetch(urlOf(endpoint, request), {
        method: request.kind === "get" ? "GET" : request.kind === "delete" ? "DELETE" : "PUT",
        headers: headersOf(request, idempotencyKey),
        body: "value" in request ? request.value : null,
        signal: AbortSignal.timeout(CLIENT_TIMEOUT_MS),
      });
      return await this.#read(endpoint, request, { response, text: await response.text() });
    } catch (error) {
      return toEnding(endpoint, { ...failureOfError(error), reason: String(error) });
    }
  }

  async #read(
    endpoint: Endpoint,
    request: Request,
    { response, text }: { readonly response: Response; readonly text: string },
  ): Promise<Ending> {
    if (response.status === 200) return readAnswer(request, text);
    if (response.status === 404 && request.kind === "get") return { kind: "read", row: null };
    if (response.status === 412 && request.kind === "swap") {
      return { kind: "refused", revision: revisionIn(response.headers) };
    }
    const failure = await failureOfResponse(response, text);
    if (!failure.passing) {
      const asked = JSON.stringify(request);
      this.#options.onViolation(`${asked} was answered with ${response.status} ${text}`);
    }
    return toEnding(endpoint, failure);
  }
}

function urlOf(endpoint: Endpoint, request: Request): string {
  const query = new URLSearchParams({ timeoutMs: String(NODE_TIMEOUT_MS) });
  if (request.kind === "get") query.set("consistency", request.consistency);
  return `${endpoint.url}${keyPath(request.key)}?${query}`;
}

function headersOf(request: Request, idempotencyKey: string | null): Record<string, string> {
  const headers: Record<string, string> = {};
  if (idempotencyKey !== null) headers[IDEMPOTENCY_KEY_HEADER] = idempotencyKey;
  if (request.kind !== "swap") return headers;
  if (request.expected === null) headers["if-none-match"] = "*";
  else headers["if-match"] = `"${request.expected.revision}"`;
  return headers;
}

/** What a refused swap found; undefined where a replay does not say. */
function revisionIn(headers: Headers): number | null | undefined {
  const tag = headers.get("etag");
  if (tag !== null) return Number(tag.slice(1, -1));
  return headers.has(REPLAYED_HEADER) ? undefined : null;
}

function readAnswer(request: Request, text: string): Ending {
  if (request.kind === "get") {
    const { value, modRevision: revision }: KeyValueBody = JSON.parse(text);
    return { kind: "read", row: { value, revision } };
  }
  if (request.kind === "delete") {
    const { deleted, revision }: DeleteBody = JSON.parse(text);
    return { kind: "deleted", deleted, revision };
  }
  const { modRevision: revision }: PutBody = JSON.parse(text);
  return { kind: "written", revision };
}

function toEnding(endpoint: Endpoint, { maybeApplied, code, reason }: Failure): Ending {
  const why = `${endpoint.id}: ${code ?? reason}`;
  return { kind: maybeApplied ? "unknown" : "failed", why };
}
