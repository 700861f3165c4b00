/**
 * How nodes reach each other: {@linkcode Transport} carries their messages over TCP, those of Raft
 * and those of key generation.
 *
 * Every node dials every other and sends over the connection that it dialed; it receives over those
 * that it accepted. So two nodes have two connections, each with one writer of messages, and the node
 * that lost a connection dials again: after 20 ms at first, then with exponential backoff
 * and jitter, and at once when the other one dials in. Nothing on the wire is acknowledged or
 * repeated here. Both families of messages repeat what matters, so a message to a peer that is not
 * connected is dropped, and a queue that is full drops its oldest.
 *
 * From the bottom up: a *channel* is a stream of bytes each way (`channel.ts`), encrypted where it is
 * a `NoiseChannel` around the TCP channel (`noise_channel.ts`). *Frames* cut it into payloads by their
 * length (`frame.ts`). A payload is a flat *sequence* of msgpack scalars (`field.ts`), which
 * *fields* read and check one by one (`field.ts`); the *schemas* stand in `message_codec.ts` (Raft),
 * `keygen_codec.ts` and `hello.ts`. A *connection* joins a channel, a bounded queue and a watch for
 * silence (`connection.ts`); it begins with the handshake (`handshake.ts`). A *peer* keeps one dialed
 * connection up (`peer.ts`), the *acceptor* takes those of others (`acceptor.ts`).
 *
 * ## Authentication
 *
 * Every node has a lasting X25519 key, and every other node has pinned it. Two nodes meet in three
 * messages, each in a frame:
 *
 * | from | what | then |
 * | --- | --- | --- |
 * | dialer | hello: protocol, cluster, both names; Noise message one | the acceptor knows who wrote it, not when |
 * | acceptor | Noise message two, which holds the digest of its configuration | the dialer knows that the acceptor is there |
 * | dialer | inside the channel: its configuration, where it differs | the acceptor knows that the dialer is there |
 *
 * It is Noise_IK_25519_ChaChaPoly_SHA256 (`noise.ts`, and the states below it), and its prologue is the
 * hello. A peer that lacks the private key for the name it claims, or was dialed under another name, or
 * whose hello was altered on the way, does not get past the second message. A replayed hello does not
 * get past the third, and takes no genuine peer's place before. From there on every message is numbered
 * and encrypted under keys that exist for this connection alone, and are replaced as time goes by:
 * what is altered, left out, repeated or out of order ends the connection. An
 * attacker on the path can delay and cut connections, and see which nodes speak, when and how much.
 *
 * Configurations that differ do not keep nodes apart, as an operator changes them node by node; they
 * are reported to the transport's owner, which can say what differs.
 *
 * ## What others can ask for
 *
 * Whatever comes from outside has a limit: frames, counts, bytes, connections that have not shown who
 * they are, the time they may take, and how many are accepted in a second. What does not fit is
 * refused with an error that says what, the value and the limit; it is counted and its connection
 * dropped, and all others go on.
 *
 * Only `lib/node` orders effects. A socket callback hands over a message and does nothing else.
 *
 * @module
 */

export type { Address } from "../address.ts";
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
