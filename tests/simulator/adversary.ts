/**
 * A liar: a voter with a genuine key share that says what it likes. The real node goes on underneath
 * it; the liar answers some messages in its place, changes others on their way out, and every now and
 * then makes something up.
 *
 * @module
 */

import { CertificateError, type Certifier } from "../../lib/certificate/certifier.ts";
import type { GrantKeys } from "../../lib/certificate/grant.ts";
import type {
  AppendRequest,
  Message,
  PreVoteRequest,
  TermProof,
  VoteRequest,
  VoteResponse,
} from "../../lib/raft/mod.ts";
import { highest, type NodeId, plus, type Term, toTerm } from "../../lib/types.ts";
import type { Counters } from "./counters.ts";
import { CLAIMED_INDEX, FalseCandidacy } from "./false_candidacy.ts";
import { type LieKind, LIES_BEYOND } from "./fault_kinds.ts";
import { forgeNote, forgeSnapshot } from "./forgery.ts";
import type { Random } from "./random.ts";

/** What a liar says that it promises: more than anybody believes. */
const PROMISED_TICKS = 1_000_000;
/** How many old notes and commitments a liar keeps for later. */
const KEPT_MAX = 20;

/** By how much messages raise their terms. */
const INFLATIONS: readonly number[] = [1, 2, 1_000_000];

/** Lies about who leads. */
const CLAIMS: readonly LieKind[] = [
  "forgedCertificate",
  "staleCertificate",
  "foreignCertificate",
  "claimWithoutCertificate",
];

/** What a liar needs of the rest of the world. */
export interface AdversaryOptions {
  /** Whose name it has. */
  readonly self: NodeId;
  /** Everybody else. */
  readonly peers: readonly NodeId[];
  /** Signs with its genuine identity. */
  readonly grants: GrantKeys;
  /** Signs with its genuine share, whatever it likes. */
  readonly certifier: Certifier;
  /** A genuine note by which it leads, in another cluster or another epoch. */
  readonly signElsewhere: (claim: { readonly term: Term; readonly leader: NodeId }) => string;
  /** How it lies now. */
  readonly lies: () => readonly LieKind[];
  /** Whether it lies whenever it can. */
  readonly isConstant: boolean;
  /** Chance. */
  readonly random: Random;
  /** Counts lies. */
  readonly counters: Counters;
  /** Puts a message on its way. */
  readonly send: (message: Message) => void;
}

/** See the module. */
export class Adversary {
  readonly #options: AdversaryOptions;
  readonly #commitments: Uint8Array[] = [];
  readonly #notes: string[] = [];
  readonly #candidacy: FalseCandidacy;
  /** The highest term that it has heard of. */
  #term = toTerm(0);
  /** The newest AppendEntries that it saw, as a pattern for its own. */
  #pattern: AppendRequest | null = null;
  /** The newest term in which it was elected. */
  #ledTerm = 0;

  /** A liar that has not lied yet. */
  constructor(options: AdversaryOptions) {
    this.#options = options;
    this.#candidacy = new FalseCandidacy(options);
  }

  /** A message arrives; whether the liar dealt with it and the node is not to see it. */
  intercept(message: Message): boolean {
    this.#noteTerm(message);
    if (message.kind === "appendRequest") this.#learn(message);
    if (this.#refuse(message)) return true;
    switch (message.kind) {
      case "preVoteRequest":
        this.#compete(message);
        return this.#lies("voteForAll") && this.#grant(message);
      case "voteRequest":
        return this.#lies("voteForAll") && this.#vote(message);
      case "appendRequest":
        if (this.#lies("wantSnapshots", 0.5)) this.#wantSnapshot(message);
        return this.#lies("falseAcknowledgement", 0.5) && this.#acknowledge(message);
      case "snapshotRequest":
        return this.#lies("wantSnapshots");
      case "preVoteResponse":
      case "voteResponse":
        return this.#candidacy.take(message);
      default:
        return false;
    }
  }

  /** What leaves instead of the node's message. */
  rewrite(message: Message): readonly Message[] {
    // What a leader says is believed, so whoever makes up what a leader says must not become one.
    if (message.kind === "preVoteRequest" && this.#claimsToLead) return [];
    if (message.kind === "appendRequest") this.#ledTerm = message.term;
    let told = message;
    if (told.kind === "voteResponse") {
      const spoiled = this.#spoil(told);
      if (spoiled === null) return [];
      told = spoiled;
    }
    if (told.kind === "preVoteResponse" || told.kind === "voteResponse") {
      told = this.#replay(told);
    }
    return this.#inflate(told);
  }

  /** Makes something up. */
  makeMischief(): void {
    const lies = this.#options.lies();
    const stands = LIES_BEYOND.some((lie) => lie !== "inflatedLog" && lies.includes(lie));
    if (this.#lies("inflatedLog") || stands) {
      this.#candidacy.start(this.#pattern?.term ?? toTerm(0), { transfer: true });
    }
    if (this.#lies("transferUnasked")) this.#transferUnasked();
    if (this.#lies("standFirst")) this.#candidacy.start(this.#term, { transfer: false });
    const term = plus(this.#pattern?.term ?? toTerm(0), this.#options.random.below(3));
    if (this.#lies("claimWithoutCertificate")) this.#claim(term, null);
    if (this.#lies("foreignCertificate")) {
      const { self, signElsewhere } = this.#options;
      this.#claim(term, signElsewhere({ term, leader: self }));
    }
    const note = this.#notes.length === 0 ? null : this.#options.random.pick(this.#notes);
    if (note === null) return;
    if (this.#lies("staleCertificate")) this.#claim(term, note);
    if (this.#lies("forgedCertificate")) {
      this.#claim(term, forgeNote(note, { term, leader: this.#options.self }));
    }
  }

  /** Whether it lies as a leader, but not beyond what replication promises. */
  get #claimsToLead(): boolean {
    const lies = this.#options.lies();
    if (LIES_BEYOND.some((lie) => lies.includes(lie))) return false;
    return CLAIMS.some((claim) => lies.includes(claim));
  }

  /** Whether it tells this kind of lie now; counts it if so. */
  #lies(kind: LieKind, probability = 1): boolean {
    const { lies, isConstant, random, counters } = this.#options;
    if (!lies().includes(kind) || !random.chance(isConstant ? 1 : probability)) return false;
    counters.count(`lie.${kind}`);
    return true;
  }

  #learn(message: AppendRequest): void {
    this.#pattern = message;
    if (message.certificate === null) return;
    if (this.#notes.includes(message.certificate)) return;
    this.#notes.push(message.certificate);
    if (this.#notes.length > KEPT_MAX) this.#notes.shift();
  }

  /** Whoever asks for pre-votes hears no leader, and perhaps nobody does: a good time to stand. */
  #compete({ term, lastLogIndex }: PreVoteRequest): void {
    // Another liar's: the two would provoke each other without end.
    if (lastLogIndex === CLAIMED_INDEX) return;
    const { random } = this.#options;
    const lies = this.#options.lies();
    const stands = LIES_BEYOND.some((lie) => lies.includes(lie));
    if (stands && random.chance(0.3)) this.#candidacy.start(plus(term, -1), { transfer: true });
  }

  /** Another's pre-vote is for a term that nobody is in yet. */
  #noteTerm({ kind, term }: Message): void {
    const isAhead = kind === "preVoteRequest" || kind === "preVoteResponse";
    this.#term = highest(this.#term, isAhead ? plus(term, -1) : term);
  }

  /** Answers every request by a refusal of a term that is higher by one. */
  #refuse(message: Message): boolean {
    const refusal = refusalOf(message, this.#forgeProof(plus(message.term, 1)));
    if (refusal === null || !this.#lies("refuseAll", 0.5)) return false;
    this.#options.send(refusal);
    return true;
  }

  /** Has lost its state again, whatever is committed by now. */
  #wantSnapshot({ from: to, to: from, term, leaderCommit: index }: AppendRequest): void {
    const outcome = { kind: "wanted" } as const;
    this.#options.send({ kind: "snapshotResponse", from, to, term, index, outcome });
  }

  /** Says that its leader hands over: to itself, and to everybody else. */
  #transferUnasked(): void {
    const { self, peers, send, random } = this.#options;
    this.#candidacy.start(this.#term, { transfer: true });
    const certificate = this.#notes.length === 0 ? null : random.pick(this.#notes);
    for (const to of peers) {
      const term = this.#term;
      send({ kind: "timeoutNowRequest", from: self, to, term, round: 1, certificate });
    }
  }

  /** Would vote for anyone, in any term. */
  #grant({ from, to, term }: PreVoteRequest): true {
    const commitment = this.#options.certifier.commit({ term, candidate: from });
    this.#options.send({
      kind: "preVoteResponse",
      from: to,
      to: from,
      term,
      granted: true,
      grant: this.#options.grants.sign({ term, candidate: from }),
      commitment,
      incarnation: 1,
      proof: null,
      memberships: [],
    });
    return true;
  }

  /** Votes for everyone, against the log rule and as often as it is asked. */
  #vote(message: VoteRequest): true {
    const { from, to, term, session } = message;
    const commitment = this.#options.certifier.commit({ term, candidate: from });
    this.#options.send({
      kind: "voteResponse",
      from: to,
      to: from,
      term,
      requestTerm: term,
      granted: true,
      session,
      share: this.#sign(message),
      commitment,
      incarnation: 1,
      proof: null,
    });
    return true;
  }

  #sign(message: VoteRequest): Uint8Array | null {
    const { certifier } = this.#options;
    const { epoch, term, from: leader, lastLogIndex, lastLogTerm, commitments } = message;
    try {
      const election = { epoch, term, leader, lastLogIndex, lastLogTerm };
      return certifier.sign(certifier.takeNonce({ election, commitments }));
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      return null;
    }
  }

  /** Says that it has stored what it never looked at. */
  #acknowledge(message: AppendRequest): true {
    const { from, to, term, round, previousLogIndex, entries } = message;
    const matchIndex = plus(previousLogIndex, entries.length);
    const outcome = { kind: "accepted", matchIndex } as const;
    const addressed = { from: to, to: from, term, round, promiseTicks: PROMISED_TICKS, outcome };
    this.#options.send({ kind: "appendResponse", ...addressed });
    return true;
  }

  /** A vote without its share, with a wrong one, or none at all. */
  #spoil(message: VoteResponse): VoteResponse | null {
    if (message.share === null) return message;
    if (this.#lies("withheldShare", 0.5)) {
      return this.#options.random.chance(0.5) ? null : { ...message, share: null };
    }
    if (!this.#lies("wrongShare", 0.5)) return message;
    const share = message.share.slice();
    const at = this.#options.random.below(share.length);
    share[at] = (share[at] ?? 0) ^ 1;
    return { ...message, share };
  }

  /** Offers a commitment that it has offered before. */
  #replay<Response extends { readonly commitment: Uint8Array | null }>(
    response: Response,
  ): Response {
    if (response.commitment === null) return response;
    this.#commitments.push(response.commitment);
    if (this.#commitments.length > KEPT_MAX) this.#commitments.shift();
    if (!this.#lies("replayedCommitment", 0.5)) return response;
    return { ...response, commitment: this.#options.random.pick(this.#commitments) };
  }

  #inflate(message: Message): readonly Message[] {
    const isUnproven = message.kind === "appendResponse" ||
      (message.kind === "voteResponse" && !message.granted) ||
      (message.kind === "preVoteResponse" && !message.granted);
    if (!isUnproven || !this.#lies("inflatedTerm", 0.03)) return [message];
    const term = plus(message.term, this.#options.random.pick(INFLATIONS));
    const proof = this.#forgeProof(term);
    if (message.kind !== "appendResponse") return [{ ...message, term, proof }];
    return [{ ...message, term, outcome: { kind: "staleTerm", proof } }];
  }

  /** Its own grant is genuine; the others' are none. */
  #forgeProof(term: Term): TermProof {
    const { self: candidate, certifier: { epoch, voters, threshold }, grants } = this.#options;
    const signature = grants.sign({ term, candidate });
    const given = voters.slice(0, threshold).map((voter) => ({ voter, signature }));
    return { kind: "grants", term, epoch, membership: null, candidate, grants: given };
  }

  /** Claims to lead, with whatever it has for a certificate. */
  #claim(term: Term, certificate: string | null): void {
    const pattern = this.#pattern;
    // Where it tells its lies in turn, it may lead since an earlier one.
    if (pattern === null || term === this.#ledTerm) return;
    const { self, peers, send, random } = this.#options;
    if (random.chance(0.3)) return this.#claimSnapshot(pattern, { term, certificate });
    const { previousLogIndex, leaderCommit } = pattern;
    const index = plus(previousLogIndex, 1);
    const data = new TextEncoder().encode("lie");
    const entries = [{ index, term, kind: "command", data } as const];
    for (const to of peers) {
      const round = pattern.round + 1;
      const addressed = { from: self, to, term, round, certificate };
      send({ ...pattern, ...addressed, entries, leaderCommit: plus(leaderCommit, 1) });
    }
  }

  /** The same with a snapshot of more than has been committed. */
  #claimSnapshot(
    { leaderCommit, round }: AppendRequest,
    claim: { readonly term: Term; readonly certificate: string | null },
  ): void {
    const { self, peers, send } = this.#options;
    const index = plus(leaderCommit, 1);
    const forged = forgeSnapshot({ index, term: claim.term });
    for (const to of peers) {
      const addressed = { kind: "snapshotRequest", from: self, to, round: round + 1 } as const;
      send({ ...addressed, ...claim, ...forged, offset: 0 });
    }
  }
}

/** A refusal of a higher term, with what looks like its proof; null where nothing is asked. */
function refusalOf(message: Message, proof: TermProof): Message | null {
  const { from: to, to: from } = message;
  const addressed = { from, to, term: proof.term };
  const nothing = { granted: false, commitment: null, incarnation: 1, proof } as const;
  switch (message.kind) {
    case "preVoteRequest":
      return { kind: "preVoteResponse", ...addressed, ...nothing, grant: null, memberships: [] };
    case "voteRequest": {
      const { term: requestTerm, session } = message;
      const refused = { ...nothing, requestTerm, session, share: null };
      return { kind: "voteResponse", ...addressed, ...refused };
    }
    case "appendRequest": {
      const outcome = { kind: "staleTerm", proof } as const;
      const promised = { round: message.round, promiseTicks: PROMISED_TICKS };
      return { kind: "appendResponse", ...addressed, ...promised, outcome };
    }
    case "snapshotRequest": {
      const outcome = { kind: "refused" } as const;
      return { kind: "snapshotResponse", ...addressed, index: message.snapshot.index, outcome };
    }
    default:
      return null;
  }
}
