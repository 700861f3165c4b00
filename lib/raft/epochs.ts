/**
 * The keys by epoch. Two epochs can sign: the one in force and, while a configuration is under way, the
 * next one. An epoch ends when its successor is committed. Its share and nonces are then erased, and only
 * the keys that check its grants stay.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { Certifier, Grant, GrantKeys, Membership } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import type { DurableNodeShare, DurableShares } from "../reshare/mod.ts";
import type { Epoch, NodeId, Term } from "../types.ts";
import type { MembersConfig, RaftConfig } from "./config.ts";
import type { ProofKeys, SignedGrant } from "./term_proof.ts";

/**
 * Most memberships whose identity keys are kept. A node that is far behind is shown many. It keeps the next
 * ones of its log, and the newest one, which shows whether this node was removed.
 */
const KNOWN_MAX = 16;

/** The keys that check the grants of one membership. */
interface KnownGrants {
  readonly epoch: Epoch;
  /** Null in a cluster whose members never change. */
  readonly membership: Membership | null;
  readonly grants: GrantKeys;
}

/** The keys with which a node signs and checks. */
export class Epochs {
  readonly #config: MembersConfig | null;
  readonly #certifiers: Map<Epoch, Certifier>;
  /** Oldest first. */
  #known: KnownGrants[];
  #inForce: Epoch;
  /** Copies. SECRET: erased when others take their place. */
  #shares: DurableShares;

  /** Begins with the epoch that is in force. */
  constructor(
    { certifier, grants, members }: Pick<RaftConfig, "certifier" | "grants" | "members">,
  ) {
    const { epoch } = certifier;
    this.#config = members ?? null;
    this.#certifiers = new Map([[epoch, certifier]]);
    this.#inForce = epoch;
    this.#shares = copyOf(members?.shares ?? { current: null, next: null });
    this.#known = [{ epoch, membership: members?.membership ?? null, grants }];
  }

  /** Checks certificates of every epoch, because the group key is the same in all of them. */
  get verifier(): Certifier {
    return assertDefined([...this.#certifiers.values()].at(-1), "An epoch is in force");
  }

  /** The newest membership that the log has or a peer has proved; null if the members never change. */
  get known(): Membership | null {
    return this.#known.at(-1)?.membership ?? null;
  }

  /** This node's certifier of an epoch; null when it has no share of it, or the epoch is over. */
  signing(epoch: Epoch): Certifier | null {
    const certifier = this.#certifiers.get(epoch);
    return certifier?.canSign === true ? certifier : null;
  }

  /** The voters with a share of an epoch; none for an unknown epoch. */
  votersOf(epoch: Epoch): readonly NodeId[] {
    return this.#certifiers.get(epoch)?.voters ?? [];
  }

  /** The keys that check a term's proof. */
  get proofKeys(): ProofKeys {
    return {
      certifierOf: (epoch) => this.#certifiers.get(epoch) ?? null,
      verify: (note) => this.verifier.verify(note),
      verifyGrant: (epoch, given) => this.verifyGrant(epoch, given),
    };
  }

  /** This node's grant under an epoch that it may sign in. */
  signGrant(epoch: Epoch, grant: Grant): Uint8Array {
    const known = this.#known.findLast((candidate) => candidate.epoch === epoch);
    return assertDefined(known, `Epoch ${epoch} is known`).grants.sign(grant);
  }

  /** Whether a grant is its voter's, by one of the memberships that are known of the epoch. */
  verifyGrant(
    epoch: Epoch,
    given: SignedGrant & { readonly grant: Grant },
  ): boolean {
    const { voter, grant, signature } = given;
    return this.#known.some(({ epoch: known, grants }) =>
      known === epoch && grants.verify(voter, grant, signature)
    );
  }

  /** The log has this membership, or a peer has proved it. */
  open(membership: Membership): void {
    const config = assertDefined(this.#config, "The members of this cluster can change");
    const { epoch, sequence } = membership;
    if (sequence <= (this.known?.sequence ?? 0)) return;
    this.#known.push({ epoch, membership, grants: config.openGrants(membership) });
    if (!this.#certifiers.has(epoch)) this.#openShare(membership);
    if (this.#known.length > KNOWN_MAX) this.#forget(this.#known.splice(KNOWN_MAX - 2, 1));
  }

  /** The disk has other shares now. A certifier that was opened without its share gets it. */
  useShares(shares: DurableShares): void {
    const before = this.#shares;
    this.#shares = copyOf(shares);
    for (const share of [before.current, before.next]) share?.secret.fill(0);
    for (const { epoch, membership } of this.#known) {
      const isOver = epoch < this.#inForce || membership === null;
      if (isOver || this.signing(epoch) !== null || this.shareOf(epoch) === null) continue;
      this.#openShare(membership);
    }
  }

  /** The shares on the disk, including this step's changes. */
  get shares(): DurableShares {
    return this.#shares;
  }

  /**
   * This node has reached a membership without the log entries before it. A share of that epoch becomes the
   * present one, and older shares are useless. Returns the shares for the disk; null when nothing changes.
   */
  settle(membership: Membership): DurableShares | null {
    const { epoch } = membership;
    const { current, next } = this.#shares;
    if ((next?.epoch ?? epoch + 1) > epoch && (current?.epoch ?? epoch) >= epoch) return null;
    this.open(membership);
    const isNextOwn = next?.epoch === epoch && this.signing(epoch) !== null;
    const kept = isNextOwn ? next : current !== null && current.epoch >= epoch ? current : null;
    this.useShares({ current: kept, next: isNextOwn || (next?.epoch ?? 0) <= epoch ? null : next });
    return copyOf(this.#shares);
  }

  /** This epoch is in force. From now on this node does not sign in an earlier one. */
  enter(epoch: Epoch): void {
    this.#inForce = epoch;
    // The keys of the epoch before are kept, to check its grants.
    const past = this.#known.filter((known) => known.epoch < epoch - 1);
    this.#known = this.#known.filter((known) => known.epoch >= epoch - 1);
    this.#forget(past);
    for (const [known, certifier] of this.#certifiers) {
      if (known < epoch) certifier.erase();
    }
  }

  /** Erases the nonces of ended elections, which are never needed again. */
  forgetBelow(term: Term): void {
    for (const certifier of this.#certifiers.values()) certifier.forgetBelow(term);
  }

  /** This node's share of an epoch; null where it has none. Not a copy. */
  shareOf(epoch: Epoch): Uint8Array | null {
    const { current, next } = this.#shares;
    return [current, next].find((share) => share?.epoch === epoch)?.secret ?? null;
  }

  /** Ends the epochs that have no known membership left. */
  #forget(forgotten: readonly KnownGrants[]): void {
    for (const { epoch } of forgotten) {
      if (this.#known.some((known) => known.epoch === epoch)) continue;
      this.#certifiers.get(epoch)?.erase();
      this.#certifiers.delete(epoch);
    }
  }

  /** Opens the certifier of a membership. A share of a failed attempt does not match it. */
  #openShare(membership: Membership): void {
    const { openShare } = assertDefined(this.#config, "The members of this cluster can change");
    const share = this.shareOf(membership.epoch);
    const certifier = catching(
      InputError,
      () => openShare(membership, share),
      () => openShare(membership, null),
    );
    this.#certifiers.set(membership.epoch, certifier);
  }
}

function copyOf({ current, next }: DurableShares): DurableShares {
  const copy = (share: DurableNodeShare | null) =>
    share === null ? null : { ...share, secret: share.secret.slice() };
  return { current: copy(current), next: copy(next) };
}
