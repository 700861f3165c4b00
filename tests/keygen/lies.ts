/**
 * The lies that one voter of a key generation can tell, each as a change to an honest voter's message.
 *
 * @module
 */

import assert from "node:assert/strict";
import { concatBytes } from "../../lib/bytes.ts";
import {
  hashPolynomialCommitment,
  type PolynomialCommitment,
} from "../../lib/frost/dkg_commitment.ts";
import { beginKeyGeneration } from "../../lib/frost/mod.ts";
import { encodeHashStatement, parametersOf, toPlan } from "../../lib/keygen/configuration.ts";
import type { Envelope, FaultRule, Message, MessageBody } from "../../lib/keygen/mod.ts";
import { nodeId } from "../certificate/cluster.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { BAD_ENCODINGS, GOOD_POINT } from "../frost/weak_points.ts";
import type { TestKeygen } from "./harness.ts";

/** Who lies. */
export const LIAR = nodeId(3);

/** A lie: what the liar's message becomes; null to leave it as it is. */
export interface Lie {
  /** What the liar does, after "a voter that". */
  readonly what: string;
  /** The rules, one of which it breaks. */
  readonly rules: readonly FaultRule[];
  /** The rule by which it is found where all are told it; any of `rules` unless given. */
  readonly foundBy?: FaultRule;
  /** The lie that the message becomes; null where the message gives no occasion for it. */
  readonly tell: (message: Message, cluster: TestKeygen) => MessageBody | null;
  /** Whether it comes after everybody's share is durable: that attempt's key is made in the end. */
  readonly isLate?: boolean;
}

/** Every lie, in the order of the messages. */
export const LIES: readonly Lie[] = [
  onHash("signs another hash than it sends", ["bad-signature"], ({ hash, ...rest }) => {
    return { ...rest, hash: flip(hash) };
  }),
  onHash("sends a hash under a wrong signature", ["bad-signature"], ({ signature, ...rest }) => {
    return { ...rest, signature: flip(signature) };
  }),
  onHash("sends a hash without signature", ["bad-signature"], (body) => {
    return { ...body, signature: new Uint8Array() };
  }),
  {
    what: "signs a hash of something else",
    rules: ["equivocation", "wrong-commitment-hash"],
    tell: (message, cluster) => {
      if (message.kind !== "hash") return null;
      return { kind: "hash", ...signHash(cluster, message.attempt, flip(message.hash)) };
    },
  },
  ...BAD_ENCODINGS.map(([what, rule, encoding]) =>
    inCommitment(`commits to ${what}`, rule, ({ vssCommitment, ...rest }) => {
      return { ...rest, vssCommitment: vssCommitment.with(1, encoding) };
    })
  ),
  inCommitment("commits to a key without knowing it", "bad-proof", ({ vssCommitment, ...rest }) => {
    return { ...rest, vssCommitment: vssCommitment.with(0, GOOD_POINT) };
  }),
  inCommitment("commits with a wrong proof", "bad-proof", ({ proofOfKnowledge, ...rest }) => {
    return { ...rest, proofOfKnowledge: flip(proofOfKnowledge) };
  }),
  inCommitment("commits with its proof of another attempt", "bad-proof", (_, next) => {
    return next();
  }),
  onReveal("reveals another commitment", ["wrong-commitment-hash"], (body) => {
    return { ...body, vssCommitment: body.vssCommitment.with(0, GOOD_POINT) };
  }),
  onReveal("reveals too many coefficients", ["wrong-commitment-length"], (body) => {
    return { ...body, vssCommitment: [...body.vssCommitment, GOOD_POINT] };
  }),
  onReveal("reveals too few coefficients", ["wrong-commitment-length"], (body) => {
    return { ...body, vssCommitment: body.vssCommitment.slice(1) };
  }),
  onReveal("reveals another proof", ["wrong-commitment-hash"], (body) => {
    return { ...body, proofOfKnowledge: flip(body.proofOfKnowledge) };
  }),
  onReveal("reveals a short proof", ["bad-proof"], (body) => {
    return { ...body, proofOfKnowledge: body.proofOfKnowledge.slice(1) };
  }),
  onReveal("passes on a hash that nobody signed", ["false-echo"], (body) => {
    const [first, ...rest] = body.hashes;
    assert.ok(first);
    return { ...body, hashes: [{ ...first, hash: flip(first.hash) }, ...rest] };
  }),
  onReveal("passes on one hash for another's", ["false-echo"], (body) => {
    return { ...body, hashes: body.hashes.toReversed() };
  }),
  onReveal("passes on too few hashes", ["false-echo"], (body) => {
    return { ...body, hashes: body.hashes.slice(1) };
  }),
  onReveal("passes on too many hashes", ["false-echo"], (body) => {
    return { ...body, hashes: [...body.hashes, ...body.hashes] };
  }),
  onShare("sends another share", ["bad-share", "malformed-scalar"], flip),
  onShare("sends a share of zero", ["bad-share"], () => new Uint8Array(32)),
  onShare("sends a share above the group order", ["malformed-scalar"], (share) => {
    return share.map(() => 0xff);
  }),
  onShare("sends a short share", ["malformed-scalar"], (share) => share.slice(1)),
  onShare("sends a long share", ["malformed-scalar"], (share) => concatBytes(share, share)),
  {
    what: "claims another transcript",
    rules: ["wrong-transcript", "bad-signature"],
    foundBy: "wrong-transcript",
    isLate: true,
    tell: (message) => {
      if (message.kind === "ready") {
        return { kind: "ready", transcriptHash: flip(message.transcriptHash) };
      }
      return withholdKey(message);
    },
  },
  {
    what: "signs something else",
    rules: ["bad-signature"],
    isLate: true,
    tell: (message) =>
      message.kind === "signed"
        ? { kind: "signed", signature: flip(message.signature) }
        : withholdKey(message),
  },
];

/** The message as its receiver gets it: changed where the liar sends it to one of `receivers`. */
export function tellLie(
  cluster: TestKeygen,
  message: Message,
  lie: Lie,
  receivers: readonly number[],
): Message {
  if (message.from !== LIAR || !receivers.some((number) => message.to === nodeId(number))) {
    return message;
  }
  const body = lie.tell(message, cluster);
  return body === null ? message : { ...body, ...envelopeOf(message) };
}

/** A message without what it says. */
export function envelopeOf({ from, to, configuration, attempt }: Message): Envelope {
  return { from, to, configuration, attempt };
}

/** What the liar makes of the messages with which it could still put everything right. */
function withholdKey({ kind }: Message): MessageBody | null {
  if (kind === "genesis") return { kind, note: "" };
  return kind === "signed" ? { kind, signature: new Uint8Array(64) } : null;
}

function onHash(
  what: string,
  rules: readonly FaultRule[],
  change: (body: Message & { kind: "hash" }) => MessageBody,
): Lie {
  return { what, rules, tell: (message) => message.kind === "hash" ? change(message) : null };
}

function onReveal(
  what: string,
  rules: readonly FaultRule[],
  change: (body: Message & { kind: "reveal" }) => MessageBody,
): Lie {
  return { what, rules, tell: (message) => message.kind === "reveal" ? change(message) : null };
}

/**
 * A commitment that is wrong in itself, under a hash and a signature that are right. `change` makes it of
 * a good one, or of the good one of the next attempt.
 */
function inCommitment(
  what: string,
  foundBy: FaultRule,
  change: (good: PolynomialCommitment, next: () => PolynomialCommitment) => PolynomialCommitment,
): Lie {
  const tell = (message: Message, cluster: TestKeygen): MessageBody | null => {
    const { kind, attempt } = message;
    if (kind !== "hash" && kind !== "reveal") return null;
    const { parameters, commitment } = begin(cluster, attempt);
    const changed = change(commitment, () => begin(cluster, attempt + 1).commitment);
    const signed = signHash(cluster, attempt, hashPolynomialCommitment(parameters, changed));
    if (kind === "hash") return { kind, ...signed };
    const { vssCommitment, proofOfKnowledge } = changed;
    return { kind, vssCommitment, proofOfKnowledge, hashes: message.hashes.with(2, signed) };
  };
  // Who was told another hash than the others finds that first.
  return { what, rules: [foundBy, "equivocation"], foundBy, tell };
}

/** What the liar could begin an attempt with, the same each time. */
function begin(cluster: TestKeygen, attempt: number) {
  const parameters = parametersOf(toPlan(cluster.configOf(LIAR, 1)), attempt);
  const randomBytes = seededBytes(attempt);
  return { parameters, ...beginKeyGeneration(parameters, { identifier: 3, randomBytes }) };
}

function onShare(
  what: string,
  rules: readonly FaultRule[],
  change: (share: Uint8Array) => Uint8Array,
): Lie {
  return {
    what,
    rules,
    tell: (message) =>
      message.kind === "share" ? { kind: "share", share: change(message.share) } : null,
  };
}

function signHash(cluster: TestKeygen, attempt: number, hash: Uint8Array) {
  const config = cluster.configOf(LIAR, 1);
  return { hash, signature: config.sign(encodeHashStatement(toPlan(config), { attempt, hash })) };
}

function flip(bytes: Uint8Array): Uint8Array {
  return bytes.with(0, (bytes[0] ?? 0) ^ 1);
}
