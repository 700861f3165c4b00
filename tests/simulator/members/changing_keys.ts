/**
 * The keys of a run whose members change: real shares, real memberships, real signatures under them. Elections
 * are certified by doubles, of which one signs only for who holds the real share of its epoch.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { equalBytes } from "../../../lib/bytes.ts";
import type { Certifier } from "../../../lib/certificate/certifier.ts";
import { type Membership, toGroup, verifyMembership } from "../../../lib/certificate/mod.ts";
import { InputError } from "../../../lib/errors.ts";
import type { DurableState, RaftConfig } from "../../../lib/raft/mod.ts";
import {
  decodeMembersRecord,
  type DurableShares,
  type PlannedMember,
} from "../../../lib/reshare/mod.ts";
import { type NodeId, toEpoch } from "../../../lib/types.ts";
import { createCertifierDouble } from "../../support/certifier_double.ts";
import { ChangingKey, nodeId } from "../../support/changing_key.ts";
import { createGrantDouble } from "../../support/grant_double.ts";
import type { Random } from "../random.ts";
import type { Scenario } from "../scenario.ts";

const { Point } = ed25519;

/** What a life of a node begins with. */
interface Life {
  readonly self: NodeId;
  readonly durable: Pick<DurableState, "members">;
  /** What is on its disk besides the log. */
  readonly shares: DurableShares;
  readonly random: Random;
  /** Watches each certifier. */
  readonly watch: (certifier: Certifier) => Certifier;
}

/** See the module. */
export class ChangingKeys {
  /** Where the chain begins. */
  readonly genesis: Membership;
  readonly #key: ChangingKey;

  /** Deals the first epoch's shares. */
  constructor({ seed, size, threshold }: Pick<Scenario, "seed" | "size" | "threshold">) {
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    this.#key = new ChangingKey({ voters, threshold, seed });
    this.genesis = this.#key.genesis;
  }

  /** What a new disk has: the share that was dealt, or none. */
  firstShares(self: NodeId): DurableShares {
    const epoch = toEpoch(1);
    const secret = this.#key.share(epoch, self);
    return {
      current: secret === null ? null : { epoch, change: null, secret: secret.slice() },
      next: null,
    };
  }

  /** A node as a proposal lists it. */
  planned(number: number, role: PlannedMember["role"]): PlannedMember {
    return this.#key.planned(number, role);
  }

  /** Signs as a node, with its identity. */
  signAs(self: NodeId, message: Uint8Array): Uint8Array {
    return this.#key.signAs(self, message);
  }

  /** A certifier of an epoch that anybody can verify with. */
  outsider(): Certifier {
    return doubleOf(this.genesis, { self: nodeId(1), share: null, random: null });
  }

  /** Opens a node's keys, as a start does. */
  open({ self, durable, shares, random, watch }: Life): Pick<
    RaftConfig,
    "certifier" | "grants" | "members"
  > {
    const certificates = durable.members === null
      ? []
      : decodeMembersRecord(durable.members).certificates;
    const membership = certificates.reduce(verifyMembership, this.genesis);
    const { current, next } = shares;
    const own = [current, next].find((share) => share?.epoch === membership.epoch)?.secret ?? null;
    let opened = 0;
    const openShare = (of: Membership, share: Uint8Array | null) =>
      watch(doubleOf(of, { self, share, random: random.split(`certifier ${++opened}`) }));
    return {
      certifier: openShare(membership, own),
      grants: createGrantDouble(self, membership.epoch),
      members: {
        membership,
        shares,
        openShare,
        openGrants: ({ epoch }) => createGrantDouble(self, epoch),
        openSigner: (group, share) => this.#key.signer(group, self, share),
        sign: (message) => this.#key.signAs(self, message),
        randomBytes: this.#key.randomBytes,
      },
    };
  }
}

/** As the real one, it takes no share that is not the membership's. */
function doubleOf(
  membership: Membership,
  { self, share, random }: {
    readonly self: NodeId;
    readonly share: Uint8Array | null;
    readonly random: Random | null;
  },
): Certifier {
  const member = membership.members.find(({ id }) => id === self);
  if (share !== null && !isShareOf(share, member?.verifyingShare ?? null)) {
    throw new InputError(`Cannot open share: it is not ${self}'s of epoch ${membership.epoch}`);
  }
  return createCertifierDouble({
    ...toGroup(membership),
    self,
    hasShare: share !== null,
    randomBytes: (length) => random?.bytes(length) ?? new Uint8Array(length),
  });
}

function isShareOf(share: Uint8Array, verifyingShare: Uint8Array | null): boolean {
  if (verifyingShare === null) return false;
  const secret = Point.Fn.fromBytes(share);
  return equalBytes(Point.BASE.multiply(secret).toBytes(), verifyingShare);
}
