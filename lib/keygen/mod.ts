/**
 * Key generation among nodes: from n voters who know each other's identity keys to one group key, a
 * share of it on each voter's disk, and a genesis certificate that all of them signed. No dealer, and
 * no moment at which the group's secret key exists.
 *
 * **A pure core.** {@linkcode KeyGeneration} has no I/O, no clock and no `await`. Everything that
 * happens enters as an {@linkcode Input}, everything to be done leaves as an {@linkcode Output}, and
 * {@linkcode carryOut} does it: persist, then send, then finish. The driver
 * (`lib/node/key_generation`) provides the ports, and channels that prove the sender and hide the
 * content.
 *
 * **The rounds.** FROST's KeyGen (`lib/frost/dkg.ts`) in the first three, agreement in the last two.
 * A node enters each round when it has everybody's message of the one before.
 *
 * | message | says | file |
 * | --- | --- | --- |
 * | `hash` | the hash of my commitment, signed | `agreement.ts` |
 * | `reveal` | my commitment and proof, and the hashes that I was given | `attempt.ts` |
 * | `share` | your share of my polynomial | `attempt.ts` |
 * | `ready` | my share is durable, and this is the transcript | `attempt.ts` |
 * | `signed` | my signature over the genesis statement | `agreement.ts` |
 * | `genesis` | the certificate: an answer to a peer that still asks | `key_generation.ts` |
 * | `abort` | I give this attempt up, because of this voter | `key_generation.ts` |
 *
 * Nothing times out. What a peer has not shown to have is sent again every few ticks and whenever
 * it is connected; who is waited for shows in the {@linkcode KeyGenerationStatus}. An attempt ends
 * early for two reasons only: a fault, or a peer in a higher attempt, which is what a node begins that
 * was restarted before it signed, since its polynomial was in memory. The highest attempt wins.
 *
 * **Why there is one key.** A node signs at most one genesis statement, ever: the flag is durable
 * before the signature leaves. A certificate takes all n signatures, so two of one configuration
 * take n voters that each signed twice. One honest voter is enough to rule that out, whatever
 * crashes and however many others lie.
 *
 * **Why no voter is stranded.** While no voter lies, one that signs finds all others able to sign the same:
 *
 * 1. A node signs attempt k of its own accord only while it is in k and everybody has said `ready`.
 * 2. A voter that has signed k enters no other attempt. One that has entered a higher one does not sign k
 *    of its own accord.
 * 3. Suppose some node is ready in j > k. It has a share of j from everybody, so everybody had entered
 *    j without having signed k, and nobody signs k of its own accord any more. So the share of k can
 *    go: a node keeps one share, the newest.
 * 4. Suppose some node has signed k. Then everybody was ready, and by 3 nobody has replaced its share
 *    of k. So a signature, wherever it arrives, finds a voter that can sign too, even one that was
 *    restarted and is in a higher attempt by now. That node goes back and signs.
 *
 * **What a liar can do.** It can keep the cluster from ever having a key: by silence, by breaking any
 * rule, by naming ever higher attempts, or by being ready and then not signing, which ties the others
 * to that attempt for good. Each of these shows as that voter's name in the status or the log; the
 * remedy is a configuration without it, which is another key generation. It can accuse others: a
 * fault that this node saw itself and one that it was told of are different events.
 *
 * It cannot learn the key or anybody's share, make two keys out of one, or leave an honest voter with a
 * share that does not fit. It cannot choose the key: it commits before anyone reveals. What is left is
 * to give up an attempt after seeing the key that it would have made, and to hope for a better one:
 * out of at most {@linkcode ATTEMPT_MAX} keys, each random, at a pace that slows down, in plain sight.
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
