/**
 * etcd's calls as gRPC makes them: streams of messages, metadata with a token, and statuses.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type {
  handleBidiStreamingCall,
  handleUnaryCall,
  Metadata,
  Server,
  ServerDuplexStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { AnswerGate, type AnswerHold } from "./answers.ts";
import type { Call } from "./call.ts";
import { type Admission, callerOf } from "./cluster.ts";
import { CODES, EtcdError, refuse, toEtcdError } from "./errors.ts";
import type { Answer, Request, Rpc } from "./rpc.ts";

/** How long a client may take to read one answer of a stream. */
const STALLED_MS = 60_000;

/** What calls are answered with. */
interface CallsOptions {
  /** Checks the tokens of callers. */
  readonly admission: Admission;
  /** Counts the answers that clients have not read. */
  readonly answers?: AnswerGate;
  /** Called with every unexpected error. */
  readonly onError?: (error: unknown) => void;
}

/** Messages stay bytes until a handler reads them, so that a malformed message gets etcd's own error. */
export function addServices(server: Server, rpcs: readonly Rpc[], calls: Calls): void {
  const services = new Map<string, [ServiceDefinition, UntypedServiceImplementation]>();
  for (const rpc of rpcs) {
    const [service = "", method = ""] = rpc.name.split("/");
    const [definition, implementation] = services.get(service) ?? [{}, {}];
    services.set(service, [
      {
        ...definition,
        [method]: {
          path: `/${rpc.name}`,
          requestStream: rpc.kind === "stream",
          responseStream: rpc.kind === "stream",
          requestSerialize: asBuffer,
          requestDeserialize: asBytes,
          responseSerialize: asBuffer,
          responseDeserialize: asBytes,
        },
      },
      { ...implementation, [method]: calls.handlerOf(rpc) },
    ]);
  }
  for (const [definition, implementation] of services.values()) {
    server.addService(definition, implementation);
  }
}

type Handler =
  | handleUnaryCall<Uint8Array, Uint8Array>
  | handleBidiStreamingCall<
    Uint8Array,
    Uint8Array
  >;

/** The running calls. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #stopping: AbortSignal;
  readonly #answers: AnswerGate;

  constructor(options: CallsOptions, stopping: AbortSignal) {
    this.#options = options;
    this.#stopping = stopping;
    this.#answers = options.answers ?? new AnswerGate();
  }

  handlerOf(rpc: Rpc): Handler {
    if (rpc.kind === "unary") return this.#unary(rpc);
    return (stream: ServerDuplexStream<Uint8Array, Uint8Array>) => void this.#stream(rpc, stream);
  }

  #unary(rpc: Extract<Rpc, { kind: "unary" }>): handleUnaryCall<Uint8Array, Uint8Array> {
    return async (from, answer) => {
      const call = this.#toCall(from);
      from.on("cancelled", () => call.end());
      try {
        this.#checkStopping();
        answer(null, rpc.encode(await rpc.answer(rpc.decode(from.request), call)));
      } catch (error) {
        answer(this.#toStatus(error));
      }
    };
  }

  async #stream(
    rpc: Extract<Rpc, { kind: "stream" }>,
    stream: ServerDuplexStream<Uint8Array, Uint8Array>,
  ): Promise<void> {
    const call = this.#toCall(stream);
    stream.on("cancelled", () => call.end());
    stream.on("close", () => call.end());
    try {
      this.#checkStopping();
      const answers = rpc.answer(received(rpc, stream), call);
      await sendAll(rpc, stream, { answers, signal: call.signal });
      if (this.#stopping.aborted) throw refuse("stopped");
      stream.end();
    } catch (error) {
      stream.emit("error", this.#toStatus(error));
    }
  }

  /** Checks the token of a call whose message is not read yet. @throws {EtcdError} */
  admit(rpc: Rpc, from: Received): void {
    rpc.admit({ caller: this.#callerOf(from), way: "grpc" });
  }

  #checkStopping(): void {
    if (this.#stopping.aborted) throw refuse("stopped");
  }

  #toCall(from: Received): GrpcCall {
    return new GrpcCall({
      caller: this.#callerOf(from),
      requiresLeader: textOf(from.metadata, "hasleader") === "true",
      stopping: this.#stopping,
      answer: this.#answers.open(),
    });
  }

  #callerOf(from: Received): Call["caller"] {
    const { metadata } = from;
    const certificate = commonNameOf(from);
    const token = textOf(metadata, "token") ?? textOf(metadata, "authorization");
    return () => callerOf(this.#options.admission, { token, certificate });
  }

  #toStatus(error: unknown): { readonly code: number; readonly details: string } {
    const refusal = toEtcdError(error);
    if (refusal.code === "internal") this.#options.onError?.(error);
    return { code: CODES[refusal.code], details: refusal.message };
  }
}

class GrpcCall implements Call {
  readonly way = "grpc";
  readonly caller: Call["caller"];
  readonly requiresLeader: boolean;
  readonly #stopping: AbortSignal;
  readonly #answer: AnswerHold;
  #ended: AbortController | null = null;
  #signal: AbortSignal | null = null;
  #isOver = false;

  constructor({ caller, requiresLeader, stopping, answer }: {
    readonly caller: Call["caller"];
    readonly requiresLeader: boolean;
    readonly stopping: AbortSignal;
    readonly answer: AnswerHold;
  }) {
    this.caller = caller;
    this.requiresLeader = requiresLeader;
    this.#stopping = stopping;
    this.#answer = answer;
  }

  hold(bytes: number): void {
    if (!this.#isOver) this.#answer.add(bytes);
  }

  get signal(): AbortSignal {
    if (this.#signal !== null) return this.#signal;
    this.#ended = new AbortController();
    if (this.#isOver) this.#ended.abort();
    return this.#signal = AbortSignal.any([this.#ended.signal, this.#stopping]);
  }

  /** Its client has read the answer, or is gone. */
  end(): void {
    this.#isOver = true;
    this.#answer.release();
    this.#ended?.abort();
  }
}

/** What a call brings besides its messages. */
type Received = Pick<
  ServerDuplexStream<Uint8Array, Uint8Array>,
  "metadata" | "getAuthContext"
>;

/** The name in the client's certificate. gRPC shows only a certificate that was accepted. */
function commonNameOf(from: Received): string | null {
  const name: unknown = from.getAuthContext().sslPeerCertificate?.subject.CN;
  return typeof name === "string" && name !== "" ? name : null;
}

function textOf(metadata: Metadata, name: string): string | null {
  const [value] = metadata.get(name);
  return typeof value === "string" ? value : null;
}

/** The messages of a client, one at a time: the next one is read when the last one was taken. */
async function* received(
  rpc: Rpc,
  stream: ServerDuplexStream<Uint8Array, Uint8Array>,
): AsyncGenerator<Request, void> {
  const waiting: Uint8Array[] = [];
  let isOver = false;
  let wake = Promise.withResolvers<void>();
  const end = () => {
    isOver = true;
    wake.resolve();
  };
  for (const event of ["end", "error", "close", "cancelled"]) stream.on(event, end);
  stream.on("data", (bytes: Uint8Array) => {
    waiting.push(bytes);
    stream.pause();
    wake.resolve();
  });
  while (true) {
    const bytes = waiting.shift();
    if (bytes !== undefined) yield rpc.decode(bytes);
    else if (isOver) return;
    else {
      wake = Promise.withResolvers();
      stream.resume();
      await wake.promise;
    }
  }
}

/** Sends answers as fast as the client reads them. */
async function sendAll(
  rpc: Rpc,
  stream: ServerDuplexStream<Uint8Array, Uint8Array>,
  { answers, signal }: {
    readonly answers: AsyncGenerator<Answer, void>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for await (const answer of answers) {
    if (signal.aborted) return;
    if (!stream.write(rpc.encode(answer))) await drained(stream, signal);
  }
}

function drained(
  stream: ServerDuplexStream<Uint8Array, Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      settle();
      reject(new EtcdError("deadlineExceeded", "etcdserver: the client does not read its answers"));
    }, STALLED_MS);
    const onEnd = () => {
      settle();
      resolve();
    };
    const settle = () => {
      clearTimeout(timer);
      stream.off("drain", onEnd);
      signal.removeEventListener("abort", onEnd);
    };
    stream.once("drain", onEnd);
    signal.addEventListener("abort", onEnd, { once: true });
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A plain Uint8Array: unlike a Buffer's, its slices are copies. */
function asBytes({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
