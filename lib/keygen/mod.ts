/**
 * Key generation among nodes. n voters with known identity keys make one group key. Each voter has a share
 * of it on its disk, and all sign a genesis certificate. There is no dealer, and the group's secret key
 * exists at no time.
 *
 * **A pure core.** {@linkcode KeyGeneration} has no I/O, no clock and no `await`. Everything that
 * happens enters as an {@linkcode Input}, everything to be done leaves as an {@linkcode Output}, and
 * {@linkcode carryOut} does it: persist, then send, then finish. The driver
 * (`lib/node/key_generation`) provides the ports, and channels that authenticate the sender and encrypt
 * the content.
 *
 * **The rounds.** FROST's KeyGen (`lib/frost/dkg.ts`) in the first three, agreement in the last two.
 * A node enters each round when it has every peer's message of the one before.
 *
 * | message | says | file |
 * | --- | --- | --- |
 * | `hash` | the hash of my commitment, signed | `agreement.ts` |
 * | `reveal` | my commitment and proof, and the hashes that I have received | `attempt.ts` |
 * | `share` | your share of my polynomial | `attempt.ts` |
 * | `ready` | my share is durable, and this is the transcript | `attempt.ts` |
 * | `signed` | my signature over the genesis statement | `agreement.ts` |
 * | `genesis` | the certificate: an answer to a peer that still asks | `key_generation.ts` |
 * | `abort` | I give this attempt up, because of this voter | `key_generation.ts` |
 *
 * Nothing times out. A node sends again, every few ticks and with each new connection, what a peer has not
 * confirmed. The {@linkcode KeyGenerationStatus} lists the peers that a node waits for. An attempt ends
 * early for two reasons only: a fault, or a peer in a higher attempt. A node that restarts before it has
 * signed begins a higher attempt, since its polynomial was in memory. The highest attempt wins.
 *
 * **Why there is one key.** A node signs at most one genesis statement, ever: the flag is durable
 * before the signature leaves. A certificate takes all n signatures, so two of one configuration
 * take n voters that each signed twice. One honest voter is enough to rule that out, whatever
 * crashes and however many others lie.
 *
 * **Why no voter is stranded.** While no voter lies, one that signs finds all others able to sign the same:
 *
 * 1. A node signs attempt k as the first only while it is in k and has `ready` from every peer.
 * 2. A voter that has signed k enters no other attempt. A voter in a higher attempt does not sign k as the
 *    first.
 * 3. Suppose some node is ready in j > k. It has a share of j from every peer, so every voter had entered
 *    j without having signed k, and no voter signs k as the first any more. So the share of k is not
 *    needed: a node keeps one share, the newest.
 * 4. Suppose some node has signed k. Then every voter was ready, and by 3 none has replaced its share of
 *    k. So each voter that receives the signature can sign too, even one that was restarted and is in a
 *    higher attempt. That voter goes back and signs.
 *
 * **What a liar can do.** It can keep the cluster from ever having a key: by silence, by breaking any
 * rule, by naming ever higher attempts, or by being ready and then not signing, which ties the others
 * to that attempt for good. In each case the status or the log has that voter's name. The remedy is a
 * configuration without it, and a new key generation. A liar can accuse others: a fault that a node has
 * seen itself and one that a peer has claimed are different events.
 *
 * A liar cannot learn the key or a share of another voter, make two keys out of one, or leave an honest
 * voter with a wrong share. It cannot choose the key: it commits before any voter reveals. It can give up
 * an attempt after it has seen the key, and wait for one that it likes better, out of at most
 * {@linkcode ATTEMPT_MAX} random keys. The attempts come ever more slowly, and each names the liar.
 *
 * @module
 */

export { ATTEMPT_GAP_TICKS_MAX, ATTEMPT_MAX, ATTEMPT_STRIDE_MAX } from "./attempt.ts";
export {
  type FaultRule,
  hashConfiguration,
  type KeyGenerationConfig,
  KeyGenerationFault,
} from "./configuration.ts";
export {
  carryOut,
  type DurableKeyGeneration,
  type DurableShare,
  type GeneratedKey,
  type Input,
  type KeyGenerationEvent,
  type KeyGenerationPorts,
  newDurableKeyGeneration,
  type Output,
} from "./input_output.ts";
export { KeyGeneration } from "./key_generation.ts";
export type {
  AbortBody,
  AttemptBody,
  Envelope,
  GenesisBody,
  HashBody,
  Message,
  MessageBody,
  ReadyBody,
  RevealBody,
  ShareBody,
  SignedBody,
  SignedHash,
} from "./message.ts";
export type { KeyGenerationPhase, KeyGenerationStatus, ParticipantStatus } from "./status.ts";
