/**
 * A member that floods: a thread for each node that it floods, so that it is as fast as it can be and
 * nobody else in the test is slower for it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { NodeId } from "../../lib/types.ts";
import type { TestCluster } from "../e2e/harness/test_cluster.ts";
import { type MemberRoute, routeOf } from "./member.ts";

/** So many frames must have been taken for it to have been a flood. */
const SAID_MIN = 5;

/** What a thread is told. */
export interface FloodOrder {
  /** Whom to flood, as whom. */
  readonly route: MemberRoute;
  /** With what; one of `FLOODS`. */
  readonly flood: string;
  /** Everybody who votes. */
  readonly voters: readonly NodeId[];
  /** The term that is led. */
  readonly term: number;
}

/** Floods several nodes at once, from {@linkcode begin} until it is disposed of. */
export class Flooder implements Disposable {
  readonly #workers: Worker[] = [];

  /** Connects to each of these nodes and floods it; resolves once it is connected to all. */
  async begin(
    cluster: TestCluster,
    options: Omit<FloodOrder, "route" | "voters"> & {
      readonly from: NodeId;
      readonly to: readonly NodeId[];
    },
  ): Promise<void> {
    const { from, flood, term } = options;
    const connected = options.to.map(async (to) => {
      const worker = new Worker(import.meta.resolve("./flooder_thread.ts"), { type: "module" });
      this.#workers.push(worker);
      const route = routeOf(cluster, { from, to });
      worker.postMessage({ route, flood, voters: cluster.ids, term } satisfies FloodOrder);
      assert.equal(await nextMessage(worker), "connected");
    });
    await Promise.all(connected);
  }

  /** Whether it is a flood by now, of every node; and no node has ended its connection. */
  async isFlooding(): Promise<boolean> {
    const said: number[] = [];
    for (const worker of this.#workers) {
      const answer = nextMessage(worker);
      worker.postMessage("said");
      said.push(Number(await answer));
    }
    return said.every((frames) => frames >= SAID_MIN);
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.terminate();
  }
}

function nextMessage(worker: Worker): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  return promise;
}
