/**
 * The change under way, as the log has it: a state machine over committed entries. Every node that has
 * applied the same entries has the same state. Only the log changes it.
 *
 * | stage | entered by | then comes |
 * | --- | --- | --- |
 * | `dealing` | `begin` | `deal`, `held`, `select` |
 * | `combining` | `select` | `ready` of every new voter that is not absent |
 * | `proving` | the last `ready` | `proof`: signed by the new shares |
 * | `authorizing` | `proof`; `begin` within an epoch | `configuration`: signed by the old shares |
 *
 * `abort` ends the first three stages (`membership_log.ts`). An entry that does not fit changes nothing: every
 * node refuses it.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import {
  checkPlannedMembership,
  encodeMembershipStatement,
  type KnownMember,
  type Membership,
  type MembershipStatement,
  toGroup,
  toGroupPublicKeys,
  verifyMembershipNote,
} from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import {
  type CheckedReshareCommitment,
  checkReshareCommitment,
  FrostError,
  type FrostRefusal,
  type GroupPublicKeys,
  type ReshareParameters,
  toResharedGroup,
  verifySignature,
} from "../frost/mod.ts";
import type { Epoch, NodeId } from "../types.ts";
import {
  type BeginEntry,
  type Complaint,
  type DealEntry,
  encodeWord,
  hashBegin,
  type HeldEntry,
  type ProofEntry,
  type ReadyEntry,
  type SelectEntry,
} from "./entry.ts";
import { explainIntersection } from "./plan.ts";

/** How far a change has come. */
export type ChangeStage = "dealing" | "combining" | "proving" | "authorizing";

/** The effect of an entry. */
export type Applied =
  /** It is part of the change now. */
  | { readonly kind: "taken" }
  /** It changes nothing: it is wrong, late, or already in the log. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Its author provably broke a rule. The entry has no other effect. */
  | { readonly kind: "fault"; readonly node: NodeId; readonly rule: FrostRefusal };

/** A text to sign, and the epoch whose shares sign it. */
export interface DueStatement {
  /** The epoch whose shares sign. */
  readonly by: Epoch;
  /** The exact text. */
  readonly text: string;
  /** The statement of the text. */
  readonly statement: MembershipStatement;
}

/** A change that was begun and has not ended. */
export class Change {
  /** The hash that names it. */
  readonly id: string;
  /** Its first entry. */
  readonly begin: BeginEntry;
  /** The membership that is in force during the change. */
  readonly before: Membership;
  /** The parameters for FROST. */
  readonly parameters: ReshareParameters;
  /** New voters that get a share, in the members' order. */
  readonly receivers: readonly NodeId[];
  readonly #deals = new Map<NodeId, CheckedReshareCommitment>();
  readonly #liars = new Set<NodeId>();
  readonly #held = new Map<NodeId, ReadonlySet<NodeId>>();
  readonly #complaints = new Map<NodeId, readonly Complaint[]>();
  readonly #ready = new Set<NodeId>();
  #selected: readonly NodeId[] | null = null;
  #group: GroupPublicKeys | null = null;
  #proof: string | null = null;

  /**
   * Begins a change.
   *
   * @throws {InputError} when its first entry breaks a rule of the chain, or the intersection rule.
   */
  constructor(before: Membership, begin: BeginEntry) {
    checkPlannedMembership(before, {
      ...begin,
      members: begin.members.map((member) => ({ ...member, verifyingShare: null })),
    });
    checkVoters(before, begin);
    this.id = hashBegin(begin);
    this.begin = begin;
    this.before = before;
    const present = begin.members.filter(({ role, id }) =>
      role === "voter" && !begin.absent.includes(id)
    );
    this.receivers = present.map(({ id }) => id);
    this.parameters = {
      group: toGroupPublicKeys(toGroup(before)),
      minParticipants: begin.threshold,
      receivers: present.map(({ identifier }) => identifier),
    };
  }

  /** Whether it changes something only within the epoch. */
  get isAmendment(): boolean {
    return this.begin.epoch === this.before.epoch;
  }

  /** How far the change has come. */
  get stage(): ChangeStage {
    if (this.isAmendment || this.#proof !== null) return "authorizing";
    if (this.#selected === null) return "dealing";
    return this.receivers.every((id) => this.#ready.has(id)) ? "proving" : "combining";
  }

  /** The valid deals, in the log's order. */
  get deals(): ReadonlyMap<NodeId, CheckedReshareCommitment> {
    return this.#deals;
  }

  /** Q, once it is selected. */
  get selected(): readonly NodeId[] | null {
    return this.#selected;
  }

  /** The new group, once Q is selected. */
  get group(): GroupPublicKeys | null {
    return this.#group;
  }

  /** The note by the new shares, once it is in the log. */
  get proof(): string | null {
    return this.#proof;
  }

  /** Whether a node's deal is in the log, valid or not. */
  hasDealOf(dealer: NodeId): boolean {
    return this.#deals.has(dealer) || this.#liars.has(dealer);
  }

  /** Whether the log says that a receiver holds a deal. */
  holds(receiver: NodeId, dealer: NodeId): boolean {
    return this.#held.get(receiver)?.has(dealer) ?? false;
  }

  /** Whether the log says that a receiver's share is durable. */
  isReady(receiver: NodeId): boolean {
    return this.#ready.has(receiver);
  }

  /** The complaints of each receiver. */
  get complaints(): ReadonlyMap<NodeId, readonly Complaint[]> {
    return this.#complaints;
  }

  /** Dealers whose deals every receiver holds, in the log's order. */
  get commonDealers(): readonly NodeId[] {
    return [...this.#deals.keys()]
      .filter((dealer) => this.receivers.every((receiver) => this.holds(receiver, dealer)));
  }

  /** The nodes that the change waits for, as the log shows it. */
  get waitingFor(): readonly NodeId[] {
    if (this.stage === "combining") return this.receivers.filter((id) => !this.#ready.has(id));
    if (this.stage !== "dealing") return [];
    const { threshold } = this.before;
    const dealers = toGroup(this.before).voters.map(({ id }) => id);
    const silent = this.#deals.size < threshold ? dealers.filter((id) => !this.hasDealOf(id)) : [];
    const lacking = this.receivers.filter((id) => (this.#held.get(id)?.size ?? 0) < threshold);
    return [...new Set([...silent, ...lacking])];
  }

  /** The text to sign next; null while shares are made. */
  get due(): DueStatement | null {
    if (this.stage === "proving") return this.#toDue(this.begin.epoch);
    return this.stage === "authorizing" ? this.#toDue(this.before.epoch) : null;
  }

  /** Takes an entry that belongs to this change and does not end it. */
  apply(entry: DealEntry | HeldEntry | SelectEntry | ReadyEntry | ProofEntry): Applied {
    switch (entry.kind) {
      case "deal":
        return this.#applyDeal(entry);
      case "held":
        return this.#applyHeld(entry);
      case "select":
        return this.#applySelect(entry);
      case "ready":
        return this.#applyReady(entry);
      case "proof":
        return this.#applyProof(entry);
      default:
        return entry satisfies never;
    }
  }

  /** The node as the new membership has it, or as the present one does. */
  memberOf(id: NodeId): Pick<KnownMember, "id" | "identifier" | "identityKey"> | null {
    return this.begin.members.find((member) => member.id === id) ?? null;
  }

  #applyDeal(entry: DealEntry): Applied {
    const { author, elements } = entry;
    if (this.stage !== "dealing") return refused(`the change is ${this.stage}, not dealing`);
    const dealer = toGroup(this.before).voters.find(({ id }) => id === author);
    if (dealer === undefined) return refused(`${author} holds no share to deal`);
    if (this.hasDealOf(author)) return refused(`${author} has dealt already`);
    const { identityKey } = knownMember(this.before, author);
    if (!isSigned(entry, identityKey)) return refused(`${author} did not sign this deal`);
    const commitment = { dealer: dealer.identifier, elements };
    return catching<Applied, FrostError, Applied>(FrostError, () => {
      this.#deals.set(author, checkReshareCommitment(this.parameters, commitment));
      return { kind: "taken" };
    }, ({ refusal }) => {
      this.#liars.add(author);
      return { kind: "fault", node: author, rule: refusal };
    });
  }

  #applyHeld(entry: HeldEntry): Applied {
    const { author, dealers, complaints } = entry;
    if (this.stage !== "dealing") return refused(`the change is ${this.stage}, not dealing`);
    const refusal = this.#explainReceiver(entry);
    if (refusal !== null) return refused(refusal);
    const named = [...dealers, ...complaints.map(({ dealer }) => dealer)];
    if (new Set(named).size !== named.length) return refused(`${author} names a dealer twice`);
    if (!named.every((dealer) => this.#deals.has(dealer))) {
      return refused(`${author} names a deal that the log has not`);
    }
    const known = (this.#held.get(author)?.size ?? 0) +
      (this.#complaints.get(author)?.length ?? 0);
    if (named.length <= known) return refused(`${author} says nothing new`);
    if ([...this.#held.get(author) ?? []].some((dealer) => !dealers.includes(dealer))) {
      return refused(`${author} takes back what it held`);
    }
    this.#held.set(author, new Set(dealers));
    this.#complaints.set(author, complaints);
    return { kind: "taken" };
  }

  #applySelect({ dealers }: SelectEntry): Applied {
    if (this.stage !== "dealing") return refused(`the change is ${this.stage}, not dealing`);
    const common = this.commonDealers;
    const stray = dealers.find((dealer, at) =>
      !common.includes(dealer) || dealers.indexOf(dealer) !== at
    );
    if (stray !== undefined) return refused(`${stray}'s deal is not one that all hold`);
    if (dealers.length < this.before.threshold) {
      return refused(`${dealers.length} dealers are fewer than ${this.before.threshold}`);
    }
    try {
      this.#group = toResharedGroup(this.parameters, this.commitmentsOf(dealers));
    } catch (error) {
      if (!(error instanceof FrostError)) throw error;
      return refused(error.message);
    }
    this.#selected = [...dealers];
    return { kind: "taken" };
  }

  /** The commitments of dealers whose deals are valid. */
  commitmentsOf(dealers: readonly NodeId[]): CheckedReshareCommitment[] {
    return dealers.map((id) => assertDefined(this.#deals.get(id), `No deal of ${id}`));
  }

  #applyReady(entry: ReadyEntry): Applied {
    if (this.stage !== "combining") return refused(`the change is ${this.stage}, not combining`);
    const refusal = this.#explainReceiver(entry);
    if (refusal !== null) return refused(refusal);
    if (this.#ready.has(entry.author)) return refused(`${entry.author} is ready already`);
    this.#ready.add(entry.author);
    return { kind: "taken" };
  }

  #applyProof({ note }: ProofEntry): Applied {
    const due = this.due;
    if (due === null || this.stage !== "proving") {
      return refused(`the change is ${this.stage}, not proving`);
    }
    try {
      const { statement, by } = verifyMembershipNote(note, due.statement);
      if (encodeMembershipStatement(statement, by) !== due.text) {
        return refused("the proof states something else than the log");
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return refused(error.message);
    }
    this.#proof = note;
    return { kind: "taken" };
  }

  #explainReceiver(entry: HeldEntry | ReadyEntry): string | null {
    const { author } = entry;
    if (!this.receivers.includes(author)) return `${author} receives no share`;
    const { identityKey } = assertDefined(this.memberOf(author), `${author} is no member`);
    return isSigned(entry, identityKey) ? null : `${author} did not sign this`;
  }

  #toDue(by: Epoch): DueStatement {
    const { cluster, sequence, epoch, threshold, previous, members } = this.begin;
    const statement = {
      cluster,
      sequence,
      epoch,
      threshold,
      previous,
      members: members.map((member) => ({ ...member, verifyingShare: this.#shareOf(member) })),
      publicKey: this.before.publicKey,
    };
    return { by, text: encodeMembershipStatement(statement, by), statement };
  }

  #shareOf({ id, identifier }: Pick<KnownMember, "id" | "identifier">): Uint8Array | null {
    if (this.#group !== null) return this.#group.verifyingShares.get(identifier) ?? null;
    return this.before.members.find((member) => member.id === id)?.verifyingShare ?? null;
  }
}

/** The rules about voters that the chain does not check: absent voters, and the intersection rule. */
function checkVoters(before: Membership, begin: BeginEntry): void {
  const { members, threshold, absent } = begin;
  const voters = votersOf(members);
  const isAmendment = begin.epoch === before.epoch;
  if (isAmendment && absent.length > 0) {
    throw new InputError("Cannot begin change: within an epoch, nobody is absent");
  }
  const stray = absent.find((id, at) => !voters.includes(id) || absent.indexOf(id) !== at);
  if (stray !== undefined) throw new InputError(`Cannot begin change: ${stray} is no new voter`);
  if (voters.length - absent.length < threshold) {
    throw new InputError(`Cannot begin change: fewer than ${threshold} voters would get a share`);
  }
  const old = { voters: votersOf(before.members), threshold: before.threshold };
  const why = explainIntersection(old, { voters, threshold });
  if (why !== null) throw new InputError(`Cannot begin change: ${why}`);
}

function votersOf(members: readonly Pick<KnownMember, "id" | "role">[]): NodeId[] {
  return members.filter(({ role }) => role === "voter").map(({ id }) => id);
}

function knownMember(membership: Membership, id: NodeId): KnownMember {
  return assertDefined(membership.members.find((member) => member.id === id), `No member ${id}`);
}

function isSigned(entry: DealEntry | HeldEntry | ReadyEntry, identityKey: Uint8Array): boolean {
  return verifySignature(identityKey, encodeWord(entry), entry.signature);
}

/** An entry that changes nothing. */
export function refused(reason: string): Applied {
  return { kind: "refused", reason };
}
