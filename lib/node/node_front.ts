/**
 * What the API shows of a node from the process's start on: key generation at first, then the node.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { Certificate, Group } from "../certificate/mod.ts";
import type { Command, StoreView, Token, Watcher, WatchQuery } from "../kv/mod.ts";
import type { NodeId, Term } from "../types.ts";
import {
  type Consistency,
  type EndedMembersChange,
  type LeaderAnswer,
  type LeaseAnswer,
  type MembersChange,
  type MembershipChain,
  type MembersPlan,
  type MembersRequest,
  type MembersStatus,
  type NodeApi,
  type NodeStatus,
  RequestError,
  type WatchRefusal,
  type WriteAnswer,
} from "./api.ts";
import type { KeyGenerationReport } from "./key_generation/report.ts";

/** A node that may have no key yet. What it shows is set before anybody asks. */
export class NodeFront implements NodeApi {
  #reportOf: (() => KeyGenerationReport) | null = null;
  #node: NodeApi | null = null;

  /** Shows key generation, as `reportOf` tells it. */
  showKeyGeneration(reportOf: () => KeyGenerationReport): void {
    this.#reportOf = reportOf;
  }

  /** Shows the running node from now on. */
  showNode(node: NodeApi): void {
    this.#node = node;
  }

  /** See {@linkcode NodeApi.keyGeneration}. */
  keyGeneration(): KeyGenerationReport {
    if (this.#node !== null) return this.#node.keyGeneration();
    return assertDefined(this.#reportOf, "A node shows nothing")();
  }

  /** See {@linkcode NodeApi.group}. */
  get group(): Group {
    return this.#running.group;
  }

  /** See {@linkcode NodeApi.genesis}. */
  get genesis(): string | null {
    return this.#running.genesis;
  }

  /** See {@linkcode NodeApi.write}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async write(command: Command, options: { readonly timeoutMs: number }): Promise<WriteAnswer> {
    return this.#running.write(command, options);
  }

  /** See {@linkcode NodeApi.view}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async view(
    options: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<StoreView> {
    return this.#running.view(options);
  }

  /** See {@linkcode NodeApi.watch}. */
  watch(query: WatchQuery, onReady: () => void): Watcher | WatchRefusal {
    return this.#running.watch(query, onReady);
  }

  /** See {@linkcode NodeApi.keepAlive}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async keepAlive(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer> {
    return this.#running.keepAlive(id, options);
  }

  /** See {@linkcode NodeApi.leaseTimes}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async leaseTimes(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer> {
    return this.#running.leaseTimes(id, options);
  }

  /** See {@linkcode NodeApi.token}. */
  token(id: string): Token | null {
    return this.#running.token(id);
  }

  /** See {@linkcode NodeApi.tokens}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async tokens(options: { readonly timeoutMs: number }): Promise<readonly Token[]> {
    return this.#running.tokens(options);
  }

  /** See {@linkcode NodeApi.transferLeadership}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async transferLeadership(target: NodeId | null): Promise<NodeId> {
    return this.#running.transferLeadership(target);
  }

  /** See {@linkcode NodeApi.status}. */
  status(): NodeStatus {
    return this.#running.status();
  }

  /** See {@linkcode NodeApi.leader}. */
  leader(): LeaderAnswer {
    return this.#running.leader();
  }

  /** See {@linkcode NodeApi.elections}. */
  elections(
    options: { readonly limit: number; readonly before?: Term },
  ): readonly Certificate[] {
    return this.#running.elections(options);
  }

  /** See {@linkcode NodeApi.election}. */
  election(term: Term): Certificate | null {
    return this.#running.election(term);
  }

  /** See {@linkcode NodeApi.members}. */
  members(): MembersStatus {
    return this.#running.members();
  }

  /** See {@linkcode NodeApi.membershipChain}. */
  membershipChain(): MembershipChain {
    return this.#running.membershipChain();
  }

  /** See {@linkcode NodeApi.planMembers}. */
  planMembers(request: MembersRequest): MembersPlan {
    return this.#running.planMembers(request);
  }

  /** See {@linkcode NodeApi.changeMembers}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async changeMembers(
    request: MembersRequest,
    options: { readonly timeoutMs: number },
  ): Promise<MembersChange> {
    return this.#running.changeMembers(request, options);
  }

  /** See {@linkcode NodeApi.cancelMembers}. */
  // deno-lint-ignore require-await -- a refusal is a rejection, as the node's own are
  async cancelMembers(
    reason: string,
    options: { readonly timeoutMs: number },
  ): Promise<EndedMembersChange> {
    return this.#running.cancelMembers(reason, options);
  }

  get #running(): NodeApi {
    if (this.#node !== null) return this.#node;
    const { cluster, waitingFor } = this.keyGeneration();
    const names = waitingFor.map(({ id }) => id).join(", ");
    const wait = names === "" ? "" : ` This node waits for ${names}.`;
    throw new RequestError(
      "no_key",
      `${cluster} has no key yet: its nodes are making it.${wait} See floe dkg status, or GET /v1/dkg`,
      { maybeApplied: false },
    );
  }
}
