/**
 * What a follower tells its clients in the leader's name, the leader has told it: this life of it, for
 * this request. An answer to an earlier life names the same numbers and means something else.
 *
 * @module
 */

import type { Input, Message, Output, RaftView } from "../../../lib/raft/mod.ts";
import { require } from "../violation.ts";
import type { NodeView, Step } from "../watcher.ts";

type Answer = Extract<Message, { readonly kind: "proposeResponse" | "readIndexResponse" }>;

/** What follows from answers to this life. */
interface Told {
  /** Indexes that may be read at, null for reads refused. */
  readonly readIndexes: ReadonlySet<number | null>;
  /** Proposals with the places that they were given, or `refused`. */
  readonly outcomes: ReadonlySet<string>;
}

/** Watches what followers conclude. */
export class AnswerChecker {
  /** Ids of requests, each life's of each kind. */
  readonly #asked = new WeakMap<RaftView, Set<string>>();
  /** Nodes that led after their last step: those make answers of their own. */
  readonly #leaders = new WeakSet<RaftView>();

  /** A step was taken. */
  stepped(node: NodeView, state: RaftView, { inputs, output }: Step): void {
    this.#checkIds(node, state, inputs);
    const hasLed = this.#leaders.has(state);
    if (state.role.name === "leader") this.#leaders.add(state);
    else this.#leaders.delete(state);
    if (hasLed || state.role.name === "leader") return;
    if (output.reads.length + output.accepted.length + output.rejected.length === 0) return;
    const told = readAnswers(inputs.filter(isMessage).map(({ message }) => message), state);
    checkReads(node, output, told);
    checkProposals(node, output, told);
  }

  /** An answer that comes late or twice must not fit another attempt. */
  #checkIds(node: NodeView, state: RaftView, inputs: readonly Input[]): void {
    const asked = this.#asked.get(state) ?? new Set();
    this.#asked.set(state, asked);
    for (const id of inputs.map(idOf)) {
      if (id === null) continue;
      require(!asked.has(id), "Every attempt has an id of its own", () => `${node.id} asks ${id}`);
      asked.add(id);
    }
  }
}

/** Names a request of a client; null for other inputs. */
function idOf(input: Input): string | null {
  if (input.kind === "read") return `read ${input.readId}`;
  return input.kind === "propose" ? `proposal ${input.proposalId}` : null;
}

function isMessage(input: Input): input is Extract<Input, { readonly kind: "message" }> {
  return input.kind === "message";
}

function readAnswers(messages: readonly Message[], { config }: RaftView): Told {
  const readIndexes = new Set<number | null>();
  const outcomes = new Set<string>();
  for (const message of messages) {
    if (!isAnswer(message) || message.incarnation !== config.incarnation) continue;
    if (message.kind === "readIndexResponse") {
      readIndexes.add(message.readIndex);
      continue;
    }
    for (const outcome of message.outcomes) {
      // What is unknown to the leader, a node may conclude by itself.
      if (outcome.kind === "unknown") continue;
      const place = outcome.kind === "appended" ? outcome.index : outcome.reason;
      outcomes.add(`${outcome.proposalId} ${place}`);
    }
  }
  return { readIndexes, outcomes };
}

function isAnswer(message: Message): message is Answer {
  return message.kind === "proposeResponse" || message.kind === "readIndexResponse";
}

const INVARIANT = "An answer to an earlier life settles nothing";

function checkReads(node: NodeView, output: Output, { readIndexes }: Told): void {
  for (const result of output.reads) {
    // Other refusals are the node's own.
    if (result.kind === "refused" && result.reason !== "notLeader") continue;
    const readIndex = result.kind === "ready" ? result.readIndex : null;
    require(readIndexes.has(readIndex), INVARIANT, () => {
      return `${node.id} takes ${readIndex} for the read index of ${result.readId}`;
    });
  }
}

function checkProposals(node: NodeView, output: Output, { outcomes }: Told): void {
  for (const { proposalId, index } of output.accepted) {
    require(outcomes.has(`${proposalId} ${index}`), INVARIANT, () => {
      return `${node.id} takes ${index} for the place of proposal ${proposalId}`;
    });
  }
  for (const { proposalId, reason } of output.rejected) {
    if (reason === "noLeader" || reason === "leaderChanged") continue;
    require(outcomes.has(`${proposalId} ${reason}`), INVARIANT, () => {
      return `${node.id} takes proposal ${proposalId} for refused: ${reason}`;
    });
  }
}
