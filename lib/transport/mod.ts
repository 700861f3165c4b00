/**
 * The network between nodes. {@linkcode Transport} sends and receives three families of messages over
 * TCP: those of Raft, of key generation, and of leases.
 *
 * Every node dials every other node. It sends over the connections that it dialed, and receives over the
 * connections that it accepted. So two nodes have two connections, and each connection has one writer of
 * messages. A node that loses a connection dials again: first after 20 ms, then with exponential backoff
 * and jitter, and at once when the peer dials in. The transport neither acknowledges nor repeats a
 * message. The senders repeat what matters. So the transport drops a message to a peer that is not
 * connected, and a full queue drops its oldest message.
 *
 * From the bottom up: a *channel* is a stream of bytes each way (`channel.ts`). After the handshake it is
 * a `NoiseChannel`, which encrypts what goes over the TCP channel (`noise_channel.ts`). *Frames* divide
 * the stream into payloads (`frame.ts`). A payload is a flat *sequence* of msgpack scalars, and *fields*
 * read and check them one by one (`field.ts`). The *schemas* are in `message_codec.ts` (Raft),
 * `keygen_codec.ts`, `lease_codec.ts` and `hello.ts`. A *connection* has a channel, a bounded queue and a
 * watch for silence (`connection.ts`). It begins with the handshake (`handshake.ts`). A *peer* keeps one
 * dialed connection open (`peer.ts`). The *acceptor* accepts the connections of the peers (`acceptor.ts`).
 *
 * ## Authentication
 *
 * Every node has a lasting X25519 key, and every other node has pinned its public key. The handshake has
 * three messages, each in a frame:
 *
 * | from | what | then |
 * | --- | --- | --- |
 * | dialer | hello: protocol, cluster, both names; Noise message one | the acceptor knows which node wrote it, not when |
 * | acceptor | Noise message two, which contains the digest of its configuration | the dialer knows that the acceptor is there |
 * | dialer | inside the channel: its configuration, if the two differ | the acceptor knows that the dialer is there |
 *
 * The handshake is Noise_IK_25519_ChaChaPoly_SHA256 (`noise.ts`, `noise_primitives.ts`). Its prologue is
 * the hello. The second message fails if the dialer lacks the private key for the name that it claims, if
 * it dialed another node than this one, or if its hello was altered. The third message fails if the hello
 * was replayed, and until then no genuine peer loses its connection. From then on every message is
 * numbered and encrypted under keys that only this connection has, and that are replaced regularly. A
 * message that is altered, missing, repeated or out of order ends the connection. An attacker on the path
 * can delay and cut connections, and can see which nodes speak, when, and how much.
 *
 * Nodes whose configurations differ still connect, because an operator changes them node by node. The
 * transport reports the difference to its owner.
 *
 * ## Limits
 *
 * Everything that comes from outside has a limit: frames, counts, bytes, connections that are not
 * authenticated, the duration of a handshake, and the accepted connections per second. What exceeds a
 * limit is refused with an error that says what, the value and the limit. The refusal is counted and the
 * connection is dropped. All other connections continue.
 *
 * Only `lib/node` orders effects. A socket callback passes a message on and does nothing else.
 *
 * @module
 */

export type { Address } from "../address.ts";
export type { Farewells } from "./farewell.ts";
export type { QueueLimits } from "./frame.ts";
export {
  type Configuration,
  CONFIGURATION_BYTES_MAX,
  HelloError,
  type HelloRefusal,
  PROTOCOL_VERSION,
} from "./hello.ts";
export type { RekeyLimits } from "./noise_channel.ts";
export {
  checkX25519Key,
  generateKeyPair,
  type KeyPair,
  NoiseError,
  type NoiseRefusal,
  toKeyPair,
} from "./noise_primitives.ts";
export {
  LogLimiter,
  type TRANSPORT_COUNTERS,
  type TransportEvents,
  type TransportRefusal,
} from "./reporter.ts";
export {
  type PeerEndpoint,
  TRANSPORT_DEFAULTS,
  type TransportLimits,
  type TransportTiming,
} from "./settings.ts";
export { Transport, type TransportOptions } from "./transport.ts";
export { VIEW_BYTES_MAX, type ViewMessage } from "./view_codec.ts";
