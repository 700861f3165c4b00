/**
 * An HTTP client for a cluster: it asks one node after the other until one answers or the time is
 * up. A write that may already have taken effect it sends again only under an idempotency key.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import type { Schema } from "../http/wire.ts";
import { VALUE_BYTES_MAX } from "../kv/mod.ts";
import { readAtMost } from "../streams.ts";
import {
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

/** A clock to wait by. */
export interface Clock {
  /** Milliseconds since some moment; never runs backward. */
  now(): number;
  /** Settles after so many milliseconds. */
  delay(milliseconds: number): Promise<void>;
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  delay: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/**
 * The body of an answer. An endpoint may be anything, so each answer is checked before it is used.
 *
 * @throws {ClientError} when it is not what Floe's API answers.
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

/** One node that was asked and did not do it. */
export interface EndpointFailure {
  /** Marks it in an {@linkcode EndpointResult}. */
  readonly kind: "failure";
  /** Who was asked. */
  readonly endpoint: Endpoint;
  /** Why it did not. */
  readonly failure: Failure;
}

/** What came of asking one node once. */
export type EndpointResult<Answer = ClientAnswer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | EndpointFailure;

/** What came of asking every node in turn: an answer, or a failure of each that was asked. */
type Round<Answer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | {
    readonly kind: "failures";
    readonly failed: readonly EndpointFailure[];
    /** The failure after which another attempt would do harm, or no good; null if there is none. */
    readonly last: EndpointFailure | null;
  };

/** What a client works with. */
export interface ClientOptions {
  /** The nodes, in the order in which they are asked, with those first that get a token; at least one. */
  readonly endpoints: readonly Endpoint[];
  /** Which token to send to which of them; none by default. */
  readonly tokenFor?: TokenFor;
  /** How long to try in all. */
  readonly timeoutMs: number;
  /** How requests are made. */
  readonly fetch: typeof fetch;
  /** What time it is. */
  readonly clock: Clock;
  /** What a person is told to do; by default in words that fit any program. */
  readonly advice?: Advice;
}

/**
 * Most bytes in an answer. The largest is a value as JSON, in which a byte takes six at the most; an
 * endpoint may be anything, and must not fill the client's memory.
 */
export const ANSWER_BYTES_MAX = 8 * VALUE_BYTES_MAX;
/** How long one node may take to answer while others could be asked the same. */
const ATTEMPT_TIMEOUT_MS = 2_000;
/** The pause after all nodes were asked in vain, unless they name a longer one. */
const ROUND_PAUSE_MS = 100;

/** What a person is told to do, in the words of the program that asks. */
export interface Advice {
  /** No node could do it in time. */
  readonly givenUp: string;
  /** Nothing listens at any address. */
  readonly unreachable: string;
  /** A node wants a token. */
  readonly unauthorized: string;
  /** A write may have been applied; its idempotency key tells. */
  readonly uncertain: (idempotencyKey: string) => string;
}

const ADVICE: Advice = {
  givenUp: "See how the nodes are, or allow more time.",
  unreachable: "Start the cluster, or name the addresses where it is.",
  unauthorized: "Give the client a token.",
  uncertain: (key) => `The same write with idempotency key ${key} tells, and is done once.`,
};

/** Asks one node once, for so many milliseconds. */
type AskOne<Answer> = (endpoint: Endpoint, timeoutMs: number) => Promise<EndpointResult<Answer>>;

/** Asks a cluster. */
export class ApiClient {
  readonly #options: ClientOptions;
  readonly #advice: Advice;
  readonly #tokenFor: TokenFor;

  /** `options` are used as they are. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#advice = options.advice ?? ADVICE;
    this.#tokenFor = options.tokenFor ?? (() => null);
  }

  /** Who can be asked. */
  get endpoints(): readonly Endpoint[] {
    return this.#options.endpoints;
  }

  /** What time it is. */
  get clock(): Clock {
    return this.#options.clock;
  }

  /**
   * Sends a request until a node answers it.
   *
   * @throws {ClientError} saying what every node that was asked answered.
   */
  send(request: ClientRequest): Promise<ClientAnswer> {
    return this.#until(request, (endpoint, timeoutMs) => this.#ask(endpoint, request, timeoutMs));
  }

  /**
   * Sends a request until a node begins to answer it. The answer may go on for as long as `signal` is not
   * aborted: the client's time is for its beginning.
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
      const pauseMs = Math.max(
        ROUND_PAUSE_MS,
        ...failed.map(({ failure }) => failure.retryAfterMs),
      );
      // Where an attempt may have had an effect, a node that is gone is waited for: it knows.
      const isOver = !maybeApplied && isHopeless(failed);
      if (isOver || clock.now() + pauseMs >= deadline) {
        throw this.#givenUp(failed, this.#outcomeOf(request, { maybeApplied }));
      }
      await clock.delay(pauseMs);
    }
  }

  /** Asks every node at the same time, each once. Never throws for what a node does. */
  async askAll(request: ClientRequest): Promise<readonly EndpointResult[]> {
    const { endpoints, timeoutMs } = this.#options;
    return await Promise.all(endpoints.map((endpoint) => this.#ask(endpoint, request, timeoutMs)));
  }

  async #askInTurn<Answer>(
    request: ClientRequest,
    deadline: number,
    ask: AskOne<Answer>,
  ): Promise<Round<Answer>> {
    const failed: EndpointFailure[] = [];
    for (const endpoint of this.#inTurn()) {
      const leftMs = deadline - this.#options.clock.now();
      if (leftMs < 1 && failed.length > 0) break;
      const attempt = await ask(endpoint, this.#attemptTimeoutMs(request, leftMs));
      if (attempt.kind === "answer") return attempt;
      failed.push(attempt);
      if (!isPassing(request, attempt)) return { kind: "failures", failed, last: attempt };
    }
    return { kind: "failures", failed, last: null };
  }

  /** Those first that are sent a token: a node that demands one would have the last word without it. */
  #inTurn(): readonly Endpoint[] {
    const hasToken = (endpoint: Endpoint) => Number(this.#tokenFor(endpoint) !== null);
    return this.endpoints.toSorted((left, right) => hasToken(right) - hasToken(left));
  }

  #attemptTimeoutMs(request: ClientRequest, leftMs: number): number {
    // What may be asked of someone else need not wait for a node that is silent.
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
      return this.#refusal(endpoint, response, body);
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
      return this.#refusal(endpoint, response, body);
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

  #refusal(endpoint: Endpoint, response: Response, body: Uint8Array): EndpointFailure {
    const failure = failureOfResponse(response, new TextDecoder().decode(body));
    return { kind: "failure", endpoint, failure: this.#advised(failure) };
  }

  /** The error for a request that not one of the nodes that were asked answered. */
  unreachable(attempts: readonly EndpointResult[]): ClientError {
    const failed = attempts.filter((attempt) => attempt.kind === "failure");
    const isShut = failed.every(({ failure }) => failure.kind === "notAllowed");
    if (!isShut) return this.#givenUp(failed, null);
    const message = ["No node allows it:", ...failed.map(reasonOf)].join("\n");
    return new ClientError("notAllowed", message);
  }

  #givenUp(failed: readonly EndpointFailure[], outcome: WriteOutcome | null): ClientError {
    const reasons = failed.map(reasonOf);
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

  /** Null for a read, which changes nothing. */
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

  /** The error for a failure that was the last word. */
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

/** What became of a write that no node answered. */
interface WriteOutcome {
  readonly maybeApplied: boolean;
  readonly message: string;
}

/** The whole body, or null where there is more of it than a node ever says. */
async function readAnswer(
  response: Response,
  bytesMax = ANSWER_BYTES_MAX,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (response.body === null) return new Uint8Array();
  return await readAtMost(response.body, bytesMax);
}

function reasonOf({ endpoint, failure }: EndpointFailure): string {
  return `  ${endpoint.label}: ${failure.reason}`;
}

/** Whether another attempt may do better, and can do no harm. */
function isPassing(request: ClientRequest, { failure }: EndpointFailure): boolean {
  return failure.passing && (isRepeatable(request) || !failure.maybeApplied);
}

function isHopeless(failed: readonly EndpointFailure[]): boolean {
  return failed.every(({ failure }) => failure.notReached !== null);
}
