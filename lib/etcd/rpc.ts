/**
 * What a call of etcd's protocol is: how its request is read, how it is answered, and how the answer is written.
 *
 * @module
 */

import type { Call } from "./call.ts";
import { parseJson, writeJson } from "./json.ts";
import { decodeMessage, encodeMessage } from "./protobuf.ts";
import type { Draft, Message, Read } from "./shape.ts";

/** A decoded request. Its call knows the type. */
export type Request = object;
/** An answer. Its call knows the type. */
export type Answer = object;

/** How a call reads requests and writes answers. */
export interface RpcCodec {
  /** From Protocol Buffers. @throws {EtcdError} */
  readonly decode: (bytes: Uint8Array) => Request;
  /** From JSON, as text or as values. @throws {EtcdError} */
  readonly parse: (text: Uint8Array) => Request;
  /** To Protocol Buffers. */
  readonly encode: (answer: Answer) => Uint8Array<ArrayBuffer>;
  /** To JSON, as the gateway answers. */
  readonly toJson: (answer: Answer) => unknown;
}

/** One call of the protocol. */
export type Rpc =
  & RpcCodec
  & {
    /** `package.Service/Method`. */
    readonly name: string;
    /** The paths of the gateway; empty for a call that only gRPC has. */
    readonly paths: readonly string[];
    /** Whether the client may send more than one request. */
    readonly takesStream: boolean;
    /** Whether it needs no token. */
    readonly isPublic: boolean;
    /** Checks that the sender is known, before anything of the request is read. @throws {EtcdError} */
    readonly admit: (call: Pick<Call, "caller" | "way">) => void;
  }
  & (
    /** One answer. */
    | { readonly kind: "unary"; readonly answer: (request: Request, call: Call) => Promise<Answer> }
    /** Answers one after the other. */
    | {
      readonly kind: "stream";
      readonly answer: (
        requests: AsyncIterable<Request>,
        call: Call,
      ) => AsyncGenerator<Answer, void>;
    }
  );

/** A call with one request and one answer. */
export function unary<In extends Message, Out extends Message>(
  name: string,
  paths: readonly string[],
  [input, output]: readonly [In, Out],
  answer: (request: Read<In>, call: Call) => Promise<Draft<Out>>,
): Rpc {
  return {
    kind: "unary",
    name,
    paths,
    takesStream: false,
    isPublic: false,
    admit: admitKnown,
    ...codec(input, output),
    // This call's own codec has decoded the request, so the type is right.
    answer: (request, call) => answer(request as Read<In>, call),
  };
}

/** A call that answers again and again. */
export function stream<In extends Message, Out extends Message>(
  name: string,
  paths: readonly string[],
  [input, output]: readonly [In, Out],
  answer: (
    requests: AsyncIterable<Read<In>>,
    call: Call,
  ) => AsyncGenerator<Draft<Out>, void>,
  { takesStream }: { readonly takesStream: boolean } = { takesStream: true },
): Rpc {
  return {
    kind: "stream",
    name,
    paths,
    takesStream,
    isPublic: false,
    admit: admitKnown,
    ...codec(input, output),
    answer: (requests, call) => answer(requests as AsyncIterable<Read<In>>, call),
  };
}

/** The same call for clients without a token, too. */
export function forAnyone(rpc: Rpc): Rpc {
  return { ...rpc, isPublic: true, admit: () => {} };
}

function admitKnown({ caller }: Pick<Call, "caller">): void {
  caller();
}

function codec<In extends Message, Out extends Message>(input: In, output: Out): RpcCodec {
  return {
    decode: (bytes) => decodeMessage(input, bytes),
    parse: (text) => parseJson(input, text),
    encode: (answer) => encodeMessage(output, answer as Draft<Out>),
    toJson: (answer) => writeJson(output, answer as Draft<Out>),
  };
}
