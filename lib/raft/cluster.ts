/**
 * What a node knows about its cluster: the members that count, the keys of the epochs, and the chain of
 * memberships. It follows the log, entry by entry: appended, truncated, committed, replaced by a snapshot.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import {
  type Membership,
  type MembershipCertificate,
  verifyMembership,
} from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import type { Change, DurableShares, MembershipView, MembersRecord } from "../reshare/mod.ts";
import type { LogIndex, NodeId } from "../types.ts";
import { CommittedMembers, readRecord } from "./committed_members.ts";
import type { MembersConfig, RaftConfig } from "./config.ts";
import type { DurableState, Entry, Snapshot } from "./entry.ts";
import { Epochs } from "./epochs.ts";
import type { Log } from "./log.ts";
import {
  type Configuration,
  configurationsOf,
  type LoggedConfiguration,
  Members,
  readCertificate,
  toConfiguration,
} from "./members.ts";
import type { DueSigner } from "./membership_signing.ts";
import { Suspects } from "./signing_coordinator.ts";
import type { TermProof } from "./term_proof.ts";

/** Most statements in one message to a node whose chain is shorter. */
const MEMBERSHIPS_SENT_MAX = 16;

/** A statement of the chain, as a candidate shows it. */
export interface ShownMembership {
  /** Its place in the chain; 0 for the genesis. */
  readonly sequence: number;
  /** The statement; null for the genesis. */
  readonly membership: MembershipCertificate | null;
}

/** One node's view of its cluster. */
export class Cluster {
  /** The configurations. */
  readonly members: Members;
  /** The keys. */
  readonly epochs: Epochs;
  /** Voters that have cost this node's candidacies a signing session. */
  readonly suspects: Suspects;
  /** Whether this node leads changes of the members, as last reported to `lib/reshare`. */
  leadsChanges = false;
  /** The signer of the membership that is due; null while none is, or none was asked for. */
  dueSigner: DueSigner | null = null;
  /** The record that was followed last, and from where. */
  #followed:
    | { readonly text: string; readonly from: Membership; readonly membership: Membership }
    | null = null;
  readonly #self: NodeId;
  readonly #log: Log;
  readonly #config: MembersConfig | null;
  #committed: CommittedMembers | null;
  /** What the disk is to have instead of what it had when this node found itself at a membership. */
  #settledShares: DurableShares | null = null;

  /** Resumes from what the store held: `log` is the whole log, committed up to `commitIndex`. */
  constructor(
    config: RaftConfig,
    { members }: Pick<DurableState, "members">,
    { log, commitIndex }: { readonly log: Log; readonly commitIndex: LogIndex },
  ) {
    const record = readRecord(members);
    const membership = config.members?.membership ?? null;
    const { index, term } = record;
    this.#self = config.self;
    this.#log = log;
    this.#config = config.members ?? null;
    const configuration = membership === null ? unchanging(config) : toConfiguration(membership);
    this.members = new Members({ configuration, index, term });
    this.epochs = new Epochs(config);
    this.suspects = new Suspects(faultyMax(configuration));
    this.#committed = membership === null ? null : this.#resume(membership, record);
    const entries = log.slice(log.base.index + 1 as LogIndex, log.last.index);
    this.add(configurationsOf(this.members, entries));
    this.commit(entries.filter((entry) => entry.index <= commitIndex));
  }

  /** The record of the members for the log's beginning; null when it is only the genesis. */
  get record(): string | null {
    return this.#committed?.text ?? null;
  }

  /** This node's part in changes of the members; null in a cluster that has none. */
  get committed(): CommittedMembers | null {
    return this.#committed;
  }

  /** The change of the members that is under way; null between changes. */
  get change(): Change | null {
    return this.#committed?.change ?? null;
  }

  /** What the committed log says of changes and plans; null in a cluster whose members never change. */
  get changes(): MembershipView | null {
    return this.#committed?.log ?? null;
  }

  /** The shares that must replace those on the disk. They are returned once. */
  takeSettledShares(): DurableShares | null {
    const settled = this.#settledShares;
    this.#settledShares = null;
    return settled;
  }

  /** Every committed statement since the genesis. */
  get certificates(): readonly MembershipCertificate[] {
    return this.#committed?.certificates ?? [];
  }

  /** The statement that a configuration in this node's log rests on. */
  certificateOf({ membership }: Configuration): ShownMembership {
    const sequence = membership?.sequence ?? 0;
    return { sequence, membership: this.#logged[sequence - 1] ?? null };
  }

  /**
   * The statements of the epoch of a configuration in this node's log, in order, up to its own. A voter with a share of
   * the epoch knows those before, because a change begins and ends within its log. Of many, `turn`, which counts up,
   * says which; the last is always among them.
   */
  statementsOf(configuration: Configuration, turn: number): readonly ShownMembership[] {
    const chain = this.#logged.slice(0, configuration.membership?.sequence ?? 0);
    // Only the statement that begins an epoch has a signature of new shares.
    const first = Math.max(0, chain.findLastIndex(({ byNew }) => byNew !== null));
    const turns = Math.ceil((chain.length - first) / MEMBERSHIPS_SENT_MAX);
    const from = first + (turn % Math.max(1, turns)) * MEMBERSHIPS_SENT_MAX;
    const shown = chain.slice(from, from + MEMBERSHIPS_SENT_MAX)
      .map((statement, at) => ({ sequence: from + at + 1, membership: statement }));
    const isWhole = chain.length > 0 && shown.at(-1)?.sequence === chain.length;
    return isWhole ? shown : [...shown, this.certificateOf(configuration)];
  }

  /** Every statement of the log. Each is authorized, whether its entry is known to be committed or not. */
  get #logged(): readonly MembershipCertificate[] {
    const { certificates } = this;
    const later = this.members.logged.flatMap(({ configuration: { membership }, index }) => {
      if ((membership?.sequence ?? 0) <= certificates.length) return [];
      const entry = this.#log.entryAt(index);
      return [
        readCertificate(assertDefined(entry, "What is not in the record is in the log").data),
      ];
    });
    return [...certificates, ...later];
  }

  /** How many statements since the genesis this node knows, those included that it was only shown. */
  get membershipsKnown(): number {
    return this.epochs.known?.sequence ?? 0;
  }

  /** The next committed statements for a node whose chain has `sequence` statements. */
  certificatesAfter(sequence: number): readonly MembershipCertificate[] {
    return this.certificates.slice(sequence, sequence + MEMBERSHIPS_SENT_MAX);
  }

  /**
   * The configuration under which this node may stand: the newest in its log, and where this node has no share of
   * that, the one before (dissertation §4.2.2), until the newest is known to be committed. Null where it has a share
   * of neither, and where it was removed. What follows in the chain proves that the newest was committed.
   */
  get standing(): Configuration | null {
    const { newest, previous, isPending } = this.members;
    const isNewestKnown = (newest.membership?.sequence ?? 0) === this.membershipsKnown;
    if (this.isRemoved && !(isPending && isNewestKnown)) return null;
    return [newest, previous].find((configuration) =>
      configuration !== null && configuration.voters.includes(this.#self) &&
      this.epochs.signing(configuration.epoch) !== null
    ) ?? null;
  }

  /** Whether this node is not among the newest members that it knows. */
  get isRemoved(): boolean {
    return this.epochs.known !== null && !this.#isKnown(this.#self);
  }

  /** Whether this node was a member and no longer is one, by the log or by certificates that it was shown. */
  get isFormer(): boolean {
    return this.epochs.known?.formerIds.has(this.#self) ?? false;
  }

  /** Whether a node is a member, by the log or by certificates that this node was shown. */
  has(node: NodeId): boolean {
    return this.members.has(node) || this.#isKnown(node);
  }

  /** The log now has these configurations. They count from here on. */
  add(configurations: readonly LoggedConfiguration[]): void {
    for (const logged of configurations) {
      this.members.append(logged);
      const { membership } = logged.configuration;
      if (membership !== null) this.epochs.open(membership);
    }
    this.suspects.allow(faultyMax(this.members.newest));
  }

  /** The log lost the entry at `index` and all after it. */
  truncateFrom(index: LogIndex): void {
    this.members.truncateFrom(index);
    this.suspects.allow(faultyMax(this.members.newest));
  }

  /** These entries are committed. Returns the configuration that is in force now, if it is another one. */
  commit(entries: readonly Entry[]): Configuration | null {
    for (const entry of entries) this.#committed?.commit(entry);
    const last = entries.at(-1);
    return last !== undefined && this.members.commitTo(last.index) ? this.#enter() : null;
  }

  /**
   * A peer shows the statements that follow in the chain. They are authorized, so from now on this node can
   * check and give grants and votes of their epoch. Quorums still follow the log. Statements that do not
   * follow are ignored: they are known, or too far ahead, and the log will bring all of them.
   */
  learn(certificates: readonly MembershipCertificate[]): void {
    for (const certificate of certificates) {
      const { known } = this.epochs;
      if (known === null) return;
      const after = catching(InputError, () => verifyMembership(known, certificate), () => null);
      if (after === null) return;
      this.epochs.open(after);
    }
  }

  /** A peer's chain has `sequence` statements, and the peer shows the last one. */
  learnNewer({ sequence, membership }: ShownMembership): void {
    const isNewer = sequence > (this.epochs.known?.sequence ?? 0);
    if (isNewer && membership !== null) this.learn([membership]);
  }

  /** A proof by the grants of an epoch that this node does not know brings its membership along. */
  learnEpoch(proof: TermProof | null): void {
    if (proof?.kind !== "grants" || proof.membership === null) return;
    if (this.epochs.proofKeys.certifierOf(proof.epoch) === null) this.learn([proof.membership]);
  }

  /** Why a snapshot's record of the members cannot be used; null when it can. */
  explainRecord({ index, members }: Pick<Snapshot, "index" | "members">): string | null {
    return catching(InputError, () => {
      this.#follow(members);
      if (members !== null && readRecord(members).index < index) {
        throw new InputError(`they are those before entry ${index}`);
      }
      return null;
    }, ({ message }) => message);
  }

  /**
   * A snapshot brings a record of the members, which can be ahead of this node's log. Returns the
   * configuration in force, if it has changed.
   */
  restore(text: string | null): Configuration | null {
    const membership = this.#follow(text);
    const record = readRecord(text);
    if (membership === null || record.index <= (this.#committed?.record.index ?? 0)) return null;
    const { sequence } = this.members.inForce.configuration.membership ?? membership;
    this.#committed?.erase();
    this.#committed = this.#resume(membership, record);
    const { index, term } = record;
    this.members.restore({ configuration: toConfiguration(membership), index, term });
    this.epochs.open(membership);
    return membership.sequence > sequence ? this.#enter() : null;
  }

  /** Continues from a record, with the shares of its membership. */
  #resume(membership: Membership, record: MembersRecord): CommittedMembers {
    const config = assertDefined(this.#config, "The members of this cluster can change");
    const shares = this.epochs.settle(membership);
    if (shares !== null) this.#settledShares = shares;
    return new CommittedMembers({
      self: this.#self,
      config,
      record,
      membership,
      shares: this.epochs.shares,
    });
  }

  #isKnown(node: NodeId): boolean {
    return this.epochs.known?.members.some(({ id }) => id === node) ?? false;
  }

  #enter(): Configuration {
    const { configuration } = this.members.inForce;
    this.epochs.enter(configuration.epoch);
    this.suspects.allow(faultyMax(this.members.newest));
    return configuration;
  }

  /**
   * The membership after a record, which continues this node's own chain and has at least all that is in force;
   * null for only the genesis. The last one is remembered: each chunk of a snapshot brings it again.
   */
  #follow(text: string | null): Membership | null {
    if (text === null) return null;
    const { membership } = this.members.inForce.configuration;
    if (membership === null || this.#committed === null) {
      throw new InputError("the members of this cluster never change");
    }
    const { log: { current }, certificates: own } = this.#committed;
    const known = this.#followed;
    if (known?.text === text && known.from === current) return known.membership;
    const { certificates } = readRecord(text);
    if (certificates.length < membership.sequence) {
      throw new InputError(
        `they end at ${certificates.length}, and ${membership.sequence} is in force`,
      );
    }
    if (!own.every((certificate, at) => isSameCertificate(certificate, certificates[at]))) {
      throw new InputError("they do not begin as this node's own");
    }
    const after = certificates.slice(current.sequence).reduce(verifyMembership, current);
    this.#followed = { text, from: current, membership: after };
    return after;
  }
}

function isSameCertificate(
  left: MembershipCertificate,
  right: MembershipCertificate | undefined,
): boolean {
  return left.byOld === right?.byOld && left.byNew === right.byNew;
}

/** The configuration of a cluster whose members never change: all voters with a share. */
function unchanging({ certifier: { epoch, threshold, voters } }: RaftConfig): Configuration {
  return { epoch, threshold, voters, learners: [], membership: null };
}

function faultyMax({ voters, threshold }: Configuration): number {
  return voters.length - threshold;
}
