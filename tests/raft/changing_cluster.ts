/**
 * A cluster of real cores whose members change. The test deals the shares and signs the memberships itself
 * (`../support/changing_key.ts`), so that a configuration is one call away.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { type Membership, verifyMembership } from "../../lib/certificate/mod.ts";
import { appendConfiguration } from "../../lib/raft/configurations.ts";
import type { Configuration, DurableState } from "../../lib/raft/mod.ts";
import type { CoreState } from "../../lib/raft/state.ts";
import {
  type ConfigurationEntry,
  decodeMembersRecord,
  type DurableNodeShare,
  type DurableShares,
  type Proposal,
} from "../../lib/reshare/mod.ts";
import { type NodeId, toEpoch } from "../../lib/types.ts";
import { ChangingKey, nodeId, type Wanted } from "../support/changing_key.ts";
import { TestCluster } from "./harness.ts";
import type { OpenKeys, TestNode } from "./test_node.ts";

/** Nodes `n1` to `n7`, of whom some are members. */
const NODES = [1, 2, 3, 4, 5, 6, 7];

/** What a cluster begins with. */
interface WorldOptions extends Wanted {
  readonly seed?: number;
  readonly compacts?: boolean;
  readonly isReal?: boolean;
  readonly random?: () => number;
}

/** A cluster that changes when its test says so. */
export class ChangingCluster {
  readonly key: ChangingKey;
  readonly cluster: TestCluster;
  /** Every membership that was made, in order. */
  readonly memberships: Membership[];
  /** What each node holds. */
  readonly #shares = new Map<
    NodeId,
    { current: DurableNodeShare | null; next: null | DurableNodeShare }
  >();

  /** Whether the nodes make their shares by themselves, as `lib/reshare` has it; else the test deals them. */
  readonly #isReal: boolean;

  constructor(options: WorldOptions) {
    this.key = new ChangingKey(options);
    this.#isReal = options.isReal ?? false;
    this.memberships = [this.key.genesis];
    const keys = new Map(
      NODES.map(nodeId).map((id) => {
        this.#shares.set(id, { current: this.#share(1, id), next: null });
        const open: OpenKeys = (durable, shares) => this.#open(id, durable, shares);
        return [id, open] as const;
      }),
    );
    const { compacts = false, random } = options;
    this.cluster = new TestCluster({ keys, compacts, ...(random === undefined ? {} : { random }) });
    for (const node of this.cluster.nodes.values()) {
      node.shares = { current: this.#share(1, node.id), next: null };
      node.restart();
    }
  }

  /** What the nodes are asked to change to. */
  proposal(
    { voters, threshold, learners = [], absent = [], isResharing = true }: Wanted,
  ): Proposal {
    const members = [...voters, ...learners].toSorted((left, right) => left - right)
      .map((number) => this.key.planned(number, voters.includes(number) ? "voter" : "learner"));
    return { isResharing, threshold, members, absent: absent.map(nodeId) };
  }

  /** Asks a leader for a change, and lets time pass until it is made or given up. */
  ask(leader: TestNode, wanted: Wanted, ticks = 100): void {
    leader.step({ kind: "changeMembers", proposal: this.proposal(wanted) });
    this.settle();
    for (let passed = 0; passed < ticks && this.isUnderWay; passed++) this.cluster.tick();
  }

  /** Whether any member knows of a change that has not ended. Who was removed may never hear of it. */
  get isUnderWay(): boolean {
    return [...this.cluster.nodes.values()].some(({ raft: { state: { cluster } } }) =>
      cluster.change !== null && !cluster.isRemoved
    );
  }

  node(number: number): TestNode {
    return this.cluster.node(nodeId(number));
  }

  /** The newest membership that was made. */
  get newest(): Membership {
    return assertDefined(this.memberships.at(-1), "There is the genesis");
  }

  /** Makes a change: shares are durable where they have to be, and everybody has signed. */
  make(wanted: Wanted): ConfigurationEntry {
    const made = this.key.change(this.newest, wanted);
    this.memberships.push(made.membership);
    const { epoch } = made.membership;
    for (const [id, shares] of this.#shares) {
      shares.current = shares.next ?? shares.current;
      shares.next = this.#share(epoch, id);
      (this.cluster.node(id).raft.state as CoreState).epochs.useShares(shares);
    }
    return made.entry;
  }

  /** A leader puts the change into its log; the reason why it may not, or null. */
  tryAppend(leader: TestNode, entry: ConfigurationEntry): string | null {
    const state = leader.raft.state as CoreState;
    assert.ok(state.role.name === "leader");
    const why = appendConfiguration(state, state.role, entry);
    // What the step wants done is done with the next one.
    leader.step({ kind: "persisted", sequence: 0 });
    return why;
  }

  /** Makes a change and puts it into the leader's log. */
  append(leader: TestNode, wanted: Wanted): void {
    assert.equal(this.tryAppend(leader, this.make(wanted)), null);
  }

  /** As `append`, and delivers and ticks until all is committed everywhere that can be reached. */
  change(leader: TestNode, wanted: Wanted): void {
    this.append(leader, wanted);
    this.settle();
  }

  settle(): void {
    this.cluster.deliver();
    this.cluster.tick(4);
  }

  /** What a node counts by. */
  configurationOf(
    number: number,
  ): Omit<Configuration, "membership"> & { readonly isPending: boolean } {
    const { members } = this.node(number).raft.state;
    const { epoch, threshold, voters, learners } = members.newest;
    return { epoch, threshold, voters, learners, isPending: members.isPending };
  }

  #share(epoch: number, id: NodeId): DurableNodeShare | null {
    const secret = this.key.share(toEpoch(epoch), id);
    return secret === null ? null : { epoch: toEpoch(epoch), change: null, secret };
  }

  #open(self: NodeId, { members }: DurableState, disk: DurableShares): ReturnType<OpenKeys> {
    const certificates = members === null ? [] : decodeMembersRecord(members).certificates;
    const membership = certificates.reduce(verifyMembership, this.key.genesis);
    const dealt = assertDefined(this.#shares.get(self), "A node of the cluster");
    const shares: DurableShares = this.#isReal ? disk : dealt;
    const { current, next } = shares;
    const own = [current, next].find((share) => share?.epoch === membership.epoch)?.secret ?? null;
    return {
      certifier: this.key.certifier(membership, self, own),
      grants: this.key.grants(membership, self),
      members: {
        membership,
        shares,
        openShare: (opened, share) => this.key.certifier(opened, self, share),
        openGrants: (opened) => this.key.grants(opened, self),
        openSigner: (group, share) => this.key.signer(group, self, share),
        sign: (message) => this.key.signAs(self, message),
        randomBytes: this.key.randomBytes,
      },
    };
  }
}
