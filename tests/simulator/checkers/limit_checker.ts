/**
 * What bounds a leader: how much it holds uncommitted, how much it sends at once, and how often it copies
 * its whole store because followers ask for it.
 *
 * @module
 */

import {
  ENTRY_OVERHEAD_BYTES,
  FLOW_LIMITS,
  SNAPSHOT_WAIT_TIMEOUTS_MAX,
} from "../../../lib/raft/config.ts";
import type { FlowLimits, LeaderView, Message, Output, RaftView } from "../../../lib/raft/mod.ts";
import { highest, type NodeId, plus } from "../../../lib/types.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

type AppendRequest = Extract<Message, { readonly kind: "appendRequest" }>;

/** One leadership's snapshots. */
interface Made {
  readonly sinceTick: number;
  count: number;
}

/** How many snapshots one follower gets before the wait is as long as it ever is: after 1, 2, 4 and 8. */
const QUICK_SNAPSHOTS = 6;

/** Watches leaders. */
export class LimitChecker {
  readonly #made = new WeakMap<LeaderView, Made>();

  /** A step was taken. */
  stepped(node: NodeView, state: RaftView, output: Output): void {
    const limits = state.config.flowLimits ?? FLOW_LIMITS;
    checkMessages(node, output.send.filter(hasEntries), limits);
    if (state.role.name !== "leader") return;
    checkUncommitted(node, state, limits);
    this.#checkSnapshots(node, state, { leader: state.role, isMade: output.makeSnapshot });
  }

  #checkSnapshots(
    node: NodeView,
    state: RaftView,
    { leader, isMade }: { readonly leader: LeaderView; readonly isMade: boolean },
  ): void {
    const made = this.#made.get(leader) ?? { sinceTick: state.nowTick, count: 0 };
    this.#made.set(leader, made);
    if (!isMade) return;
    made.count++;
    const timeouts = (state.nowTick - made.sinceTick) / state.config.electionTimeoutTicks;
    const forEach = QUICK_SNAPSHOTS + timeouts / SNAPSHOT_WAIT_TIMEOUTS_MAX;
    require(
      made.count <= state.peers.length * forEach,
      "Snapshots are made ever less often",
      () => {
        return `${node.id} makes snapshot ${made.count} in ${
          timeouts.toFixed(1)
        } election timeouts`;
      },
    );
  }
}

function hasEntries(message: Message): message is AppendRequest {
  return message.kind === "appendRequest" && message.entries.length > 0;
}

function checkMessages(
  node: NodeView,
  appends: readonly AppendRequest[],
  { append, inflight }: FlowLimits,
): void {
  const counts = new Map<NodeId, number>();
  for (const { to, entries } of appends) {
    const bytes = entries.reduce((sum, { data }) => sum + data.length, 0);
    const fits = entries.length <= append.entriesMax && bytes <= append.bytesMax;
    require(fits || entries.length === 1, "A message is no larger than it may be", () => {
      return `${node.id} sends ${to} ${entries.length} entries of ${bytes} bytes`;
    });
    const count = (counts.get(to) ?? 0) + 1;
    counts.set(to, count);
    require(count <= inflight.messagesMax, "Only so much is on its way to a follower", () => {
      return `${node.id} sends ${to} ${count} messages with entries at once`;
    });
  }
}

/** Only what clients asked counts: a leader's own first entry is always there. */
function checkUncommitted(
  node: NodeView,
  { log, commitIndex, currentTerm }: RaftView,
  { uncommittedBytesMax }: FlowLimits,
): void {
  const from = plus(highest(commitIndex, log.base.index), 1);
  let bytes = 0;
  for (const { kind, term, data } of log.slice(from, log.last.index)) {
    if (kind === "command" && term === currentTerm) bytes += data.length + ENTRY_OVERHEAD_BYTES;
  }
  require(bytes <= uncommittedBytesMax, "A leader holds only so much uncommitted", () => {
    return `${node.id} holds ${bytes} bytes, not ${uncommittedBytesMax}`;
  });
}
