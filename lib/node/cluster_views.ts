/**
 * The cluster as its nodes see themselves, for those that watch it at this node.
 *
 * While there is a watch, this node asks each peer for its view a few times a second, over the connections
 * that they have anyway. So a page needs only one node: no address, token or permission at any other. A peer
 * answers and keeps no record of the question. A node counts messages only while its view is wanted.
 *
 * @module
 */

import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import {
  MESSAGE_KINDS,
  type MessageKind,
  type NodeView,
  nodeViewSchema,
  TERM_RUNS_MAX,
} from "../node_view.ts";
import type { Message, Output, RaftView } from "../raft/mod.ts";
import type { ViewMessage } from "../transport/mod.ts";
import { type LogIndex, type NodeId, toLogIndex } from "../types.ts";
import type { NodeStatus } from "./api.ts";
import { Candidacies } from "./candidacies.ts";
import { TICK_MS } from "./inbox.ts";

/** How often peers are asked, in milliseconds. */
export const VIEW_INTERVAL_MS = 250;
const VIEW_INTERVAL_TICKS = VIEW_INTERVAL_MS / TICK_MS;
/** How long messages are counted after a peer has asked. */
const COUNTING_TICKS = 8 * VIEW_INTERVAL_TICKS;
/** A view that is older is no longer shown. */
const VIEW_FORGOTTEN_TICKS = 4 * VIEW_INTERVAL_TICKS;
/** A peer that asks again sooner gets no answer. */
const ANSWER_INTERVAL_TICKS = VIEW_INTERVAL_TICKS / 5;

/** How long clients of this node waited for their writes, in total. */
export interface WriteTimes {
  /** How many writes were answered. */
  readonly count: number;
  /** Their time together. */
  readonly totalMs: number;
}

/** What one client watches, until it ends the watch. */
export interface ClusterWatch {
  /** The newest view of each node, this node's first. A peer that was silent lately has none. */
  read(): readonly NodeView[];
  /** Ends the watch. */
  end(): void;
}

/** The parts of the node that views are made from and sent with. */
interface ClusterViewsParts {
  /** The core's state, which changes as the core does. */
  readonly state: RaftView;
  /** The source of everything else in a view. */
  readonly clients: { status(): NodeStatus; readonly writeTimes: WriteTimes };
  /** Sends a message, if its receiver is connected. */
  readonly send: (message: ViewMessage) => void;
  /** Called when a peer's view cannot be read. */
  readonly onRefused: (peer: NodeId) => void;
}

/** See the module. */
export class ClusterViews {
  readonly #parts: ClusterViewsParts;
  readonly #candidacies: Candidacies;
  readonly #sent = new Map<NodeId, number[]>();
  readonly #heard = new Map<NodeId, { readonly view: NodeView; readonly tick: number }>();
  readonly #answeredTick = new Map<NodeId, number>();
  #watchers = 0;
  #tick = 0;
  #countUntilTick = 0;

  /** Begins without a watch. */
  constructor(parts: ClusterViewsParts) {
    this.#parts = parts;
    this.#candidacies = new Candidacies(parts.state.self);
  }

  /** Begins to watch. */
  watch(): ClusterWatch {
    this.#watchers += 1;
    let isOver = false;
    return {
      read: () => [this.#own(), ...this.#others()],
      end: () => {
        if (!isOver) this.#watchers -= 1;
        isOver = true;
      },
    };
  }

  /** Counts a tick of the node's clock. */
  tick(): void {
    this.#tick += 1;
    if (this.#watchers === 0 || this.#tick % VIEW_INTERVAL_TICKS !== 0) return;
    this.#countUntilTick = this.#tick + COUNTING_TICKS;
    const { self: from, peers } = this.#parts.state;
    for (const to of peers) this.#parts.send({ kind: "viewRequest", from, to });
  }

  /** Takes the output of one step. */
  observe({ events }: Output): void {
    this.#candidacies.observe(events, this.#parts.state.role);
  }

  /** Counts a message that leaves for a peer. */
  sent(message: Message): void {
    if (this.#tick >= this.#countUntilTick) return;
    const counts = this.#sent.get(message.to) ?? MESSAGE_KINDS.map(() => 0);
    const at = MESSAGE_KINDS.indexOf(kindOf(message));
    counts[at] = (counts[at] ?? 0) + 1;
    this.#sent.set(message.to, counts);
  }

  /** Takes a peer's question or answer. */
  received(message: ViewMessage): void {
    if (message.kind === "viewRequest") return this.#answer(message.from);
    if (this.#watchers === 0) return;
    const view = readView(message.view);
    if (view?.id !== message.from) return this.#parts.onRefused(message.from);
    this.#heard.set(message.from, { view, tick: this.#tick });
  }

  #answer(to: NodeId): void {
    const answeredTick = this.#answeredTick.get(to);
    if (answeredTick !== undefined && this.#tick - answeredTick < ANSWER_INTERVAL_TICKS) return;
    this.#answeredTick.set(to, this.#tick);
    this.#countUntilTick = this.#tick + COUNTING_TICKS;
    const view = encodeUtf8(JSON.stringify(this.#own()));
    this.#parts.send({ kind: "viewResponse", from: this.#parts.state.self, to, view });
  }

  #others(): readonly NodeView[] {
    return [...this.#heard.values()]
      .filter(({ tick }) => this.#tick - tick < VIEW_FORGOTTEN_TICKS)
      .map(({ view }) => view);
  }

  #own(): NodeView {
    const { state, clients } = this.#parts;
    const { id, role, term, leader, commitIndex, appliedIndex, ...status } = clients.status();
    return {
      id,
      role,
      term,
      leader,
      votedFor: state.votedFor,
      timer: {
        elapsedMs: role === "leader" ? 0 : state.electionElapsedTicks * TICK_MS,
        timeoutMs: state.randomizedTimeoutTicks * TICK_MS,
      },
      canSign: state.cluster.standing !== null,
      commitIndex,
      appliedIndex,
      durableIndex: state.durability.durableIndex,
      lastLogIndex: status.lastLogIndex,
      revision: status.revision,
      runs: termRuns(state.log),
      peers: status.peers,
      sent: [...this.#sent].map(([to, counts]) => ({ to, counts })),
      candidacies: this.#candidacies.all,
      writes: clients.writeTimes,
      trouble: status.trouble,
      uptimeMs: status.uptimeMs,
    };
  }
}

function readView(bytes: Uint8Array): NodeView | null {
  return catching(
    InputError,
    () => nodeViewSchema.safeParse(parse(decodeUtf8(bytes))).data ?? null,
    () => null,
  );
}

/** Reads a peer's text, which can be anything. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function kindOf(message: Message): MessageKind {
  switch (message.kind) {
    case "preVoteRequest":
    case "voteRequest":
    case "timeoutNowRequest":
      return "vote";
    case "preVoteResponse":
      return message.granted ? "roundOne" : "vote";
    case "voteResponse":
      return message.share === null ? "vote" : "roundTwo";
    case "appendRequest":
      return message.entries.length === 0 ? "heartbeat" : "append";
    case "appendResponse":
      return "heartbeat";
    case "snapshotRequest":
    case "snapshotResponse":
      return "snapshot";
    case "proposeRequest":
    case "proposeResponse":
    case "readIndexRequest":
    case "readIndexResponse":
      return "forward";
    case "subShare":
    case "subShareRequest":
    case "memberEntryRequest":
    case "signatureRequest":
    case "signatureResponse":
      return "members";
    default:
      return message satisfies never;
  }
}

/** The newest entries of the log as runs of one term, the oldest first. */
function termRuns(log: RaftView["log"]): NodeView["runs"] {
  const runs: NodeView["runs"][number][] = [];
  let to: number = log.last.index;
  while (to > log.base.index && runs.length < TERM_RUNS_MAX) {
    const term = log.termAt(toLogIndex(to));
    if (term === null) break;
    const from = firstOfTerm(log, { term, through: toLogIndex(to) });
    runs.unshift({ term, from, to });
    to = from - 1;
  }
  return runs;
}

/** The first entry of the term that the entry at `through` has. Terms never fall along a log. */
function firstOfTerm(
  log: RaftView["log"],
  { term, through }: { readonly term: number; readonly through: LogIndex },
): LogIndex {
  let [low, high]: [number, number] = [log.base.index + 1, through];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((log.termAt(toLogIndex(middle)) ?? 0) < term) low = middle + 1;
    else high = middle;
  }
  return toLogIndex(low);
}
