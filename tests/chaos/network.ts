/**
 * All the links between the places of a cluster: two for each pair, one a direction. A place is where a node
 * listens for its peers; who has it changes as the members do.
 *
 * @module
 */

import type { NodeId } from "../../lib/types.ts";
import { Link, type LinkState } from "./link.ts";

/** A link and its two ends. */
interface DirectedLink {
  /** The ports that the nodes of the two places listen at. */
  readonly from: number;
  readonly to: number;
  readonly link: Link;
}

/** See the module. */
export class Network implements AsyncDisposable {
  readonly #links: readonly DirectedLink[];
  readonly #tenants = new Map<number, NodeId>();

  /** Opens a link for each ordered pair of the ports at which nodes listen. */
  constructor(ports: readonly number[]) {
    this.#links = ports.flatMap((from) =>
      ports.filter((to) => to !== from).map((to) => ({ from, to, link: new Link(to) }))
    );
  }

  /** A node listens at this port from now on. */
  settle(node: NodeId, port: number): void {
    this.#tenants.set(port, node);
  }

  /** Nobody does any more. */
  vacate(port: number): void {
    this.#tenants.delete(port);
  }

  /** For whoever listens at a port: the link that leads to each other port. */
  linksFrom(port: number): Readonly<Record<string, number>> {
    const own = this.#links.filter(({ from }) => from === port);
    return Object.fromEntries(own.map(({ to, link }) => [to, link.port]));
  }

  /** Changes the links between nodes in which `concerns` says yes. */
  set(state: LinkState, concerns: (from: NodeId, to: NodeId) => boolean): void {
    for (const { from, to, link } of this.#links) {
      const [dialer, listener] = [this.#tenants.get(from), this.#tenants.get(to)];
      if (dialer === undefined || listener === undefined) continue;
      if (concerns(dialer, listener)) link.set(state);
    }
  }

  /** Ends every connection; the nodes will make new ones. */
  reset(): void {
    for (const { link } of this.#links) link.reset();
  }

  /** Opens every link. */
  heal(): void {
    for (const { link } of this.#links) link.set({ kind: "open" });
  }

  /** Closes every link. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#links.map(({ link }) => link[Symbol.asyncDispose]()));
  }
}
