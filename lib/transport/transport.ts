/**
 * The transport of one node: the interface of `lib/node` to the network between nodes.
 *
 * @module
 */

import { equalBytes } from "../bytes.ts";
import type { MembershipCertificate } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import type { Message as KeyGenerationMessage } from "../keygen/mod.ts";
import type { LeaseMessage } from "../kv/mod.ts";
import type { Message, TermProof } from "../raft/mod.ts";
import type { ClusterName, NodeId } from "../types.ts";
import { Acceptor } from "./acceptor.ts";
import type { Address } from "../address.ts";
import { encodeFarewell, type Farewells } from "./farewell.ts";
import { encodeFrame } from "./frame.ts";
import type { Configuration } from "./hello.ts";
import {
  decodeKeyGenerationMessage,
  encodeKeyGenerationMessage,
  isKeyGenerationPayload,
} from "./keygen_codec.ts";
import { decodeLeaseMessage, encodeLeaseMessage, isLeasePayload } from "./lease_codec.ts";
import {
  decodeViewMessage,
  encodeViewMessage,
  isViewPayload,
  type ViewMessage,
} from "./view_codec.ts";
import { decodeMessage, encodeMessage } from "./message_codec.ts";
import type { KeyPair } from "./noise_primitives.ts";
import { Peer } from "./peer.ts";
import { Reporter, type TRANSPORT_COUNTERS, type TransportEvents } from "./reporter.ts";
import {
  type PeerEndpoint,
  Tasks,
  TRANSPORT_DEFAULTS,
  type TransportLimits,
  type TransportSettings,
  type TransportTiming,
} from "./settings.ts";

/** The settings of a transport. */
export interface TransportOptions
  extends TransportEvents, Partial<TransportTiming>, Partial<TransportLimits> {
  /** This node. */
  readonly self: NodeId;
  /** The cluster that it belongs to. */
  readonly cluster: ClusterName;
  /** This node's lasting X25519 key pair. Its peers have pinned the public key. */
  readonly channelKeys: KeyPair;
  /** This node's configuration. It is compared with each peer's; see `onConfiguration`. */
  readonly configuration: Configuration;
  /** Where to listen for peers. */
  readonly listen: Address;
  /** The other nodes and their keys. An address is read again at each attempt to connect. */
  readonly peers: readonly PeerEndpoint[];
  /** Takes each message of Raft. It is called from a socket callback, so it must return at once. */
  readonly onMessage: (message: Message) => void;
  /** Takes each message of key generation in the same way. Without it, those messages are dropped. */
  readonly onKeyGenerationMessage?: ((message: KeyGenerationMessage) => void) | undefined;
  /** Takes each message about leases in the same way. Without it, those messages are dropped. */
  readonly onLeaseMessage?: ((message: LeaseMessage) => void) | undefined;
  /** Takes each message about views in the same way. Without it, those messages are dropped. */
  readonly onViewMessage?: ((message: ViewMessage) => void) | undefined;
  /** Takes what a peer shows that says that this node is no member any more. Nothing has verified it. */
  readonly onFarewell?: ((memberships: readonly MembershipCertificate[]) => void) | undefined;
  /** How many memberships since the genesis this node knows; the default is none. */
  readonly membershipsKnown?: () => number;
  /** The peers that this node dismisses, and how; by default none. */
  readonly farewells?: Farewells;
  /** Random numbers, uniform in [0, 1), for the jitter of reconnecting; the default is `Math.random`. */
  readonly random?: () => number;
}

/** Connections to and from every peer, from {@linkcode start} to {@linkcode close}. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #closing = new AbortController();
  readonly #tasks = new Tasks();
  readonly #reporter: Reporter;
  readonly #acceptor: Acceptor;
  readonly #settings: TransportSettings;
  readonly #peers = new Map<NodeId, KnownPeer>();
  /** The peers to connect to, also while the transport is unplugged. */
  #wanted: readonly PeerEndpoint[] = [];
  #isUnplugged = false;
  #isStarted = false;

  /** Touches no network yet. */
  constructor(options: TransportOptions) {
    this.#options = options;
    this.#reporter = new Reporter(options);
    this.#settings = toSettings(options);
    this.#acceptor = new Acceptor({
      listen: options.listen,
      peerKeyOf: (id) =>
        this.#peers.get(id)?.endpoint.channelKey ?? options.farewells?.keyOf(id) ?? null,
      farewellTo: (id, membershipsKnown) => this.#farewellTo(id, membershipsKnown),
      onPeer: (id) => this.#peers.get(id)?.peer.wake(),
      onPayload: (payload, from) => this.#receive(payload, from),
      isOpen: () => !this.#isUnplugged,
      settings: this.#settings,
      reporter: this.#reporter,
      signal: this.#closing.signal,
    });
    this.usePeers(options.peers);
  }

  /** The address that it listens on. Once started, this has the real port, also if `listen` has port 0. */
  get address(): Address {
    return this.#acceptor.address;
  }

  /** The counters since the start. */
  get counters(): Readonly<Record<typeof TRANSPORT_COUNTERS[number], number>> {
    return this.#reporter.counts;
  }

  /**
   * Opens the port and begins to connect to every peer. Does not wait for any connection.
   *
   * @throws {EnvironmentError} when it cannot listen. The message says what to do.
   */
  start(): void {
    this.#acceptor.listen();
    this.#isStarted = true;
    this.#tasks.watch(this.#acceptor.run());
    for (const { peer } of this.#peers.values()) this.#tasks.watch(peer.run());
  }

  /**
   * From now on these are the peers. Connections to and from others end; those to peers that stay as they
   * were go on.
   */
  usePeers(endpoints: readonly PeerEndpoint[]): void {
    this.#wanted = endpoints;
    if (!this.#isUnplugged) this.#connectTo(endpoints);
  }

  /** Ends every connection and makes none, as when a cable is pulled, until {@linkcode plugIn}. */
  unplug(): void {
    this.#isUnplugged = true;
    this.#connectTo([]);
    this.#acceptor.dropAll();
  }

  /** Connects again, to the peers that there are now. */
  plugIn(): void {
    this.#isUnplugged = false;
    this.#connectTo(this.#wanted);
  }

  #connectTo(endpoints: readonly PeerEndpoint[]): void {
    const others = endpoints.filter(({ id }) => id !== this.#options.self);
    for (const [id, { endpoint, leaving }] of this.#peers) {
      if (others.some((other) => isSameEndpoint(other, endpoint))) continue;
      this.#peers.delete(id);
      leaving.abort();
      this.#acceptor.drop(id);
    }
    for (const endpoint of others) if (!this.#peers.has(endpoint.id)) this.#add(endpoint);
  }

  #add(endpoint: PeerEndpoint): void {
    const leaving = new AbortController();
    const peer = new Peer({
      address: endpoint,
      settings: this.#settings,
      reporter: this.#reporter,
      onFarewell: (memberships) => this.#options.onFarewell?.(memberships),
      signal: AbortSignal.any([this.#closing.signal, leaving.signal]),
    });
    this.#peers.set(endpoint.id, { endpoint, peer, leaving });
    if (this.#isStarted && !this.#closing.signal.aborted) this.#tasks.watch(peer.run());
  }

  /**
   * Sends a message to its receiver, without waiting. When the connection is idle, the write has started
   * before this returns. These messages are dropped and counted: a message to a peer that is not
   * connected, a message above a limit, and the oldest messages of a full queue. Raft repeats what
   * matters, and an old message is useless to a peer that reconnects. A sub-share is erased in the message,
   * sent or not.
   *
   * @returns false when there is no connection, so the message certainly was not sent.
   */
  send(message: Message): boolean {
    const isSent = this.#send(message.to, () => encodeMessage(message));
    if (message.kind === "subShare") message.secret.fill(0);
    return isSent;
  }

  /** Sends a message of key generation, which also repeats what matters: see {@linkcode send}. */
  sendKeyGeneration(message: KeyGenerationMessage): boolean {
    return this.#send(message.to, () => encodeKeyGenerationMessage(message));
  }

  /** Sends a message about a lease: see {@linkcode send}. */
  sendLease(message: LeaseMessage): boolean {
    return this.#send(message.to, () => encodeLeaseMessage(message));
  }

  /** Sends a message about a view: see {@linkcode send}. */
  sendView(message: ViewMessage): boolean {
    return this.#send(message.to, () => encodeViewMessage(message));
  }

  /** Whether a peer is connected. If not, messages to it are dropped. */
  isConnected(peer: NodeId): boolean {
    return this.#peers.get(peer)?.peer.connected ?? false;
  }

  /** Closes the port and every connection. Resolves once all work has ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#tasks.ended();
  }

  #farewellTo(id: NodeId, membershipsKnown: number): Uint8Array | null {
    if (this.#peers.has(id)) return null;
    const memberships = this.#options.farewells?.membershipsAfter(membershipsKnown) ?? [];
    return encodeFrame(encodeFarewell(memberships));
  }

  #send(to: NodeId, encode: () => Uint8Array): boolean {
    const peer = this.#peers.get(to)?.peer;
    if (peer === undefined || !peer.connected) {
      this.#reporter.dropped(to, { reason: "notConnected", messages: 1 });
      return false;
    }
    const frame = this.#toFrame(to, encode);
    if (frame === null) return true;
    const dropped = peer.send(frame);
    this.#reporter.count("message.sent");
    if (dropped > 0) this.#reporter.dropped(to, { reason: "queueFull", messages: dropped });
    return true;
  }

  #toFrame(to: NodeId, encode: () => Uint8Array): Uint8Array | null {
    return catching(InputError, () => encodeFrame(encode()), (error) => {
      this.#reporter.dropped(to, { reason: "aboveLimit", messages: 1, error: error.message });
      return null;
    });
  }

  #receive(payload: Uint8Array, from: NodeId): number {
    const route = { from, to: this.#options.self };
    if (isKeyGenerationPayload(payload)) {
      const message = decodeKeyGenerationMessage(payload, route);
      this.#reporter.count("message.received");
      this.#options.onKeyGenerationMessage?.(message);
      return KEYGEN_WORK;
    }
    if (isLeasePayload(payload)) {
      const message = decodeLeaseMessage(payload, route);
      this.#reporter.count("message.received");
      this.#options.onLeaseMessage?.(message);
      return LEASE_WORK;
    }
    if (isViewPayload(payload)) {
      const message = decodeViewMessage(payload, route);
      this.#reporter.count("message.received");
      this.#options.onViewMessage?.(message);
      return VIEW_WORK;
    }
    const message = decodeMessage(payload, route);
    this.#reporter.count("message.received");
    this.#options.onMessage(message);
    return workOf(message);
  }
}

/** A peer, and what ends its connection when it is none any more. */
interface KnownPeer {
  readonly endpoint: PeerEndpoint;
  readonly peer: Peer;
  readonly leaving: AbortController;
}

/** Addresses that are read anew at each attempt are the same while they are the same object. */
function isSameEndpoint(left: PeerEndpoint, right: PeerEndpoint): boolean {
  return left === right || (left.id === right.id && left.hostname === right.hostname &&
    left.port === right.port && equalBytes(left.channelKey, right.channelKey));
}

function toSettings(options: TransportOptions): TransportSettings {
  return { random: Math.random, membershipsKnown: () => 0, ...TRANSPORT_DEFAULTS, ...options };
}

/** The work of parsing a signed note and verifying its signature. */
const NOTE_WORK = 16;
/** The work of verifying one signature in a term's proof. */
const GRANT_WORK = 8;
/** The work of checking points, or of drawing a nonce and signing: up to a few milliseconds. */
const SIGNING_WORK = 128;

/** The work of a message of key generation: nearly all of them contain points to check. */
export const KEYGEN_WORK: number = SIGNING_WORK;

/** The work of a message about a lease: it starts a read, which is confirmed together with others. */
const LEASE_WORK = 2;

/** The work of a message about a view: it is made, or read, in up to half a millisecond. */
const VIEW_WORK = 32;

/** The work of a message of Raft, at least 1. */
export function workOf(message: Message): number {
  switch (message.kind) {
    case "preVoteRequest":
    case "preVoteResponse":
    case "voteRequest":
    case "voteResponse":
      return SIGNING_WORK + proofWork(message.proof);
    case "appendRequest":
      return 1 + noteWork(message.certificate) + message.entries.length;
    case "snapshotRequest":
    case "timeoutNowRequest":
      return 1 + noteWork(message.certificate);
    case "proposeRequest":
      return 1 + message.proposals.length;
    case "proposeResponse":
      return 1 + message.outcomes.length;
    case "appendResponse":
      return 1 + (message.outcome.kind === "staleTerm" ? proofWork(message.outcome.proof) : 0);
    case "snapshotResponse":
    case "readIndexRequest":
    case "readIndexResponse":
    case "subShareRequest":
      return 1;
    case "subShare":
    case "memberEntryRequest":
    case "signatureRequest":
    case "signatureResponse":
      return SIGNING_WORK;
    default:
      return message satisfies never;
  }
}

/** The work of verifying a whole valid proof. An invalid proof is dropped earlier. */
function proofWork(proof: TermProof | null): number {
  if (proof === null) return 0;
  return proof.kind === "grants" ? GRANT_WORK * proof.grants.length : NOTE_WORK;
}

function noteWork(note: string | null): number {
  return note === null ? 0 : NOTE_WORK;
}
