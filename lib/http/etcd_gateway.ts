/**
 * etcd's JSON gateway: every call of `lib/etcd` that etcd serves as JSON, by POST, and also `/version` and
 * `/health`. A stream has one JSON object on each line.
 *
 * Errors are etcd's: an object with `code`, as in gRPC, and etcd's own text. Only requests that browsers
 * may not send are refused in the same way as in the rest of this API.
 *
 * @module
 */

import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import {
  type Admission,
  type Answer,
  AnswerGate,
  type AnswerHold,
  type Call,
  callerOf,
  type CodeName,
  CODES,
  createRpcs,
  ETCD_CLUSTER_VERSION,
  ETCD_VERSION,
  type EtcdChange,
  EtcdError,
  type EtcdParts,
  hasLeader,
  type Request as EtcdRequest,
  type Rpc,
  toEtcdError,
} from "../etcd/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { certificateNameOf } from "./client_certificates.ts";
import {
  type RequestGate,
  STREAM_STALLED_MS,
  throughGate,
  TRANSACTION_BODY_BYTES_MAX,
  WATCH_STALLED_MS,
} from "./connections.ts";
import { declaredLength, readBody } from "./parameters.ts";
import { jsonResponse, NO_STORE, Problem, type ProblemCode } from "./problem.ts";
import { addRoute, forAnyone, type RequestContext, respond, type Router } from "./route.ts";
import { type PartSource, StreamGate, streamResponse } from "./streams.ts";

/** What a gateway must know about the node and its cluster. */
export type EtcdPlace = Pick<EtcdParts, "self" | "members" | "isTls">;

/** How long a request for a lock or for the leadership may wait. */
const WAIT_MS_MAX = 5 * 60_000;
/** Most bytes in the body of a call that needs no token. */
const PUBLIC_BODY_BYTES_MAX = 16 * 1024;
/** An answer to a range with more bytes is sent in parts of this length. */
const WHOLE_BYTES_MAX = 256 * 1024;
/** Most streams of this gateway at once. */
const STREAMS_MAX = 4_096;

/** The settings of the gateway. */
interface GatewayOptions extends EtcdPlace {
  /** The node that does the work. */
  readonly node: NodeApi;
  /** Limits the running requests. */
  readonly gate: RequestGate;
  /** How long a body may take to arrive; by default as long as `connections.ts` says. */
  readonly bodyTimeoutMs?: number;
  /** Counts the answers that clients have not read; by default with the limit of `lib/etcd`. */
  readonly etcdAnswers?: AnswerGate;
  /** Called with every unexpected error. */
  readonly onError?: (error: unknown) => void;
  /** Called with each call that could change something. */
  readonly audit?: (change: EtcdChange) => void;
}

/** Adds `/v3/...`, `/version` and `/health`. */
export function addEtcdRoutes(router: Router, options: GatewayOptions): void {
  const { node } = options;
  const admission: Admission = router.authorizer;
  const gateway = new Gateway({ ...options, router, admission });
  // Calls that change something are recorded as such, with the keys in their bodies.
  const calls = { ...router, audit: null };
  for (const rpc of createRpcs({ ...options, admission })) {
    for (const path of rpc.paths) {
      const answer = (context: RequestContext) => gateway.answer(rpc, context);
      router.app.post(path, (context) => respond(calls, { path, answer }, context));
    }
  }
  addRoute(router, "/version", {
    GET: forAnyone(() =>
      jsonResponse({ etcdserver: ETCD_VERSION, etcdcluster: ETCD_CLUSTER_VERSION })
    ),
  });
  addRoute(router, "/health", {
    GET: forAnyone(() =>
      hasLeader(node)
        ? jsonResponse({ health: "true", reason: "" })
        : jsonResponse({ health: "false", reason: "RAFT NO LEADER" }, { status: 503 })
    ),
  });
}

interface GatewayParts extends GatewayOptions {
  readonly router: Router;
  readonly admission: Admission;
}

class Gateway {
  readonly #parts: GatewayParts;
  readonly #answers: AnswerGate;
  readonly #streams = new StreamGate(
    STREAMS_MAX,
    (max) => new Problem("overloaded", `Cannot answer: there are ${max} streams, the most at once`),
  );

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#answers = parts.etcdAnswers ?? new AnswerGate();
  }

  async answer(rpc: Rpc, { req: { raw } }: RequestContext): Promise<Response> {
    // Requests that pages in browsers may not send are refused as in the rest of the API.
    this.#parts.router.authorizer.admit(raw, null);
    try {
      const caller = this.#callerOf(raw);
      // An unknown client must not make the node read a body.
      rpc.admit({ caller, way: "json" });
      const bytesMax = rpc.isPublic ? PUBLIC_BODY_BYTES_MAX : TRANSACTION_BODY_BYTES_MAX;
      const reserved = Math.min(declaredLength(raw) ?? bytesMax, bytesMax);
      return await throughGate(this.#parts.gate, reserved, async () => {
        const body = await this.#read(raw, bytesMax);
        return rpc.kind === "stream"
          ? this.#stream(rpc, { raw, body, caller })
          : await this.#answerOnce(rpc, { raw, body, caller });
      });
    } catch (error) {
      return errorResponse(this.#seen(error));
    }
  }

  #callerOf(raw: Request): Call["caller"] {
    const token = raw.headers.get("authorization");
    const presented = { token, certificate: certificateNameOf(raw) };
    return () => callerOf(this.#parts.admission, presented);
  }

  async #answerOnce(
    rpc: Extract<Rpc, { kind: "unary" }>,
    { raw, body, caller }: ReadRequest,
  ): Promise<Response> {
    const held = this.#answers.open();
    let isSent = true;
    try {
      using call = new UnaryCall(caller, { raw, held });
      const answer = rpc.toJson(await rpc.answer(rpc.parse(body), call));
      if (held.bytes <= WHOLE_BYTES_MAX) return jsonResponse(answer);
      isSent = false;
      const source = new TextSource(`${JSON.stringify(answer)}\n`, held);
      return streamResponse(raw, source, { "content-type": "application/json", ...NO_STORE });
    } finally {
      if (isSent) held.release();
    }
  }

  /** A watch can have several requests on one stream: its body may have several objects, one on each line. */
  #stream(
    rpc: Extract<Rpc, { kind: "stream" }>,
    { raw, body, caller }: ReadRequest,
  ): Response {
    const call = { caller, way: "json", requiresLeader: false } as const;
    const requests = linesOf(body).map((line) => rpc.parse(line));
    const leave = this.#streams.enter();
    const source = new AnswerSource({ rpc, requests, call, leave, onError: (e) => this.#seen(e) });
    return streamResponse(raw, source, { "content-type": "application/json", ...NO_STORE });
  }

  #read(raw: Request, bytesMax: number): Promise<Uint8Array> {
    const { bodyTimeoutMs } = this.#parts;
    return readBody(raw, {
      bytesMax,
      tooLarge: () => new Problem("request_too_large", "Cannot take the request: it is too large"),
      ...(bodyTimeoutMs === undefined ? {} : { timeoutMs: bodyTimeoutMs }),
    });
  }

  #seen(error: unknown): EtcdError {
    const refusal = error instanceof Problem ? ofProblem(error) : toEtcdError(error);
    if (refusal.code === "internal") this.#parts.onError?.(error);
    if (refusal.code === "permissionDenied") {
      this.#parts.router.authorizer.counters.count("api.forbidden");
    }
    return refusal;
  }
}

/** A request whose body has arrived. */
interface ReadRequest {
  readonly raw: Request;
  readonly body: Uint8Array;
  readonly caller: Call["caller"];
}

/** A call that is given up when it waits too long, or its client leaves. */
class UnaryCall implements Call, Disposable {
  readonly way = "json";
  readonly requiresLeader = false;
  readonly caller: Call["caller"];
  readonly #raw: Request;
  readonly #held: AnswerHold;
  #signal: AbortSignal | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    caller: Call["caller"],
    { raw, held }: { readonly raw: Request; readonly held: AnswerHold },
  ) {
    this.caller = caller;
    this.#raw = raw;
    this.#held = held;
  }

  hold(bytes: number): void {
    this.#held.add(bytes);
  }

  get signal(): AbortSignal {
    if (this.#signal !== null) return this.#signal;
    const late = new AbortController();
    this.#timer = setTimeout(() => late.abort(), WAIT_MS_MAX);
    return this.#signal = AbortSignal.any([late.signal, this.#raw.signal]);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** A long answer, which is counted until its client has read it. */
class TextSource implements PartSource {
  readonly stalledMsMax = STREAM_STALLED_MS;
  readonly #text: string;
  readonly #held: AnswerHold;
  #at = 0;

  /** `text` is ASCII, so it can be cut anywhere. */
  constructor(text: string, held: AnswerHold) {
    this.#text = text;
    this.#held = held;
  }

  next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const part = this.#text.slice(this.#at, this.#at += WHOLE_BYTES_MAX);
    return Promise.resolve(part === "" ? null : encodeUtf8(part));
  }

  /** It needs nothing more of the node. */
  stop(): void {}

  end(): void {
    this.#held.release();
  }
}

/** The answers of one stream, one object on each line. */
class AnswerSource implements PartSource {
  readonly stalledMsMax = WATCH_STALLED_MS;
  readonly #rpc: Rpc;
  readonly #answers: AsyncGenerator<Answer, void>;
  readonly #ended = new AbortController();
  readonly #leave: () => void;
  readonly #onError: (error: unknown) => EtcdError;
  #isOver = false;

  constructor({ rpc, requests, call, leave, onError }: {
    readonly rpc: Extract<Rpc, { kind: "stream" }>;
    readonly requests: readonly EtcdRequest[];
    readonly call: Omit<Call, "signal">;
    readonly leave: () => void;
    readonly onError: (error: unknown) => EtcdError;
  }) {
    this.#rpc = rpc;
    this.#answers = rpc.answer(each(requests), { ...call, signal: this.#ended.signal });
    this.#leave = leave;
    this.#onError = onError;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#isOver) return null;
    try {
      const { done, value } = await this.#answers.next();
      if (done !== true) return line({ result: this.#rpc.toJson(value) });
      this.#isOver = true;
      return null;
    } catch (error) {
      this.#isOver = true;
      return line({ error: streamError(this.#onError(error)) });
    }
  }

  stop(): void {
    this.#ended.abort();
  }

  end(): void {
    this.#ended.abort();
    void this.#answers.return().catch(() => {});
    this.#leave();
  }
}

async function* each(requests: readonly EtcdRequest[]): AsyncGenerator<EtcdRequest, void> {
  yield* requests;
}

const NEWLINE = 0x0a;

/** One object in any layout, or several objects with one on each line. */
function linesOf(body: Uint8Array): readonly Uint8Array[] {
  if (isJson(body)) return [body];
  const lines: Uint8Array[] = [];
  for (let start = 0; start < body.length;) {
    const found = body.indexOf(NEWLINE, start);
    const end = found < 0 ? body.length : found;
    if (end > start) lines.push(body.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function isJson(body: Uint8Array): boolean {
  if (body.length === 0) return true;
  try {
    JSON.parse(decodeUtf8(body));
    return true;
  } catch {
    return false;
  }
}

/** The HTTP status for each of gRPC's codes, as in etcd's gateway. */
const HTTP_STATUS: Readonly<Record<CodeName, number>> = {
  canceled: 408,
  unknown: 500,
  invalidArgument: 400,
  deadlineExceeded: 504,
  notFound: 404,
  permissionDenied: 403,
  resourceExhausted: 429,
  failedPrecondition: 400,
  outOfRange: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  unauthenticated: 401,
};

/** `error` is for clients of etcd before 3.6. */
function errorResponse({ code, message }: EtcdError): Response {
  const body = { error: message, code: CODES[code], message, details: [] };
  return jsonResponse(body, { status: HTTP_STATUS[code] });
}

/** `grpc_code` and `http_code` are for clients of etcd before 3.6. */
function streamError({ code, message }: EtcdError): object {
  const number = CODES[code];
  return {
    code: number,
    message,
    details: [],
    grpc_code: number,
    http_code: HTTP_STATUS[code],
  };
}

/** `canceled` is answered with 408, as the rest of the API answers a body that does not arrive. */
const CODE_OF_PROBLEM: Partial<Record<ProblemCode, CodeName>> = {
  overloaded: "resourceExhausted",
  body_timeout: "canceled",
};

function ofProblem(problem: Problem): EtcdError {
  if (problem.code === "request_too_large") {
    return new EtcdError("invalidArgument", "etcdserver: request is too large", { cause: problem });
  }
  const code = CODE_OF_PROBLEM[problem.code] ?? "invalidArgument";
  return new EtcdError(code, `etcdserver: ${problem.message}`, { cause: problem });
}

function line(value: object): Uint8Array<ArrayBuffer> {
  return encodeUtf8(`${JSON.stringify(value)}\n`);
}
