/**
 * A crowd at a port: as many connections as it can hold open, none of which says anything, or no more
 * than a first word.
 *
 * @module
 */

import type { Address } from "../../lib/address.ts";
import { writeAll } from "../transport/raw_peer.ts";

/** How many of a crowd knock at once. */
const KNOCKING_MAX = 500;

/** What a crowd does. */
export interface CrowdOptions {
  /** Where. */
  readonly address: Address;
  /** How many connections it opens in all. */
  readonly connections: number;
  /** What each says first; nothing unless given. */
  readonly firstWords?: () => Uint8Array;
  /** Whether each leaves at once instead of staying for as long as it may. */
  readonly leaves?: boolean;
}

/** Connections that are open, and those that want to be. */
export class Crowd implements AsyncDisposable {
  readonly #options: CrowdOptions;
  readonly #stop = new AbortController();
  readonly #sockets = new Set<Deno.TcpConn>();
  readonly #coming: Promise<void>;
  #held = 0;

  /** Comes at once. */
  constructor(options: CrowdOptions) {
    this.#options = options;
    const each = Math.ceil(options.connections / KNOCKING_MAX);
    const knocking = Array.from({ length: KNOCKING_MAX }, () => this.#knock(each));
    this.#coming = Promise.all(knocking).then(() => {});
  }

  /** The most that were open at one time, as far as this side knows. */
  get heldMost(): number {
    return this.#held;
  }

  /** Leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#coming;
    for (const socket of this.#sockets) socket.close();
  }

  async #knock(times: number): Promise<void> {
    const { address, firstWords, leaves = false } = this.#options;
    for (let left = times; left > 0 && !this.#stop.signal.aborted; left--) {
      try {
        const socket = await Deno.connect({ ...address, signal: this.#stop.signal });
        this.#sockets.add(socket);
        this.#held = Math.max(this.#held, this.#sockets.size);
        if (firstWords !== undefined) await writeAll(socket, firstWords());
        if (!leaves) continue;
        this.#sockets.delete(socket);
        socket.close();
      } catch {
        // Refused, cut, or still waiting when the crowd left.
      }
    }
  }
}
