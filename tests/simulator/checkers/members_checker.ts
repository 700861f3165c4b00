/**
 * Who counts, and by which right: the chain of memberships never forks and never changes the key, each of its
 * steps is safe, no voter counts without a share on its disk, and no share goes before its time.
 *
 * What this needs of the log it reads by itself, and not from what a node makes of it.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { assertDefined } from "../../../lib/assert.ts";
import { encodeHex, equalBytes } from "../../../lib/bytes.ts";
import {
  type Membership,
  type MembershipCertificate,
  toGroup,
  verifyMembership,
  verifyMembershipNote,
} from "../../../lib/certificate/mod.ts";
import { InputError } from "../../../lib/errors.ts";
import { majorityOf } from "../../../lib/margins.ts";
import { readCertificate } from "../../../lib/raft/members.ts";
import type { Entry, RaftView } from "../../../lib/raft/mod.ts";
import type { CoreState } from "../../../lib/raft/state.ts";
import {
  type Change,
  decodeReshareEntry,
  type DurableShares,
  explainIntersection,
  type VoterSet,
} from "../../../lib/reshare/mod.ts";
import { type Epoch, type LogIndex, type NodeId, toLogIndex } from "../../../lib/types.ts";
import { interpolateAtZero } from "../../reshare/harness.ts";
import { require, Violation } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

/** Who signs under an epoch, and how many must. */
export interface EpochVoters {
  /** Those with a share. */
  readonly voters: readonly NodeId[];
  /** How many must sign. */
  readonly threshold: number;
}

/** What the checker needs. */
export interface MembersCheckerOptions {
  /** Where the chain begins. */
  readonly genesis: Membership;
  /** All nodes. */
  readonly nodes: () => Iterable<NodeView>;
  /** Another membership is in force. */
  readonly entered: () => void;
}

/** See the module. */
export class MembersChecker {
  readonly #nodes: () => Iterable<NodeView>;
  readonly #entered: () => void;
  /** By sequence number. */
  readonly #chain: Membership[];
  readonly #read = new WeakMap<Entry, Membership>();
  /** Of entries that travelled as bytes there are copies. */
  readonly #byText = new Map<string, Membership>();
  readonly #epochs = new Map<Epoch, EpochVoters>();
  /** Whose deals each receiver said that it holds, in any log: `change receiver dealer`. */
  readonly #held = new Set<string>();
  readonly #wordsRead = new WeakSet<Entry>();
  readonly #selectionsSeen = new WeakSet<Change>();
  /** The committed one. */
  #inForce: Membership;

  /** The chain begins with the genesis. */
  constructor({ genesis, nodes, entered }: MembersCheckerOptions) {
    this.#nodes = nodes;
    this.#entered = entered;
    this.#chain = [genesis];
    this.#inForce = genesis;
    this.#epochs.set(genesis.epoch, votersOf(genesis));
  }

  /** The newest membership that is committed. */
  get inForce(): Membership {
    return this.#inForce;
  }

  /** Everybody who is a member by it. */
  get members(): readonly NodeId[] {
    return this.#inForce.members.map(({ id }) => id);
  }

  /** Every membership that any honest node has had in its log. */
  get chain(): readonly Membership[] {
    return this.#chain;
  }

  /** Who signs under an epoch. @throws {Violation} when no such epoch was ever authorized. */
  votersOf(epoch: Epoch): EpochVoters {
    const known = this.#epochs.get(epoch);
    if (known !== undefined) return known;
    throw new Violation("Every epoch is authorized", `epoch ${epoch} is in no honest node's log`);
  }

  /** After a step: whoever knows that an epoch is over can sign under none before it, and lets no nonce of it stay. */
  stepped(node: NodeView, state: RaftView): void {
    const { epoch } = state.members.inForce.configuration;
    const { epochs } = state as CoreState;
    const past = [...this.#epochs.keys()].find((known) =>
      known < epoch && epochs.signing(known) !== null
    );
    require(past === undefined, "An epoch that is over signs nothing", () => {
      return `${node.id} is in epoch ${epoch}, and could still sign under ${past}`;
    });
    this.#checkSelection(node, state.cluster.change);
  }

  /** Q is t dealers of the epoch before whose deals every new voter said that it holds. */
  #checkSelection(node: NodeView, change: Change | null): void {
    const selected = change?.selected ?? null;
    if (change === null || selected === null || this.#selectionsSeen.has(change)) return;
    this.#selectionsSeen.add(change);
    const { receivers, before: { threshold } } = change;
    const isReported = receivers.every((receiver) =>
      selected.every((dealer) => this.#held.has(`${change.id} ${receiver} ${dealer}`))
    );
    const isEnough = new Set(selected).size === selected.length && selected.length >= threshold;
    require(isReported && isEnough, "Q is what the new voters reported", () => {
      return `${node.id} takes ${selected} for the dealers that count`;
    });
  }

  /** A receiver's word about deals, which it cannot take back. */
  #noteWord(entry: Entry): void {
    if (entry.kind !== "resharing" || this.#wordsRead.has(entry)) return;
    this.#wordsRead.add(entry);
    const word = decodeReshareEntry(entry.data);
    if (word.kind !== "held") return;
    for (const dealer of word.dealers) this.#held.add(`${word.change} ${word.author} ${dealer}`);
  }

  /** An honest node is about to write entries, or to forget some. */
  persisting(node: NodeView, entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#noteWord(entry);
      if (entry.kind !== "configuration") continue;
      this.#learn(node, entry);
      if (node.state?.role.name === "leader") this.#checkTurn(node, node.state, entry);
    }
    if (node.state !== null) this.#checkNewest(node, node.state);
  }

  /** Entries are committed. */
  committed(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const membership = this.#read.get(entry) ?? this.#sameAs(entry);
      if (membership !== null && membership.sequence > this.#inForce.sequence) {
        this.#inForce = membership;
        this.#entered();
      }
    }
  }

  /**
   * Whether these nodes are a majority of each configuration that counts where entries are committed after
   * `committedIndex`: of the one in force, and of each that this node's log has beyond.
   */
  haveMajority(
    state: RaftView,
    { holders, committedIndex }: {
      readonly holders: ReadonlySet<NodeId>;
      readonly committedIndex: LogIndex;
    },
  ): boolean {
    const counting = [this.#inForce];
    for (let index = committedIndex + 1; index <= state.log.last.index; index++) {
      const entry = state.log.entryAt(toLogIndex(index));
      const membership = entry?.kind === "configuration" ? this.#sameAs(entry) : null;
      if (membership !== null) counting.push(membership);
    }
    return counting.map(votingIn).every((voters) => {
      return voters.filter((voter) => holders.has(voter)).length >= majorityOf(voters.length);
    });
  }

  /** A node's shares are about to be replaced: the present one goes once the next epoch is in force. */
  persistingShares(node: NodeView, { current }: DurableShares): void {
    const before = node.shares.current;
    if (!node.isHonest || before === null || before.epoch === current?.epoch) return;
    require(
      before.epoch < this.#inForce.epoch,
      "A share goes once the next epoch is in force",
      () => {
        return `${node.id} erases its share of epoch ${before.epoch}`;
      },
    );
  }

  /** In the end: any t shares of the epoch in force are the one key, and t - 1 are not. */
  checkShares(): void {
    const { epoch, threshold, publicKey, members } = this.#inForce;
    const held: (readonly [number, Uint8Array])[] = [];
    for (const { id, identifier, verifyingShare } of members) {
      const node = [...this.#nodes()].find((node) => node.id === id);
      if (verifyingShare === null || node === undefined || node.isGone) continue;
      const share = shareOf(node, epoch);
      require(share !== null, "Who counts holds a share", () => {
        return `${id} has no share of epoch ${epoch}`;
      });
      if (share !== null) held.push([identifier, share]);
    }
    if (held.length < threshold) return;
    const isKey = (shares: typeof held) => equalBytes(keyOf(shares), publicKey);
    const isOneKey = isKey(held.slice(0, threshold)) && isKey(held.slice(-threshold)) &&
      (threshold === 1 || !isKey(held.slice(1, threshold)));
    require(isOneKey, "Any t shares are the one key", () => `epoch ${epoch} of ${threshold}`);
  }

  /** A leader appends the next configuration once the one before is committed, and an entry of its term. */
  #checkTurn(node: NodeView, { currentTerm, commitIndex, log }: RaftView, entry: Entry): void {
    if (entry.term !== currentTerm) return;
    const membership = assertDefined(this.#sameAs(entry), "It was learnt");
    const isNext = membership.sequence <= this.#inForce.sequence + 1;
    require(isNext, "One configuration at a time", () => {
      return `${node.id} has ${membership.sequence} after ${this.#inForce.sequence}`;
    });
    const isOwn = log.termAt(commitIndex) === currentTerm;
    require(isOwn, "A leader has an entry of its own before a configuration", () => {
      return `${node.id} leads term ${currentTerm}, and ${commitIndex} is committed`;
    });
  }

  /** The newest configuration in a node's log counts, committed or not; without one, that in force. */
  #checkNewest(node: NodeView, { log, members }: RaftView): void {
    let index = log.last.index;
    while (index > log.base.index && log.entryAt(index)?.kind !== "configuration") {
      index = toLogIndex(index - 1);
    }
    const entry = index > log.base.index ? log.entryAt(index) : null;
    const logged = entry === null ? null : this.#sameAs(entry);
    const inForce = members.inForce.configuration.membership?.sequence ?? 0;
    const expected = Math.max(inForce, logged?.sequence ?? 0);
    const counts = members.newest.membership?.sequence ?? 0;
    const isKnown = entry === null || logged !== null;
    require(!isKnown || counts === expected, "The newest configuration of the log counts", () => {
      return `${node.id} counts by membership ${counts}, and its log has ${expected}`;
    });
  }

  #learn(node: NodeView, entry: Entry): void {
    if (this.#read.has(entry)) return;
    const membership = this.#sameAs(entry) ?? this.#verify(node, entry);
    this.#read.set(entry, membership);
    this.#byText.set(encodeHex(entry.data), membership);
    const known = this.#chain[membership.sequence];
    const isSame = known === undefined || equalBytes(known.hash, membership.hash);
    require(isSame, "The chain of memberships never forks", () => {
      return `${node.id} has another membership ${membership.sequence}`;
    });
    if (known === undefined) this.#add(node, membership);
  }

  #add(node: NodeView, membership: Membership): void {
    const before = assertDefined(this.#chain.at(-1), "There is the genesis");
    require(
      equalBytes(membership.publicKey, before.publicKey),
      "The group key never changes",
      () => {
        return `${node.id} has ${encodeHex(membership.publicKey)}`;
      },
    );
    if (membership.epoch > before.epoch) {
      const why = explainIntersection(toVoterSet(before), toVoterSet(membership));
      require(why === null, "Each change is safe in one step", () => `${node.id}: ${why}`);
      this.#checkReady(membership);
    }
    this.#chain.push(membership);
    this.#epochs.set(membership.epoch, votersOf(membership));
  }

  /** Nobody counts before its share is on its disk. */
  #checkReady({ epoch, members }: Membership): void {
    for (const node of this.#nodes()) {
      const member = members.find(({ id }) => id === node.id);
      if (!member?.verifyingShare || !node.isHonest || node.isGone) continue;
      require(shareOf(node, epoch) !== null, "Who counts holds a share", () => {
        return `${node.id} has no share of epoch ${epoch}, which is in a log`;
      });
    }
  }

  #verify(node: NodeView, { data, index }: Entry): Membership {
    const certificate = readCertificate(data);
    for (const before of this.#chain.toReversed()) {
      try {
        const membership = verifyMembership(before, certificate);
        checkNotes(before, membership, certificate);
        return membership;
      } catch {
        continue;
      }
    }
    throw new Violation(
      "A configuration is certified by both epochs",
      `${node.id} takes entry ${index}, which follows no membership`,
    );
  }

  /** The membership of an entry of which another copy was seen. */
  #sameAs(entry: Entry): Membership | null {
    if (entry.kind !== "configuration") return null;
    const known = this.#read.get(entry);
    if (known !== undefined) return known;
    return this.#byText.get(encodeHex(entry.data)) ?? null;
  }
}

function votingIn({ members }: Membership): readonly NodeId[] {
  return members.filter(({ role }) => role === "voter").map(({ id }) => id);
}

function toVoterSet(membership: Membership): VoterSet {
  return { voters: votingIn(membership), threshold: membership.threshold };
}

function votersOf(membership: Membership): EpochVoters {
  const { voters, threshold } = toGroup(membership);
  return { voters: voters.map(({ id }) => id), threshold };
}

/** Once more, as an outsider would: both epochs signed. @throws when one did not. */
function checkNotes(
  before: Membership,
  { cluster, publicKey, epoch }: Membership,
  { byOld, byNew }: MembershipCertificate,
): void {
  verifyMembershipNote(byOld, { cluster, publicKey });
  if (epoch === before.epoch) return;
  if (byNew === null) throw new InputError("The new shares have signed nothing");
  verifyMembershipNote(byNew, { cluster, publicKey });
}

function shareOf({ shares: { current, next } }: NodeView, epoch: Epoch): Uint8Array | null {
  return [current, next].find((share) => share?.epoch === epoch)?.secret ?? null;
}

function keyOf(shares: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  return ed25519.Point.BASE.multiply(interpolateAtZero(shares)).toBytes();
}
