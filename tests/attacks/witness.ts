/**
 * Sees to it that a cluster under attack does its work: writes through every honest node, one after
 * the other and counted, and what the nodes' processes hold meanwhile.
 *
 * @module
 */

import assert from "node:assert/strict";
import { decodeUtf8 } from "../../lib/bytes.ts";
import type { TimingConfig } from "../../lib/config/cluster_config.ts";
import { pause } from "../../lib/deadline.ts";
import type { NodeId } from "../../lib/types.ts";
import type { StatusBody } from "../../lib/wire/mod.ts";
import { WAIT_TIMEOUT_MS } from "../e2e/harness/events.ts";
import { ask, put } from "../e2e/harness/persistent_client.ts";
import type { TestCluster } from "../e2e/harness/test_cluster.ts";
import { countDescriptors, readProcess } from "../support/read_process.ts";

/**
 * How much more memory an attack may make a node hold at its worst: what a leader holds uncommitted, a
 * log as long as it may grow, full queues, and as much again that is not collected yet.
 */
const MORE_MEMORY_BYTES_MAX = 512 * 1024 * 1024;
/** Before a counter is looked at again. */
const RETRY_MS = 20;

/**
 * Times of a cluster under attack. An attack takes processors away from all nodes; with the default times a
 * leader that gets too little of one is replaced, and so is the next.
 */
export const PATIENT_TIMING: TimingConfig = {
  heartbeatMs: 100,
  electionTimeoutMs: 2_000,
  signingTimeoutMs: 400,
};

/** The honest part of a cluster; what processes hold, only Linux says. */
export class Witness {
  readonly #cluster: TestCluster;
  readonly #honest: readonly NodeId[];
  readonly #startBytes = new Map<NodeId, number>();
  readonly #startDescriptors = new Map<NodeId, number>();
  #written = 0;

  /** Remembers how much memory each honest node holds before the attack. */
  constructor(cluster: TestCluster, honest: readonly NodeId[]) {
    this.#cluster = cluster;
    this.#honest = honest;
    for (const id of honest) {
      this.#startBytes.set(id, this.#memory(id, "VmRSS"));
      this.#startDescriptors.set(id, this.#descriptors(id));
    }
  }

  /** Writes `count` keys through each honest node, each acknowledged before the next. */
  async commit(count: number, through: readonly NodeId[] = this.#honest): Promise<void> {
    for (let round = 0; round < count; round++) {
      for (const id of through) {
        await put(this.#cluster, id, { key: `attack-${++this.#written}`, value: "x" });
      }
    }
  }

  /** No honest node held more memory at any time than it may. */
  assertMemoryBounded(): void {
    for (const [id, startBytes] of this.#startBytes) {
      const more = this.#memory(id, "VmHWM") - startBytes;
      assert.ok(more <= MORE_MEMORY_BYTES_MAX, `${id} held ${more} bytes more at its worst`);
    }
  }

  /** No honest node holds that many more files and sockets than it did. */
  assertDescriptorsBounded(moreMax: number): void {
    for (const [id, start] of this.#startDescriptors) {
      const more = this.#descriptors(id) - start;
      assert.ok(more <= moreMax, `${id} holds ${more} descriptors more`);
    }
  }

  /** The newest term that an honest node is in. */
  async term(): Promise<number> {
    const terms = await Promise.all(this.#honest.map(async (id) => (await this.#status(id)).term));
    return Math.max(...terms);
  }

  /** A node's counters. */
  async counters(id: NodeId): Promise<StatusBody["counters"]> {
    return (await this.#status(id)).counters;
  }

  /** Waits until a counter of a node has risen above what it was. */
  async counted(id: NodeId, counter: string, above: number): Promise<void> {
    const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
    while (((await this.counters(id))[counter] ?? 0) <= above) {
      assert.ok(!deadline.aborted, `${id} never counted more than ${above} ${counter}`);
      await pause(RETRY_MS, deadline);
    }
  }

  async #status(id: NodeId): Promise<StatusBody> {
    return JSON.parse((await ask(this.#cluster, id, { path: "/v1/status" })).text);
  }

  #descriptors(id: NodeId): number {
    if (Deno.build.os !== "linux") return 0;
    return countDescriptors(this.#cluster.process(id).pid);
  }

  #memory(id: NodeId, field: "VmRSS" | "VmHWM"): number {
    if (Deno.build.os !== "linux") return 0;
    const status = decodeUtf8(readProcess(this.#cluster.process(id).pid, "status"));
    return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
  }
}
