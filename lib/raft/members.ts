/**
 * Quorums and members. {@linkcode Members} answers every question about them, because the answers change
 * with the configuration. The newest configuration in the log counts, committed or not (dissertation §4.1).
 * While it is not committed, the one before counts too, so a commit needs a majority of both.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import {
  type Certificate,
  type Membership,
  type MembershipCertificate,
  type Roster,
  verifyMembership,
} from "../certificate/mod.ts";
import { InputError } from "../errors.ts";
import { majorityOf } from "../margins.ts";
import { decodeReshareEntry } from "../reshare/mod.ts";
import type { LogIndex, NodeId, Term } from "../types.ts";
import type { Entry } from "./entry.ts";

/** The members and the threshold. */
export interface Configuration extends Omit<Roster, "cluster"> {
  /** The members that only replicate, and never count. */
  readonly learners: readonly NodeId[];
  /** Its membership in the chain; null in a cluster whose members never change. */
  readonly membership: Membership | null;
}

/** A configuration, and its place in the log. */
export interface LoggedConfiguration {
  /** The members that it states. */
  readonly configuration: Configuration;
  /** The index of its entry; 0 for the one that the log begins with. */
  readonly index: LogIndex;
  /** Its entry's term. */
  readonly term: Term;
}

/** The configuration of a membership. */
export function toConfiguration(membership: Membership): Configuration {
  const { epoch, threshold, members } = membership;
  const idsOf = (wanted: string) => members.flatMap(({ id, role }) => role === wanted ? [id] : []);
  return { epoch, threshold, voters: idsOf("voter"), learners: idsOf("learner"), membership };
}

/** The configurations that count. */
export class Members {
  #inForce: LoggedConfiguration;
  /** Later ones in the log that are not known to be committed, oldest first. */
  #pending: LoggedConfiguration[] = [];
  /** The values for {@linkcode Members.all} and every quorum. They are computed once for each change. */
  #counted: Counted;

  /** Begins with a committed configuration. */
  constructor(inForce: LoggedConfiguration) {
    this.#inForce = inForce;
    this.#counted = count([inForce]);
  }

  /** The newest configuration that is known to be committed. */
  get inForce(): LoggedConfiguration {
    return this.#inForce;
  }

  /** The newest configuration in the log. */
  get newest(): Configuration {
    return (this.#pending.at(-1) ?? this.#inForce).configuration;
  }

  /** The newest that is known to be committed, and all later ones in the log, oldest first. */
  get logged(): readonly LoggedConfiguration[] {
    return [this.#inForce, ...this.#pending];
  }

  /** The configuration that counts just before this entry. */
  before(index: LogIndex): LoggedConfiguration {
    return this.#pending.findLast((logged) => logged.index < index) ?? this.#inForce;
  }

  /** The configuration before the newest one, which counts as well until that is committed; null afterwards. */
  get previous(): Configuration | null {
    return this.isPending ? (this.#pending.at(-2) ?? this.#inForce).configuration : null;
  }

  /** Whether the newest configuration is not known to be committed. */
  get isPending(): boolean {
    return this.#pending.length > 0;
  }

  /** All members of the configurations that count. */
  get all(): readonly NodeId[] {
    return this.#counted.members;
  }

  /** Whether a node is one of them. */
  has(node: NodeId): boolean {
    return this.all.includes(node);
  }

  /** The largest value that more than half of the voters reach, in each configuration that counts. */
  quorumValue<Value extends number>(valueOf: (voter: NodeId) => Value): Value {
    const [lowest] = this.#counted.configurations
      .map((configuration) => valueOfMost(configuration, valueOf))
      .sort((left, right) => left - right);
    return assertDefined(lowest, "A configuration counts");
  }

  /**
   * Whether a leader can have been elected in this epoch. An earlier epoch than the one in force is
   * possible only up to the term of the leader that put this one there. A later epoch will come with that
   * leader's log.
   */
  mayBeLedBy({ epoch, term }: Pick<Certificate, "epoch" | "term">): boolean {
    const { configuration: { epoch: least, membership }, term: since } = this.#inForce;
    return epoch === least || (membership !== null && (epoch > least || term <= since));
  }

  /** The log has a newer configuration. */
  append(logged: LoggedConfiguration): void {
    const last = this.#pending.at(-1) ?? this.#inForce;
    assert(logged.index > last.index, "Configurations follow each other in the log");
    this.#pending.push(logged);
    this.#recount();
  }

  /** The log lost the entry at `index` and all after it. */
  truncateFrom(index: LogIndex): void {
    this.#pending = this.#pending.filter((logged) => logged.index < index);
    this.#recount();
  }

  /** Everything up to `index` is committed. Returns whether the configuration in force has changed. */
  commitTo(index: LogIndex): boolean {
    const committed = this.#pending.filter((logged) => logged.index <= index);
    this.#pending.splice(0, committed.length);
    const last = committed.at(-1);
    if (last === undefined) return false;
    this.#inForce = last;
    this.#recount();
    return true;
  }

  /** A snapshot brought another configuration in force. Later ones in the log stay. */
  restore(inForce: LoggedConfiguration): void {
    this.#inForce = inForce;
    this.#pending = this.#pending.filter(({ index }) => index > inForce.index);
    this.#recount();
  }

  #recount(): void {
    this.#counted = count(this.logged);
  }
}

/** The configurations that count, and all their members. */
interface Counted {
  readonly configurations: readonly Configuration[];
  readonly members: readonly NodeId[];
}

/**
 * The newest configuration counts, and, while it is not committed, also the one before. If two are not
 * known to be committed, the older one is committed: no leader appends the next one before that.
 */
function count(logged: readonly LoggedConfiguration[]): Counted {
  const configurations = logged.slice(-2).map(({ configuration }) => configuration);
  const members = configurations.flatMap(({ voters, learners }) => [...voters, ...learners]);
  return { configurations, members: [...new Set(members)] };
}

function valueOfMost<Value extends number>(
  { voters }: Configuration,
  valueOf: (voter: NodeId) => Value,
): Value {
  const descending = voters.map(valueOf).sort((left, right) => right - left);
  return assertDefined(descending[majorityOf(voters.length) - 1], "There are voters");
}

/**
 * The configurations among contiguous entries for the log. Where the entries come from a leader, `known`
 * returns all certificates up to the one in force; it is null for this node's own log.
 *
 * @throws {InputError} when one does not verify as the next one: no honest leader sends it.
 */
export function configurationsOf(
  members: Members,
  entries: readonly Entry[],
  known: (() => readonly MembershipCertificate[]) | null = null,
): readonly LoggedConfiguration[] {
  const [first] = entries;
  if (first === undefined) return [];
  let { membership } = members.before(first.index).configuration;
  const found: LoggedConfiguration[] = [];
  for (const { kind, index, term, data } of entries) {
    if (kind !== "configuration") continue;
    // A snapshot can already contain the first of these entries.
    if (index <= members.inForce.index) {
      if (known !== null) checkKnown(known(), data);
      continue;
    }
    membership = follow(membership, data);
    found.push({ configuration: toConfiguration(membership), index, term });
  }
  return found;
}

/** A leader that lies could send another entry in the place of one that a snapshot has brought already. */
function checkKnown(known: readonly MembershipCertificate[], data: Uint8Array): void {
  const { byOld, byNew } = readCertificate(data);
  if (known.some((certificate) => certificate.byOld === byOld && certificate.byNew === byNew)) {
    return;
  }
  throw new InputError("it is none of the memberships up to the one in force");
}

function follow(membership: Membership | null, data: Uint8Array): Membership {
  if (membership === null) throw new InputError("the members of this cluster never change");
  return verifyMembership(membership, readCertificate(data));
}

/** The certificates in a configuration entry. @throws {InputError} when it is none. */
export function readCertificate(data: Uint8Array): MembershipCertificate {
  const said = decodeReshareEntry(data);
  if (said.kind === "configuration") return { byOld: said.byOld, byNew: said.byNew };
  throw new InputError(`it is ${said.kind}, and no configuration`);
}
