/**
 * Which election a voter may help while its leader is heard: that of the node to whom the leader
 * itself, as last heard, is handing over. A candidate's own word waives no promise.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { RaftState } from "./state.ts";

/** Whether the leader, as last heard, hands over to the sender, whose election may replace it. */
export function isAskedByLeader(
  state: RaftState,
  message: { readonly from: NodeId; readonly transfer: boolean },
): boolean {
  const target = state.role.name === "leader" ? state.role.transfer?.target : state.transferTarget;
  return message.transfer && target === message.from;
}
