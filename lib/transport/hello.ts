/**
 * The hello: the first frame each way on a connection. The dialer says which protocol it speaks, of
 * which cluster it is, who it is and whom it means to reach. The acceptor answers with its own hello,
 * or with a refusal that the dialer can report plainly.
 *
 * Every version of the protocol begins its hello with the same two values, so that two versions can
 * always tell each other apart.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { type ClusterName, type NodeId, toClusterName } from "../types.ts";
import { count, nodeId, record, scalar, tagged, word } from "./field.ts";
import { encodeSequence, type Scalar, SequenceReader } from "./sequence.ts";

/** The version of frames, hello and messages. Nodes of different versions refuse each other. */
export const PROTOCOL_VERSION = 1;

/** The first value of every hello, whatever the version. */
const PROTOCOL_NAME = "floe";

/** Why a hello is refused. */
export type HelloRefusal =
  /** It is not a hello. */
  | "malformed"
  /** The other side speaks another version. */
  | "wrongProtocol"
  /** It belongs to another cluster. */
  | "wrongCluster"
  /** It means to reach another node than the one that answers. */
  | "wrongTarget"
  /** The node that speaks is not a peer of this one. */
  | "unknownNode";

/** A hello is refused, by this node or by the one it was sent to. */
export class HelloError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "HelloError";
  /** Which rule refused it. */
  readonly refusal: HelloRefusal;

  /** `message` says what was refused, the value and what was expected. */
  constructor(refusal: HelloRefusal, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.refusal = refusal;
  }
}

/** Who a node is and whom it means to reach. */
export interface Hello {
  /** The tag. */
  readonly kind: "hello";
  /** The sender's cluster. */
  readonly cluster: ClusterName;
  /** The sender. */
  readonly from: NodeId;
  /** Whom it means to reach. */
  readonly to: NodeId;
}

/** The answer to a hello that is refused. */
export interface Refusal {
  /** The tag. */
  readonly kind: "refusal";
  /** Which rule refused it. */
  readonly refusal: HelloRefusal;
  /** The acceptor's cluster. */
  readonly cluster: ClusterName;
  /** The acceptor. */
  readonly from: NodeId;
}

/** What one side knows about itself when it judges a hello. */
export interface HelloContext {
  /** This node. */
  readonly self: NodeId;
  /** Its cluster. */
  readonly cluster: ClusterName;
}

/** The payload of a hello or a refusal. It stands in a shared buffer until the next call. */
export function encodeHello(hello: Hello | Refusal): Uint8Array {
  const sequence: Scalar[] = [PROTOCOL_NAME, PROTOCOL_VERSION];
  helloField.write(hello, sequence);
  return encodeSequence(sequence);
}

/**
 * Reads the payload of the first frame.
 *
 * @throws {HelloError} `malformed` or `wrongProtocol`.
 */
export function decodeHello(payload: Uint8Array): Hello | Refusal {
  const reader = new SequenceReader(payload);
  try {
    const { version } = preambleField.read(reader);
    if (version !== PROTOCOL_VERSION) {
      throw new HelloError(
        "wrongProtocol",
        `Cannot read hello: protocol version ${version} is not ${PROTOCOL_VERSION}`,
      );
    }
    const hello = helloField.read(reader);
    reader.end();
    return hello;
  } catch (cause) {
    if (cause instanceof HelloError || !(cause instanceof InputError)) throw cause;
    throw new HelloError("malformed", `Cannot read hello: ${cause.message}`, { cause });
  } finally {
    reader.close();
  }
}

/**
 * The acceptor's judgement on a dialer's hello. Returns who speaks.
 *
 * @throws {HelloError} naming the refusal.
 */
export function checkHello(
  hello: Hello | Refusal,
  context: HelloContext & { readonly isPeer: (id: NodeId) => boolean },
): NodeId {
  if (hello.kind === "refusal") {
    throw new HelloError("malformed", `Cannot accept hello: it is a refusal`);
  }
  if (hello.cluster !== context.cluster) {
    throw new HelloError(
      "wrongCluster",
      `Cannot accept hello of ${hello.from}: its cluster is ${hello.cluster}, not ${context.cluster}`,
    );
  }
  if (hello.to !== context.self) {
    throw new HelloError(
      "wrongTarget",
      `Cannot accept hello of ${hello.from}: it means ${hello.to}, this is ${context.self}`,
    );
  }
  if (!context.isPeer(hello.from)) {
    throw new HelloError(
      "unknownNode",
      `Cannot accept hello of ${hello.from}: it is not a peer of ${context.self}`,
    );
  }
  return hello.from;
}

/**
 * The dialer's judgement on the answer to its hello.
 *
 * @throws {HelloError} when it is refused, by the peer or because another node answered.
 */
export function checkAnswer(
  answer: Hello | Refusal,
  context: HelloContext & { readonly peer: NodeId },
): void {
  const { self, cluster, peer } = context;
  if (answer.kind === "refusal") {
    throw new HelloError(
      answer.refusal,
      `${answer.from} of cluster ${answer.cluster} refused the hello of ${self} to ${peer} ` +
        `of cluster ${cluster}: ${REFUSAL_MEANINGS[answer.refusal]}`,
    );
  }
  if (answer.cluster !== cluster || answer.from !== peer || answer.to !== self) {
    throw new HelloError(
      answer.cluster === cluster ? "wrongTarget" : "wrongCluster",
      `Cannot accept answer: ${answer.from} of cluster ${answer.cluster} speaks to ${answer.to}, ` +
        `but ${self} of cluster ${cluster} means ${peer}`,
    );
  }
}

const REFUSAL_MEANINGS: Readonly<Record<HelloRefusal, string>> = {
  malformed: "it could not read it",
  wrongProtocol: "it speaks another protocol version",
  wrongCluster: "it belongs to another cluster",
  wrongTarget: "it is another node; check the peer addresses of cluster.json",
  unknownNode: "it knows no such node; check that both have the same cluster.json",
};

const preambleField = record<{ readonly protocol: string; readonly version: number }>({
  protocol: scalar((value) => {
    if (value !== PROTOCOL_NAME) throw new InputError(`it does not begin with "${PROTOCOL_NAME}"`);
    return PROTOCOL_NAME;
  }),
  version: count,
});

const clusterName = scalar(toClusterName);

const refusalWord = word<HelloRefusal>({
  malformed: 0,
  wrongProtocol: 1,
  wrongCluster: 2,
  wrongTarget: 3,
  unknownNode: 4,
});

const helloField = tagged<Hello | Refusal>({
  hello: { tag: 1, fields: { cluster: clusterName, from: nodeId, to: nodeId } },
  refusal: { tag: 2, fields: { refusal: refusalWord, cluster: clusterName, from: nodeId } },
});
