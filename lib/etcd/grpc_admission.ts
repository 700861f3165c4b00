/**
 * What a client of gRPC must show before the node reads a message of it, and the places that it takes.
 *
 * @module
 */

import type {
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
type Admitted =
  & Pick<ServerInterceptingCallInterface, "getAuthContext">
  & { readonly metadata: import("@grpc/grpc-js").Metadata };

/** Calls that gRPC has not given to their handlers yet, and the number of all calls. */
export class GrpcGate {
  readonly #options: GrpcGateOptions;
  readonly #known = new Receiving(RECEIVING_MAX);
  readonly #unknown = new Receiving(PUBLIC_RECEIVING_MAX);
  #count = 0;

  /** `options` are used as they are. */
  constructor(options: GrpcGateOptions) {
    this.#options = options;
  }

  /** How many calls there are. */
  get calls(): number {
    return this.#count;
  }

  /** Refuses calls before their messages are read. gRPC reads nothing until it is given the metadata. */
  interceptor(
    rpcs: ReadonlyMap<string, Rpc>,
    Intercepting: typeof ServerInterceptingCall,
  ): ServerInterceptor {
    return ({ path }, call) => {
      const rpc = rpcs.get(path);
      let end = () => {};
      let arrived = () => {};
      return new Intercepting(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              end = this.#begin(call);
              try {
                if (this.#count > CALLS_MAX) throw refuse("tooManyRequests");
                if (rpc === undefined) throw new EtcdError("unimplemented", "unknown method");
                const getAuthContext = () => call.getAuthContext();
                this.#options.admit(rpc, { metadata, getAuthContext });
                if (rpc.kind === "unary") arrived = this.#receive(rpc, call);
              } catch (error) {
                return sendRefusal(call, error);
              }
              pass(metadata);
            },
            onReceiveMessage: (message, pass) => {
              arrived();
              pass(message);
            },
            onReceiveHalfClose: (pass) => pass(),
            onCancel: () => {
              arrived();
              end();
            },
          }),
      });
    };
  }

  #begin(call: ServerInterceptingCallInterface): () => void {
    this.#count++;
    const end = this.#options.begin(call);
    return () => {
      this.#count--;
      end();
    };
  }

  #receive({ isPublic }: Rpc, call: ServerInterceptingCallInterface): () => void {
    const { messageTimeoutMs = MESSAGE_TIMEOUT_MS } = this.#options;
    return (isPublic ? this.#unknown : this.#known).add(call, messageTimeoutMs);
  }
}

/** Calls that wait for their message. */
class Receiving {
  readonly #max: number;
  /** The one that waits longest is the first. */
  readonly #waiting = new Set<{ readonly refuse: (error: EtcdError) => void }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Returns what is called when its message has arrived, or it has ended. */
  add(call: ServerInterceptingCallInterface, timeoutMs: number): () => void {
    const timer = setTimeout(() => entry.refuse(late(timeoutMs)), timeoutMs);
    const leave = () => {
      clearTimeout(timer);
      this.#waiting.delete(entry);
    };
    const entry = {
      refuse: (error: EtcdError) => {
        leave();
        sendRefusal(call, error);
      },
    };
    this.#waiting.add(entry);
    const [longest] = this.#waiting;
    if (this.#waiting.size > this.#max) longest?.refuse(refuse("tooManyRequests"));
    return leave;
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
