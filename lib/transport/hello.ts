/**
 * The hello: the first frame on a connection. It has the protocol, the cluster, the dialer and the node
 * that it dials, and the first message of the Noise handshake, which proves the dialer's identity. The
 * acceptor answers with the second message, or with a refusal that the dialer can report.
 *
 * All but the Noise messages is plaintext. The handshake's prologue contains the hello, so any change in
 * it is noticed. A refusal is not authenticated, because there are no keys yet. A false one ends one
 * attempt to connect, which an attacker on the path can do anyway.
 *
 * Every version of the protocol begins its hello with the same two values, so that two versions recognise
 * each other.
 *
 * @module
 */

import { equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { type ClusterName, type NodeId, toClusterName } from "../types.ts";
import {
  bytes,
  count,
  decodePayload,
  encodePayload,
  encodeSequence,
  type FieldsOf,
  nodeId,
  nullable,
  record,
  type Scalar,
  scalar,
  type SequenceReader,
  tagged,
  word,
} from "./field.ts";

/** The version of frames, hello and messages. Nodes of different versions refuse each other. */
export const PROTOCOL_VERSION = 8;

/** Most bytes in a message of the handshake. */
const NOISE_BYTES_MAX = 128;

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
  /** It dials another node than the one that answers. */
  | "wrongTarget"
  /** The sender is not a peer of this node. */
  | "unknownNode"
  /** The sender has another key than the one that is pinned for it. */
  | "wrongKey"
  /** The handshake was altered, or made for a node with another key. */
  | "notAuthentic";

/** A hello is refused, by this node or by the node that it was sent to. */
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

/** Which node dials which, in which cluster. */
interface HelloRoute {
  /** The dialer's cluster. */
  readonly cluster: ClusterName;
  /** The dialer. */
  readonly from: NodeId;
  /** The node that it dials. */
  readonly to: NodeId;
}

/** The first message: the dialer, the node that it dials, and the proof of the dialer's identity. */
export interface Hello extends HelloRoute {
  /** The tag. */
  readonly kind: "hello";
  /** The first message of the handshake. */
  readonly noise: Uint8Array;
}

/** The answer to a hello that is accepted. */
interface Answer {
  /** The tag. */
  readonly kind: "answer";
  /** The second message of the handshake. */
  readonly noise: Uint8Array;
}

/** The answer to a hello that is refused. */
interface Refusal {
  /** The tag. */
  readonly kind: "refusal";
  /** Which rule refused it. */
  readonly refusal: HelloRefusal;
  /** The acceptor's cluster. */
  readonly cluster: ClusterName;
  /** The acceptor. */
  readonly from: NodeId;
}

/** This node, as it checks a hello. */
export interface HelloContext {
  /** This node. */
  readonly self: NodeId;
  readonly cluster: ClusterName;
}

/** Any message before there is a channel. */
export type Greeting = Hello | Answer | Refusal;

/** The payload of a greeting, in a shared buffer until the next call. */
export function encodeHello(greeting: Greeting): Uint8Array {
  const sequence: Scalar[] = [PROTOCOL_NAME, PROTOCOL_VERSION];
  greetingField.write(greeting, sequence);
  return encodeSequence(sequence);
}

/** Binds a handshake to protocol, cluster and both nodes: the hello without its Noise message. */
export function toPrologue(route: HelloRoute): Uint8Array {
  const sequence: Scalar[] = [PROTOCOL_NAME, PROTOCOL_VERSION];
  routeField.write(route, sequence);
  return encodeSequence(sequence).slice();
}

/**
 * Reads the payload of the first frame.
 *
 * @throws {HelloError} `malformed` or `wrongProtocol`.
 */
export function decodeHello(payload: Uint8Array): Greeting {
  try {
    const greeting = decodePayload({ read: readGreeting }, payload);
    // A greeting has one form only, so a changed byte always changes the meaning.
    if (equalBytes(encodeHello(greeting), payload)) return greeting;
    throw new InputError("a value is not in its shortest form");
  } catch (cause) {
    if (cause instanceof HelloError || !(cause instanceof InputError)) throw cause;
    throw new HelloError("malformed", `Cannot read hello: ${cause.message}`, { cause });
  }
}

function readGreeting(reader: SequenceReader): Greeting {
  const { version } = preambleField.read(reader);
  if (version !== PROTOCOL_VERSION) {
    throw new HelloError(
      "wrongProtocol",
      `Cannot read hello: protocol version ${version} is not ${PROTOCOL_VERSION}. All nodes need one ` +
        "version of Floe: stop them, replace the program of those that have another one, and start " +
        "them (docs/operators.md, Another version of Floe)",
    );
  }
  return greetingField.read(reader);
}

/**
 * The acceptor's check of a hello, before the dialer has proved anything. Returns the key that the dialer
 * must have.
 *
 * @throws {HelloError} when the hello is refused.
 */
export function checkHello(
  hello: Greeting,
  context: HelloContext & { readonly peerKeyOf: (id: NodeId) => Uint8Array | null },
): { readonly hello: Hello; readonly peerKey: Uint8Array } {
  if (hello.kind !== "hello") {
    throw new HelloError(
      "malformed",
      `Cannot accept hello: it is a message of the kind "${hello.kind}"`,
    );
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
      `Cannot accept hello of ${hello.from}: it is for ${hello.to}, and this is ${context.self}`,
    );
  }
  const peerKey = context.peerKeyOf(hello.from);
  if (peerKey === null) {
    throw new HelloError(
      "unknownNode",
      `Cannot accept hello of ${hello.from}: it is not a peer of ${context.self}`,
    );
  }
  return { hello, peerKey };
}

/**
 * The dialer's check of the answer to its hello, before the peer has proved anything. Returns the second
 * message of the handshake.
 *
 * @throws {HelloError} when the peer refused the hello, or its message is not an answer.
 */
export function checkAnswer(
  answer: Greeting,
  context: HelloContext & { readonly peer: NodeId },
): Uint8Array {
  if (answer.kind === "answer") return answer.noise;
  const { self, cluster, peer } = context;
  if (answer.kind === "hello") {
    throw new HelloError("malformed", `Cannot accept answer of ${peer}: it is a hello`);
  }
  throw new HelloError(
    answer.refusal,
    `${answer.from} of cluster ${answer.cluster} refused the hello of ${self} to ${peer} ` +
      `of cluster ${cluster}: ${REFUSAL_MEANINGS[answer.refusal]}`,
  );
}

const REFUSAL_MEANINGS: Readonly<Record<HelloRefusal, string>> = {
  malformed: "it could not read it",
  wrongProtocol: "it speaks another protocol version; all nodes need one version of Floe",
  wrongCluster: "it belongs to another cluster",
  wrongTarget: "it is another node; check the peer addresses of cluster.json",
  unknownNode: "this node is no member there: it was removed (floe member list shows it), or its " +
    "cluster.json is of other members",
  wrongKey:
    "its cluster.json has another channelKey for this node; check that both have the same one",
  notAuthentic: "it has another channelKey than in this node's cluster.json, or the hello was " +
    "altered on its way; check that both have the same cluster.json",
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
  wrongKey: 5,
  notAuthentic: 6,
});

const noise = bytes({ bytesMax: NOISE_BYTES_MAX });
const routeFields: FieldsOf<HelloRoute> = { cluster: clusterName, from: nodeId, to: nodeId };
const routeField = record<HelloRoute>(routeFields);

const greetingField = tagged<Greeting>({
  hello: { tag: 1, fields: { ...routeFields, noise } },
  refusal: { tag: 2, fields: { refusal: refusalWord, cluster: clusterName, from: nodeId } },
  answer: { tag: 3, fields: { noise } },
});

/** Most bytes in a configuration. That of the largest cluster is smaller. */
export const CONFIGURATION_BYTES_MAX: number = 128 * 1024;
/** Most bytes in the frame of an introduction. */
export const INTRODUCTION_FRAME_BYTES_MAX: number = CONFIGURATION_BYTES_MAX + 16;

/** The configuration, which two nodes compare when they connect. It is public. */
export interface Configuration {
  /** SHA-256 of the text: 32 bytes. */
  readonly digest: Uint8Array;
  /** The configuration in its canonical form. */
  readonly text: Uint8Array;
}

/** The first message in the channel. */
export interface Introduction {
  /** The dialer's configuration; null when it is the same as the acceptor's. */
  readonly configuration: Uint8Array | null;
  /** How many memberships since the genesis the dialer knows: a removed node is shown those that follow. */
  readonly memberships: number;
}

/** The payload of an introduction, in a shared buffer until the next call. */
export function encodeIntroduction(introduction: Introduction): Uint8Array {
  return encodePayload(introductionField, introduction);
}

/** Reads an introduction. @throws {HelloError} `malformed`. */
export function decodeIntroduction(payload: Uint8Array): Introduction {
  return catching(InputError, () => decodePayload(introductionField, payload), (cause) => {
    throw new HelloError("malformed", `Cannot read introduction: ${cause.message}`, { cause });
  });
}

const introductionField = record<Introduction>({
  configuration: nullable(bytes({ bytesMax: CONFIGURATION_BYTES_MAX })),
  memberships: count,
});
