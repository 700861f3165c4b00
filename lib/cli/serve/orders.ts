/**
 * The orders of `floe cluster` to the nodes that it has started: to end their connections to the others, and to
 * make them again.
 *
 * An order is a line on the node's standard input, with `--demo-orders` only. So it comes from the process that
 * started the node, which could also end the node; no address, port or token leads to it. A node that listens on
 * more than loopback refuses to start with this option.
 *
 * @module
 */

import { type ClusterConfig, formatAddress, isLoopback } from "../../config/mod.ts";
import type { Network } from "../../node/mod.ts";
import { CommandError, ExitCode } from "../failure.ts";

/** An order: end every connection to other nodes and make none; or make them again. */
export type Order = "cut" | "heal";

/** Most characters of a line; an order is shorter. */
const LINE_LENGTH_MAX = 64;

/** A node's connections, as orders cut and heal them. */
export class Cable {
  #network: Pick<Network, "unplug" | "plugIn"> | null = null;
  #isCut = false;

  /** Acts on these connections from now on. */
  hold<Held extends Pick<Network, "unplug" | "plugIn">>(network: Held): Held {
    this.#network = network;
    if (this.#isCut) network.unplug();
    return network;
  }

  /** Carries out an order; ignores any other text. */
  obey(order: string): void {
    if (order !== "cut" && order !== "heal") return;
    this.#isCut = order === "cut";
    if (this.#isCut) this.#network?.unplug();
    else this.#network?.plugIn();
  }
}

/** Gives each line to `obey`, until the input ends. */
export async function readOrders(
  input: ReadableStream<Uint8Array<ArrayBuffer>>,
  obey: (line: string) => void,
): Promise<void> {
  let partial = "";
  for await (const text of input.pipeThrough(new TextDecoderStream())) {
    const lines = (partial + text).split("\n");
    partial = (lines.pop() ?? "").slice(0, LINE_LENGTH_MAX);
    lines.forEach(obey);
  }
}

/** @throws {CommandError} usage, unless all nodes listen on loopback. */
export function checkOrdersAllowed({ peers }: ClusterConfig): void {
  for (const { id, peer, api } of peers) {
    const open = [peer, api].find(({ hostname }) => !isLoopback(hostname));
    if (open === undefined) continue;
    throw new CommandError(
      ExitCode.usage,
      `Cannot use --demo-orders: ${id} listens on ${
        formatAddress(open)
      }. It is for a cluster on one ` +
        "machine, on loopback.",
    );
  }
}
