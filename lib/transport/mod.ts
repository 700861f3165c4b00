/**
 * How nodes reach each other: {@linkcode Transport} carries Raft's messages over TCP.
 *
 * Every node dials every other and sends over the connection that it dialed; it receives over those
 * that it accepted. So two nodes have two connections, each with one writer of messages, and whoever
 * lost a connection is the one who dials again: after 20 ms at first, then with exponential backoff
 * and jitter, and at once when the other one dials in. Nothing on the wire is acknowledged or
 * repeated here. Raft repeats what matters, so a message to a peer that is not connected is dropped,
 * and a queue that is full drops its oldest.
 *
 * From the bottom up: a *channel* is a stream of bytes each way (`channel.ts`; encryption will be a
 * channel around the TCP channel). *Frames* cut it into payloads by their length (`frame.ts`). A
 * payload is a flat *sequence* of msgpack scalars (`sequence.ts`), which *fields* read and check one
 * by one (`field.ts`); the *schemas* of messages and hellos stand in `message_codec.ts` and
 * `hello.ts`. A *connection* joins a channel, a bounded queue and a watch for silence
 * (`connection.ts`); it begins with the exchange of hellos (`handshake.ts`). A *peer* keeps one
 * dialed connection up (`peer.ts`), the *acceptor* takes those of others (`acceptor.ts`).
 *
 * Whatever comes from outside has a limit: frames, counts, bytes, connections that have not said who
 * they are, and the time they may take. What does not fit is refused with an error that says what,
 * the value and the limit; it is counted and its connection dropped, and all others go on. Until
 * channels are authenticated, a hello is believed: anyone who reaches the port can claim a name.
 *
 * Only `lib/node` orders effects. A socket callback hands over a message and does nothing else.
 *
 * @module
 */

export type { NetworkAddress } from "./channel.ts";
export { HelloError, type HelloRefusal, PROTOCOL_VERSION } from "./hello.ts";
export type { TransportCounter, TransportEvents, TransportRefusal } from "./reporter.ts";
export {
  type PeerAddress,
  TRANSPORT_DEFAULTS,
  type TransportLimits,
  type TransportTiming,
} from "./settings.ts";
export type { QueueLimits } from "./frame_queue.ts";
export { Transport, type TransportOptions } from "./transport.ts";
export { checkPublicKey, generateKeyPair, type KeyPair, toKeyPair } from "./x25519.ts";
