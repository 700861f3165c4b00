/**
 * What a client of gRPC must show before the node reads a message of it, and the places that it takes.
 *
 * @module
 */

import type {
  Metadata,
  ServerInterceptingCall,
  ServerInterceptingCallInterface,
  ServerInterceptor,
} from "@grpc/grpc-js";
import { CODES, EtcdError, refuse, toEtcdError } from "./errors.ts";
import type { Rpc } from "./rpc.ts";

/** Most calls at once, including streams. */
const CALLS_MAX = 4_096;
/** Most calls whose one message has not arrived. Above it, the one that waits longest is refused. */
const RECEIVING_MAX = 512;
/** The same for calls that need no token, of which nothing is known. */
const PUBLIC_RECEIVING_MAX = 32;
/** How long the message of a call may take to arrive. A stream may be silent. */
const MESSAGE_TIMEOUT_MS = 10_000;

/** The settings of admission. */
interface GrpcGateOptions {
  /** Checks the token of a call. @throws {EtcdError} */
  readonly admit: (rpc: Rpc, from: Admitted) => void;
  /** Called when a call begins; returns what is called at its end. */
  readonly begin: (call: ServerInterceptingCallInterface) => () => void;
  /** How long a message may take; {@linkcode MESSAGE_TIMEOUT_MS} by default. */
  readonly messageTimeoutMs?: number;
}

/** What is known of a call before its message. */
interface Admitted extends Pick<ServerInterceptingCallInterface, "getAuthContext"> {
  readonly metadata: Metadata;
}

/** Calls that gRPC has not given to their handlers yet, and the number of all calls. */
export class GrpcGate {
  readonly #options: GrpcGateOptions;
  readonly #known: Receiving;
  readonly #unknown: Receiving;
  #count = 0;

  /** `options` are used as they are. */
  constructor(options: GrpcGateOptions) {
    const { messageTimeoutMs = MESSAGE_TIMEOUT_MS } = options;
    this.#options = options;
    this.#known = new Receiving(RECEIVING_MAX, messageTimeoutMs);
    this.#unknown = new Receiving(PUBLIC_RECEIVING_MAX, messageTimeoutMs);
  }

  /** How many calls there are. */
  get calls(): number {
    return this.#count;
  }

  /**
   * Refuses calls before their messages are read. gRPC reads nothing until its handler has the metadata.
   *
   * gRPC's own class for interceptors holds every message and answer back once more, which costs a tenth of a
   * call. This one only hears what comes in.
   */
  interceptor(rpcs: ReadonlyMap<string, Rpc>): ServerInterceptor {
    return ({ path }, call) => {
      const start = call.start.bind(call);
      call.start = (handler) =>
        start(new Guard({ call, rpc: rpcs.get(path), gate: this, handler }));
      // gRPC's type names its class, but the call that it gave is one of the interface.
      return call as ServerInterceptingCall;
    };
  }

  /** Takes a place for a call. Returns what is called at its end. */
  begin(call: ServerInterceptingCallInterface): () => void {
    this.#count++;
    const end = this.#options.begin(call);
    return () => {
      this.#count--;
      end();
    };
  }

  /** Returns what is called when the message of the call has arrived. @throws {EtcdError} a refusal. */
  admit(
    rpc: Rpc | undefined,
    { call, metadata }: {
      readonly call: ServerInterceptingCallInterface;
      readonly metadata: Metadata;
    },
  ): () => void {
    if (this.#count > CALLS_MAX) throw refuse("tooManyRequests");
    if (rpc === undefined) throw new EtcdError("unimplemented", "unknown method");
    this.#options.admit(rpc, { metadata, getAuthContext: () => call.getAuthContext() });
    if (rpc.kind === "stream") return () => {};
    return (rpc.isPublic ? this.#unknown : this.#known).add(call);
  }

  /** Waits for no message any more. */
  close(): void {
    this.#known.close();
    this.#unknown.close();
  }
}

type ServerListener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/** Hears a call first, and lets its handler hear it once its client is admitted. */
class Guard implements ServerListener {
  readonly #call: ServerInterceptingCallInterface;
  readonly #rpc: Rpc | undefined;
  readonly #gate: GrpcGate;
  readonly #handler: ServerListener;
  #end = () => {};
  #arrived = () => {};

  constructor({ call, rpc, gate, handler }: {
    readonly call: ServerInterceptingCallInterface;
    readonly rpc: Rpc | undefined;
    readonly gate: GrpcGate;
    readonly handler: ServerListener;
  }) {
    this.#call = call;
    this.#rpc = rpc;
    this.#gate = gate;
    this.#handler = handler;
  }

  onReceiveMetadata(metadata: Metadata): void {
    const call = this.#call;
    this.#end = this.#gate.begin(call);
    try {
      this.#arrived = this.#gate.admit(this.#rpc, { call, metadata });
    } catch (error) {
      return sendRefusal(call, error);
    }
    this.#handler.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    this.#arrived();
    this.#handler.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    this.#handler.onReceiveHalfClose();
  }

  onCancel(): void {
    this.#arrived();
    this.#end();
    this.#handler.onCancel();
  }
}

/** A call that waits for its message. */
interface Waiting {
  readonly call: ServerInterceptingCallInterface;
  readonly sinceMs: number;
}

/** Calls that wait for their message. One timer serves all of them. */
class Receiving {
  readonly #max: number;
  readonly #timeoutMs: number;
  /** The one that waits longest is the first. */
  readonly #waiting = new Set<Waiting>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(max: number, timeoutMs: number) {
    this.#max = max;
    this.#timeoutMs = timeoutMs;
  }

  /** Returns what is called when its message has arrived, or it has ended. */
  add(call: ServerInterceptingCallInterface): () => void {
    const entry = { call, sinceMs: performance.now() };
    this.#waiting.add(entry);
    const [longest] = this.#waiting;
    if (this.#waiting.size > this.#max && longest !== undefined) {
      this.#refuse(longest, refuse("tooManyRequests"));
    }
    this.#timer ??= setTimeout(() => this.#expire(), this.#timeoutMs);
    return () => this.#waiting.delete(entry);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting.clear();
  }

  #expire(): void {
    const nowMs = performance.now();
    this.#timer = null;
    for (const entry of this.#waiting) {
      const leftMs = entry.sinceMs + this.#timeoutMs - nowMs;
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.#expire(), leftMs);
        return;
      }
      this.#refuse(entry, late(this.#timeoutMs));
    }
  }

  #refuse(entry: Waiting, error: EtcdError): void {
    this.#waiting.delete(entry);
    sendRefusal(entry.call, error);
  }
}

function late(timeoutMs: number): EtcdError {
  return new EtcdError(
    "deadlineExceeded",
    `etcdserver: the request did not arrive within ${timeoutMs} ms`,
  );
}

function sendRefusal(call: ServerInterceptingCallInterface, error: unknown): void {
  const { code, message } = toEtcdError(error);
  call.sendStatus({ code: CODES[code], details: message, metadata: null });
}
