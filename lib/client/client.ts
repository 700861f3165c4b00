/**
 * An HTTP client for a cluster. It asks one node after the other, until one answers or the time is up. If a
 * write may have taken effect, the client sends it again only with an idempotency key.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { VALUE_BYTES_MAX } from "../limits.ts";
import { readAtMost } from "../streams.ts";
import type { Schema } from "../wire/mod.ts";
import {
  ADVICE,
  type Advice,
  ClientError,
  type Failure,
  failureOfError,
  failureOfResponse,
  notFloe,
} from "./failure.ts";
import {
  type ClientAnswer,
  type ClientRequest,
  type Endpoint,
  headersOf,
  isRepeatable,
  isWrite,
  type OpenAnswer,
  type TokenFor,
  urlOf,
} from "./request.ts";

/** A clock, which the client reads and waits by. */
export interface Clock {
  /** Milliseconds since a fixed moment. It never runs backward. */
  now(): number;
  /** Resolves after this many milliseconds. */
  delay(milliseconds: number): Promise<void>;
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  delay: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/**
 * The body of an answer. The endpoint may be any server, so each answer is checked before it is used.
 *
 * @throws {ClientError} when the body is not one of Floe's API.
 */
export function bodyOf<Body>(answer: ClientAnswer, schema: Schema<Body>): Body {
  try {
    return schema.parse(JSON.parse(decodeUtf8(answer.body)));
  } catch (cause) {
    const message = `${answer.endpoint.label} answered, but not as Floe's API does. ` +
      "Is it a node, and of this version?";
    throw new ClientError("failure", message, { cause });
  }
}

/** The failure of a request at one node. */
export interface EndpointFailure {
  /** Marks it in an {@linkcode EndpointResult}. */
  readonly kind: "failure";
  /** The node. */
  readonly endpoint: Endpoint;
  /** The reason. */
  readonly failure: Failure;
}

/** The result of asking one node once. */
export type EndpointResult<Answer = ClientAnswer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | EndpointFailure;

/** The result of asking the nodes in turn: an answer, or the failures of all nodes that were asked. */
type Round<Answer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | {
    readonly kind: "failures";
    readonly failed: readonly EndpointFailure[];
    /** The failure after which another attempt would be harmful or useless; null if there is none. */
    readonly last: EndpointFailure | null;
  };

/** The settings of a client. */
export interface ClientOptions {
  /** The nodes, at least one, in the order to ask them. Nodes that get a token are asked first. */
  readonly endpoints: readonly Endpoint[];
  /** The token for each node; none by default. */
  readonly tokenFor?: TokenFor;
  /** How long to try in total. */
  readonly timeoutMs: number;
  /** The function that makes requests. */
  readonly fetch: typeof fetch;
  /** The clock for timeouts and pauses. */
  readonly clock: Clock;
  /** The advice in error messages; the default fits any program. */
  readonly advice?: Advice;
}

/**
 * Most bytes in an answer. The largest answer is a value as JSON, where a byte takes at most six. The
 * endpoint may be any server, and must not fill the client's memory.
 */
export const ANSWER_BYTES_MAX = 8 * VALUE_BYTES_MAX;
/** How long one node may take to answer, when the client can ask other nodes instead. */
const ATTEMPT_TIMEOUT_MS = 2_000;
/** The pause after all nodes were asked without success, unless a node asks for a longer one. */
const ROUND_PAUSE_MS = 100;
/** A node that fails after so long is paused or cut off: it is asked last for a while, so that few requests wait. */
const SLOW_MS = 1_000;
const ASKED_LAST_MS = 10_000;

/** Asks one node once, with a timeout. */
type AskOne<Answer> = (endpoint: Endpoint, timeoutMs: number) => Promise<EndpointResult<Answer>>;

/** Asks a cluster. */
export class ApiClient {
  readonly #options: ClientOptions;
  readonly #advice: Advice;
  readonly #tokenFor: TokenFor;
  /** Until when a node that failed slowly is asked last. */
  readonly #lastUntil = new Map<Endpoint, number>();

  /** `options` are used as they are. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#advice = options.advice ?? ADVICE;
    this.#tokenFor = options.tokenFor ?? (() => null);
  }

  /** The nodes that can be asked. */
  get endpoints(): readonly Endpoint[] {
    return this.#options.endpoints;
  }

  /** The clock for timeouts and pauses. */
  get clock(): Clock {
    return this.#options.clock;
  }

  /**
   * Sends a request until a node answers it.
   *
   * @throws {ClientError} with the failure of every node that was asked.
   */
  send(request: ClientRequest): Promise<ClientAnswer> {
    return this.#until(request, (endpoint, timeoutMs) => this.#ask(endpoint, request, timeoutMs));
  }

  /**
   * Sends a request until a node begins to answer it. The client's timeout is only for the beginning of the
   * answer. The answer may continue until `signal` is aborted.
   *
   * @throws {ClientError} as {@linkcode ApiClient.send}.
   */
  open(request: ClientRequest, signal: AbortSignal): Promise<OpenAnswer> {
    return this.#until(
      request,
      (endpoint, timeoutMs) => this.#openAt(endpoint, request, { timeoutMs, signal }),
    );
  }

  async #until<Answer>(request: ClientRequest, ask: AskOne<Answer>): Promise<Answer> {
    const { clock, timeoutMs } = this.#options;
    const deadline = clock.now() + timeoutMs;
    let maybeApplied = false;
    while (true) {
      const round = await this.#askInTurn(request, deadline, ask);
      if (round.kind === "answer") return round.answer;
      const { failed, last } = round;
      maybeApplied ||= isWrite(request) && failed.some(({ failure }) => failure.maybeApplied);
      if (last !== null) throw this.#endedBy(request, last, { maybeApplied });
      const waits = failed.map(({ failure }) => failure.retryAfterMs);
      const pauseMs = Math.max(ROUND_PAUSE_MS, ...waits);
      // If an attempt may have had an effect, wait also for a node that is down: it knows the outcome.
      const isOver = !maybeApplied && isHopeless(failed);
      if (isOver || clock.now() + pauseMs >= deadline) {
        throw this.#givenUp(failed, this.#outcomeOf(request, { maybeApplied }));
      }
      await clock.delay(pauseMs);
    }
  }

  /** Asks every node once, all at the same time. It does not throw when nodes fail. */
  async askAll(request: ClientRequest): Promise<readonly EndpointResult[]> {
    const { endpoints, timeoutMs } = this.#options;
    return await Promise.all(endpoints.map((endpoint) => this.#ask(endpoint, request, timeoutMs)));
  }

  async #askInTurn<Answer>(
    request: ClientRequest,
    deadline: number,
    ask: AskOne<Answer>,
  ): Promise<Round<Answer>> {
    const { clock } = this.#options;
    const failed: EndpointFailure[] = [];
    for (const endpoint of this.#inTurn()) {
      const askedMs = clock.now();
      const leftMs = deadline - askedMs;
      if (leftMs < 1 && failed.length > 0) break;
      const attempt = await ask(endpoint, this.#attemptTimeoutMs(request, leftMs));
      if (attempt.kind === "answer") return attempt;
      const now = clock.now();
      if (now - askedMs >= SLOW_MS) this.#lastUntil.set(endpoint, now + ASKED_LAST_MS);
      failed.push(attempt);
      if (!isPassing(request, attempt)) return { kind: "failures", failed, last: attempt };
    }
    return { kind: "failures", failed, last: null };
  }

  /**
   * Nodes with a token come first: a node that demands a token and gets none would end the request. Among equals,
   * those that failed slowly come last.
   */
  #inTurn(): readonly Endpoint[] {
    const now = this.#options.clock.now();
    const rank = (endpoint: Endpoint) =>
      (this.#tokenFor(endpoint) === null ? 2 : 0) +
      ((this.#lastUntil.get(endpoint) ?? now) > now ? 1 : 0);
    return this.endpoints.toSorted((left, right) => rank(left) - rank(right));
  }

  #attemptTimeoutMs(request: ClientRequest, leftMs: number): number {
    // If another node can be asked the same, do not wait for a silent node.
    const isAlone = this.endpoints.length === 1 || !isRepeatable(request);
    return Math.max(1, isAlone ? leftMs : Math.min(leftMs, ATTEMPT_TIMEOUT_MS));
  }

  async #ask(
    endpoint: Endpoint,
    request: ClientRequest,
    timeoutMs: number,
  ): Promise<EndpointResult> {
    try {
      const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
      const response = await this.#fetch(endpoint, request, { timeoutMs, signal });
      const body = await readAnswer(response, request.answerBytesMax);
      if (body === null) return { kind: "failure", endpoint, failure: notFloe(response) };
      if (response.ok) return { kind: "answer", answer: { endpoint, body } };
      return await this.#refusal(endpoint, response, body);
    } catch (error) {
      return { kind: "failure", endpoint, failure: failureOfError(error) };
    }
  }

  async #openAt(
    endpoint: Endpoint,
    request: ClientRequest,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<EndpointResult<OpenAnswer>> {
    const { timeoutMs, signal } = options;
    const cancel = new AbortController();
    const late = new DOMException("Signal timed out.", "TimeoutError");
    const timer = setTimeout(() => cancel.abort(late), timeoutMs);
    const either = AbortSignal.any([signal, cancel.signal]);
    try {
      const response = await this.#fetch(endpoint, request, { timeoutMs, signal: either });
      if (response.ok && response.body !== null) {
        return { kind: "answer", answer: { endpoint, body: response.body } };
      }
      const body = await readAnswer(response);
      if (body === null) return { kind: "failure", endpoint, failure: notFloe(response) };
      return await this.#refusal(endpoint, response, body);
    } catch (error) {
      signal.throwIfAborted();
      return { kind: "failure", endpoint, failure: failureOfError(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  #fetch(
    endpoint: Endpoint,
    request: ClientRequest,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<Response> {
    return this.#options.fetch(urlOf(endpoint, request, timeoutMs), {
      method: request.method,
      headers: headersOf(request, this.#tokenFor(endpoint)),
      body: request.body ?? null,
      redirect: "manual",
      signal,
    });
  }

  async #refusal(
    endpoint: Endpoint,
    response: Response,
    body: Uint8Array,
  ): Promise<EndpointFailure> {
    const failure = await failureOfResponse(response, new TextDecoder().decode(body));
    return { kind: "failure", endpoint, failure: this.#advised(failure) };
  }

  /** The error for a request that no node answered. */
  unreachable(attempts: readonly EndpointResult[]): ClientError {
    const failed = attempts.filter((attempt) => attempt.kind === "failure");
    const isShut = failed.every(({ failure }) => failure.kind === "notAllowed");
    if (!isShut) return this.#givenUp(failed, null);
    const message = ["No node allows it:", ...reasonsOf(failed)].join("\n");
    return new ClientError("notAllowed", message);
  }

  #givenUp(failed: readonly EndpointFailure[], outcome: WriteOutcome | null): ClientError {
    const reasons = reasonsOf(failed);
    const lines = outcome?.maybeApplied !== true && isHopeless(failed)
      ? this.#describeHopeless(failed, reasons)
      : [
        `No node could do it within ${this.#options.timeoutMs / 1000} s:`,
        ...reasons,
        [...(outcome === null ? [] : [outcome.message]), this.#advice.givenUp].join(" "),
      ];
    const maybeApplied = outcome?.maybeApplied ?? false;
    return new ClientError("unavailable", lines.join("\n"), { maybeApplied });
  }

  #advised(failure: Failure): Failure {
    if (failure.code !== "unauthorized") return failure;
    return { ...failure, reason: `${failure.reason}. ${this.#advice.unauthorized}` };
  }

  /** Null for a read, because it changes nothing. */
  #outcomeOf(
    request: ClientRequest,
    { maybeApplied }: { readonly maybeApplied: boolean },
  ): WriteOutcome | null {
    if (!isWrite(request)) return null;
    const message = maybeApplied ? this.#uncertainty(request) : "Nothing was changed.";
    return { maybeApplied, message };
  }

  /** No request reached any node, and none will. */
  #describeHopeless(
    failed: readonly EndpointFailure[],
    reasons: readonly string[],
  ): readonly string[] {
    if (failed.some(({ failure }) => failure.notReached === "no TLS")) {
      return ["No node could be asked:", ...reasons];
    }
    return ["No node is reachable:", ...reasons, this.#advice.unreachable];
  }

  /** The error for a failure that ends the request. */
  #endedBy(
    request: ClientRequest,
    { endpoint, failure }: EndpointFailure,
    { maybeApplied }: { readonly maybeApplied: boolean },
  ): ClientError {
    if (maybeApplied && !failure.settlesWrite) {
      const message = `${endpoint.label}: ${failure.reason}\n${this.#uncertainty(request)}`;
      return new ClientError("unavailable", message, { maybeApplied });
    }
    const { code, oldestRevision } = failure;
    const message = `${failure.reason} (${endpoint.label})`;
    return new ClientError(failure.kind, message, { code, oldestRevision });
  }

  #uncertainty({ idempotencyKey }: ClientRequest): string {
    if (idempotencyKey === undefined) return "The request may have taken effect.";
    return `The write may have been applied. ${this.#advice.uncertain(idempotencyKey)}`;
  }
}

/** What is known about a write that no node answered. */
interface WriteOutcome {
  readonly maybeApplied: boolean;
  readonly message: string;
}

/** The whole body; null when it is longer than any answer of a node. */
async function readAnswer(
  response: Response,
  bytesMax = ANSWER_BYTES_MAX,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (response.body === null) return new Uint8Array();
  return await readAtMost(response.body, bytesMax);
}

/** One line for each reason, with the nodes that failed for it. */
function reasonsOf(failed: readonly EndpointFailure[]): readonly string[] {
  const labels = Map.groupBy(failed, ({ failure }) => failure.reason);
  return [...labels].map(([reason, nodes]) =>
    `  ${nodes.map(({ endpoint }) => endpoint.label).join(", ")}: ${reason}`
  );
}

/** Whether another attempt can succeed, and is harmless. */
function isPassing(request: ClientRequest, { failure }: EndpointFailure): boolean {
  return failure.passing && (isRepeatable(request) || !failure.maybeApplied);
}

function isHopeless(failed: readonly EndpointFailure[]): boolean {
  return failed.every(({ failure }) => failure.notReached !== null);
}
