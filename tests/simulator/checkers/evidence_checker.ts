/**
 * What Floe says about others is true: nobody honest is called a cheater, nobody is suspected once it has
 * signed a certificate, and the committed log holds the proof of each leader whose entries it holds.
 *
 * @module
 */

import { decodeUtf8 } from "../../../lib/bytes.ts";
import type { Certifier } from "../../../lib/certificate/certifier.ts";
import type { Entry, Output, RaftView } from "../../../lib/raft/mod.ts";
import { type NodeId, type Term, toNodeId } from "../../../lib/types.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

/** What the checker knows of the cluster. */
export interface EvidenceCheckerOptions {
  /** All nodes. */
  readonly nodes: () => Iterable<NodeView>;
  /** Verifies a note as an outsider would. @throws when it is not genuine. */
  readonly verify: (note: string, expected: { term: Term; leader: NodeId }) => unknown;
}

/** Watches accusations, and the committed log. */
export class EvidenceChecker {
  readonly #options: EvidenceCheckerOptions;
  /** Who signed each node's newest certificate. */
  readonly #signers = new Map<NodeId, readonly NodeId[]>();
  #checkedIndex = 0;
  #lastTerm = 0;

  /** A checker that has seen nothing yet. */
  constructor(options: EvidenceCheckerOptions) {
    this.#options = options;
  }

  /** The certifier for a node's new life: who signs the certificates that it makes is noted. */
  watch(node: NodeView, certifier: Certifier): Certifier {
    const combine = certifier.combine.bind(certifier);
    certifier.combine = (request, shares) => {
      const result = combine(request, shares);
      if (result.kind === "certificate") this.#signers.set(node.id, [...shares.keys()]);
      return result;
    };
    return certifier;
  }

  /** An honest node took a step: nobody honest is accused in it, or suspected for good. */
  stepped(node: NodeView, state: RaftView, output: Output): void {
    if (output.events.some(({ kind }) => kind === "electionWon")) this.#checkSuspects(node, state);
    for (const event of output.events) {
      if (event.kind !== "cheaterFound" && event.kind !== "shareWithheld") continue;
      const { kind, voter, term } = event;
      require(!this.#isHonest(voter), "Nobody honest is accused", () => {
        return `${node.id} says ${kind} of ${voter} in term ${term}`;
      });
    }
  }

  #checkSuspects(node: NodeView, { suspects }: RaftView): void {
    const suspect = this.#signers.get(node.id)?.find((voter) => suspects.has(voter));
    require(suspect === undefined, "Who has signed is not suspected", () => {
      return `${node.id} leads by the share of ${suspect}, and suspects it`;
    });
  }

  /** Entries are committed, in order; some may have been seen already. */
  committed(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.index !== this.#checkedIndex + 1) continue;
      this.#checkedIndex = entry.index;
      if (entry.term === this.#lastTerm) continue;
      this.#lastTerm = entry.term;
      this.#checkProof(entry);
    }
  }

  #checkProof({ kind, data, term, index }: Entry): void {
    const invariant = "The log proves who led each term";
    require(kind === "certificate", invariant, () => {
      return `entry ${index}, the first of term ${term}, is a ${kind}`;
    });
    const note = decodeUtf8(data);
    const leader = /^leader (\S+)$/m.exec(note)?.[1];
    require(leader !== undefined, invariant, () => `entry ${index} names no leader`);
    if (leader !== undefined) this.#options.verify(note, { term, leader: toNodeId(leader) });
  }

  #isHonest(voter: NodeId): boolean {
    return [...this.#options.nodes()].some(({ id, isHonest, signsWrongly }) =>
      isHonest && signsWrongly !== true && id === voter
    );
  }
}
