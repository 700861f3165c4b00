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
} from "../../lib/reshare/mod.ts";
import { type NodeId, toEpoch } from "../../lib/types.ts";
import { ChangingKey, nodeId, type Wanted } from "../support/changing_key.ts";
import { TestCluster } from "./harness.ts";
import type { OpenKeys, TestNode } from "./test_node.ts";

/** Nodes `n1` to `n7`, of whom some are members. */
const NODES = [1, 2, 3, 4, 5, 6, 7];

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

  constructor(options: Wanted & { readonly compacts?: boolean }) {
    this.key = new ChangingKey(options);
    this.memberships = [this.key.genesis];
    const keys = new Map(
      NODES.map(nodeId).map((id) => {
        this.#shares.set(id, { current: this.#share(1, id), next: null });
        return [id, (durable: DurableState) => this.#open(id, durable)] as const;
      }),
    );
    this.cluster = new TestCluster({ keys, compacts: options.compacts ?? false });
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

  #open(self: NodeId, { members }: DurableState): ReturnType<OpenKeys> {
    const certificates = members === null ? [] : decodeMembersRecord(members).certificates;
    const membership = certificates.reduce(verifyMembership, this.key.genesis);
    const shares: DurableShares = assertDefined(this.#shares.get(self), "A node of the cluster");
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
      },
    };
  }
}
