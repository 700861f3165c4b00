/**
 * Raft messages as nodes could say them, honest or not: within the schema, and without sense.
 *
 * @module
 */

import type { MembershipCertificate } from "../../lib/certificate/mod.ts";
import type { Entry, Message, TermProof } from "../../lib/raft/mod.ts";
import { type Epoch, type NodeId, toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import type { Random } from "../simulator/random.ts";
import { drawCount } from "./values.ts";

/** Where a message goes, and what could stand in it: what an attacker knows of the cluster. */
export interface Surroundings {
  /** The one who speaks. */
  readonly from: NodeId;
  /** The one who listens. */
  readonly to: NodeId;
  /** The voters. */
  readonly voters: readonly NodeId[];
  /** Terms and indexes near these are drawn more often than others. */
  readonly near: readonly number[];
  /** Certificates, genuine or not. */
  readonly notes: readonly string[];
  /** Proofs of terms, genuine or not. */
  readonly proofs: readonly TermProof[];
  /** Commitments and shares, genuine or not. */
  readonly commitments: readonly Uint8Array[];
  /** Commands, readable or not. */
  readonly commands: readonly Uint8Array[];
}

/** Messages without the two ends. */
type Body = { [Kind in Message["kind"]]: Omit<Extract<Message, { kind: Kind }>, "from" | "to"> };

/** Draws a message of any kind. */
export function drawMessage(random: Random, around: Surroundings): Message {
  const draw = random.pick(Object.values(DRAWS(new Drawer(random, around))));
  return { ...draw(), from: around.from, to: around.to };
}

/** What is drawn of one surroundings. */
class Drawer {
  readonly random: Random;
  readonly around: Surroundings;

  constructor(random: Random, around: Surroundings) {
    this.random = random;
    this.around = around;
  }

  number(): number {
    if (this.random.chance(0.3) || this.around.near.length === 0) return drawCount(this.random);
    const near = this.random.pick(this.around.near) + this.random.between(-1, 2);
    return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, near));
  }

  term() {
    return toTerm(this.number());
  }

  index() {
    return toLogIndex(this.number());
  }

  voter(): NodeId {
    return this.random.chance(0.9) ? this.random.pick(this.around.voters) : toNodeId("nobody");
  }

  boolean(): boolean {
    return this.random.chance(0.5);
  }

  bytes(): Uint8Array {
    return this.random.chance(0.7) && this.around.commitments.length > 0
      ? this.random.pick(this.around.commitments)
      : this.random.bytes(this.random.below(100));
  }

  note(): string {
    return this.random.pick(this.around.notes);
  }

  /** One that was seen, for another term or candidate perhaps, or one that nobody gave. */
  proof(): TermProof {
    const seen = this.random.chance(0.7) && this.around.proofs.length > 0
      ? this.random.pick(this.around.proofs)
      : this.#madeUp();
    if (seen.kind === "certificate" || this.random.chance(0.5)) return seen;
    const term = this.random.chance(0.5) ? seen.term : this.term();
    const grants = this.random.chance(0.7) ? seen.grants : seen.grants.toReversed();
    return { ...seen, term, candidate: this.voter(), grants };
  }

  #madeUp(): TermProof {
    const term = this.term();
    if (this.random.chance(0.3)) return { kind: "certificate", term, note: this.note() };
    const grants = this.list(() => ({ voter: this.voter(), signature: this.signature() }));
    const epoch = this.epoch();
    const membership = this.nullable(() => this.membership());
    return { kind: "grants", term, epoch, membership, candidate: this.voter(), grants };
  }

  epoch(): Epoch {
    return toEpoch(this.random.chance(0.8) ? 1 : 1 + drawCount(this.random) % 5);
  }

  change(): string {
    return this.random.bytes(32).toHex();
  }

  membership(): MembershipCertificate {
    return { byOld: this.note(), byNew: this.nullable(() => this.note()) };
  }

  signature(): Uint8Array {
    const grants = this.around.proofs.flatMap((proof) =>
      proof.kind === "grants" ? proof.grants : []
    );
    return this.random.chance(0.7) && grants.length > 0
      ? this.random.pick(grants).signature
      : this.random.bytes(64);
  }

  command(): Uint8Array {
    return this.random.pick(this.around.commands);
  }

  nullable<Value>(draw: () => Value): Value | null {
    return this.random.chance(0.3) ? null : draw();
  }

  list<Item>(draw: (at: number) => Item, countMax = 6): Item[] {
    return Array.from({ length: this.random.between(0, countMax) }, (_, at) => draw(at));
  }
}

/** One for each kind; the compiler sees to it that none is forgotten. */
const DRAWS = (d: Drawer): { readonly [Kind in keyof Body]: () => Body[Kind] } => ({
  preVoteRequest: () => ({
    kind: "preVoteRequest",
    term: d.term(),
    lastLogIndex: d.index(),
    lastLogTerm: d.term(),
    transfer: d.boolean(),
    epoch: d.epoch(),
    sequence: drawCount(d.random),
    membership: d.nullable(() => d.membership()),
    proof: d.nullable(() => d.proof()),
  }),
  preVoteResponse: () => ({
    kind: "preVoteResponse",
    term: d.term(),
    granted: d.boolean(),
    grant: d.nullable(() => d.signature()),
    commitment: d.nullable(() => d.bytes()),
    incarnation: drawCount(d.random),
    proof: d.nullable(() => d.proof()),
    memberships: d.list(() => d.membership()),
  }),
  voteRequest: () => ({
    kind: "voteRequest",
    term: d.term(),
    epoch: d.epoch(),
    lastLogIndex: d.index(),
    lastLogTerm: d.term(),
    transfer: d.boolean(),
    proof: d.nullable(() => d.proof()),
    session: drawCount(d.random),
    commitments: d.random.chance(0.5)
      ? d.list(() => ({ voter: d.voter(), commitment: d.bytes() }))
      : d.around.voters.map((voter) => ({ voter, commitment: d.bytes() })),
  }),
  voteResponse: () => ({
    kind: "voteResponse",
    term: d.term(),
    requestTerm: d.term(),
    granted: d.boolean(),
    session: d.random.chance(0.8) ? d.random.below(4) : drawCount(d.random),
    share: d.nullable(() => d.bytes()),
    commitment: d.nullable(() => d.bytes()),
    incarnation: drawCount(d.random),
    proof: d.nullable(() => d.proof()),
  }),
  appendRequest: () => drawAppend(d),
  appendResponse: () => ({
    kind: "appendResponse",
    term: d.term(),
    round: d.number(),
    promiseTicks: d.number(),
    outcome: d.random.pick([
      { kind: "accepted", matchIndex: d.index() },
      {
        kind: "conflict",
        previousLogIndex: d.index(),
        hintIndex: d.index(),
        hintTerm: d.term(),
      },
      { kind: "uncertified" },
      { kind: "staleTerm", proof: d.proof() },
    ]),
  }),
  proposeRequest: () => ({
    kind: "proposeRequest",
    term: d.term(),
    incarnation: drawCount(d.random),
    batchId: d.random.chance(0.8) ? d.random.below(5) : drawCount(d.random),
    proposals: d.list(() => ({ proposalId: drawCount(d.random), command: d.command() })),
  }),
  proposeResponse: () => ({
    kind: "proposeResponse",
    term: d.term(),
    incarnation: d.random.chance(0.7) ? 1 : drawCount(d.random),
    outcomes: d.list(() =>
      d.boolean()
        ? { kind: "appended", proposalId: d.random.below(5), index: d.index() }
        : { kind: "refused", proposalId: d.random.below(5), reason: "overloaded" }
    ),
  }),
  readIndexRequest: () => ({
    kind: "readIndexRequest",
    term: d.term(),
    incarnation: drawCount(d.random),
    batchId: drawCount(d.random),
    lease: d.boolean(),
  }),
  readIndexResponse: () => ({
    kind: "readIndexResponse",
    term: d.term(),
    incarnation: d.random.chance(0.7) ? 1 : drawCount(d.random),
    batchId: d.random.below(5),
    readIndex: d.nullable(() => d.index()),
  }),
  snapshotRequest: () => ({
    kind: "snapshotRequest",
    term: d.term(),
    round: d.number(),
    certificate: d.nullable(() => d.note()),
    snapshot: drawSnapshot(d),
    offset: d.number(),
    data: d.random.bytes(d.random.below(50)),
  }),
  snapshotResponse: () => ({
    kind: "snapshotResponse",
    term: d.term(),
    index: d.index(),
    outcome: d.random.pick([
      { kind: "stored", nextOffset: d.number() },
      { kind: "installed" },
      { kind: "refused" },
    ]),
  }),
  subShare: () => ({
    kind: "subShare",
    term: d.term(),
    change: d.change(),
    secret: d.random.bytes(32),
  }),
  subShareRequest: () => ({ kind: "subShareRequest", term: d.term(), change: d.change() }),
  memberEntryRequest: () => ({
    kind: "memberEntryRequest",
    term: d.term(),
    data: d.command(),
  }),
  signatureRequest: () => ({
    kind: "signatureRequest",
    term: d.term(),
    change: d.change(),
    epoch: d.epoch(),
    session: drawCount(d.random),
    commitments: d.list(() => ({ voter: d.voter(), commitment: d.bytes() })),
  }),
  signatureResponse: () => ({
    kind: "signatureResponse",
    term: d.term(),
    change: d.change(),
    epoch: d.epoch(),
    session: drawCount(d.random),
    share: d.nullable(() => d.bytes()),
    commitment: d.bytes(),
  }),
  timeoutNowRequest: () => ({
    kind: "timeoutNowRequest",
    term: d.term(),
    round: d.number(),
    certificate: d.nullable(() => d.note()),
  }),
});

function drawAppend(d: Drawer): Body["appendRequest"] {
  const previousLogIndex = toLogIndex(Math.min(d.number(), Number.MAX_SAFE_INTEGER - 10));
  const previousLogTerm = d.term();
  let term: number = previousLogTerm;
  return {
    kind: "appendRequest",
    term: d.term(),
    previousLogIndex,
    previousLogTerm,
    leaderCommit: d.index(),
    matchIndex: d.index(),
    round: d.number(),
    certificate: d.nullable(() => d.note()),
    transferTarget: d.nullable(() => d.voter()),
    entries: d.list((at): Entry => {
      // Most often as a leader's log is: in one term, or a rising one.
      if (d.random.chance(0.3)) term = d.number();
      return {
        index: toLogIndex(previousLogIndex + 1 + at),
        term: toTerm(term),
        kind: d.random.chance(0.7) ? "command" : "certificate",
        data: d.random.chance(0.8) ? d.command() : new TextEncoder().encode(d.note()),
      };
    }),
  };
}

function drawSnapshot(d: Drawer) {
  return {
    index: d.index(),
    term: d.term(),
    bytes: d.number(),
    sha256: d.random.bytes(d.random.chance(0.9) ? 32 : d.random.below(32)),
    members: null,
  };
}
