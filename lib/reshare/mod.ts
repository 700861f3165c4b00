/**
 * Resharing: how the members of a cluster, its threshold and its shares change under one group key. One
 * mechanism adds, removes or replaces a voter, changes the threshold, and gives all voters fresh shares.
 * A smaller one changes a statement about a member within an epoch.
 *
 * **A pure core.** {@linkcode Resharing} has no I/O, no clock and no `await`. Every event enters as an
 * {@linkcode Input}, every effect leaves as an {@linkcode Output}, and {@linkcode carryOut} performs the
 * effects: it persists first, then sends and proposes.
 *
 * **The log decides.** The dealers, their deals, the holders and the dealers that count (Q) are committed
 * entries (`entry.ts`). Each node checks them by itself (`change.ts`). So any leader can continue a change,
 * and no leader can bend it. A node signs its own statements.
 *
 * | step | entry | by | needs |
 * | --- | --- | --- | --- |
 * | 1 | `begin` | leader | the intersection rule, and no other change under way |
 * | 2 | `deal` | each old voter | its commitment, whose constant term is its verifying share |
 * | | a message | each old voter | its deal in the log; a sub-share for each new voter |
 * | 3 | `held` | each new voter | sub-shares that fit the commitments in the log |
 * | 4 | `select` | leader | t dealers whose deals every new voter holds: Q |
 * | 5 | `ready` | each new voter | its new share, durable |
 * | 6 | `proof` | leader | t' new shares signed the statement ("by e + 1") |
 * | 7 | `configuration` | leader | t old shares signed it, too ("by e") |
 * | | `abort` | leader | any time before step 6 |
 *
 * **A plan** (`goal.ts`) is an entry too: the members that the cluster is to have in the end. The leader
 * makes one change after the other, as `plan.ts` finds them safe, until the cluster has these members. A new
 * leader continues the plan. A plan ends when its goal is reached, or by `planEnd`. Its finished changes stay.
 *
 * **Where Floe differs from its design.** The new shares sign first. The old shares sign once that proof is
 * in the log; from there on a change can only be completed. So no authorization of an aborted change can
 * exist, and the chain of memberships never forks, even offline. A voter that is down need not leave: it can
 * stay as a voter without a share (`absent`). So one dead voter can be replaced while another is down.
 *
 * **What a liar can do.** Every node names a dealer with a wrong commitment (`faultFound`), and its deal does
 * not count. The receiver names a dealer with a wrong sub-share. A receiver can also lie about that, and
 * nobody else can tell, because the sub-share is secret; either way Q leaves that dealer out. A node that
 * complains about more nodes than can lie is a liar, and so is a node that more nodes complain about:
 * {@linkcode findLiars}. A silent receiver, or a leader that selects nothing, costs the attempt; the old
 * configuration stays in force meanwhile. Without t shares, no liar can learn or change the key, or leave an
 * honest voter with a share that does not fit. A statement that t old and t' new voters signed is in force
 * whatever else the log says. So a node can judge a configuration before it is committed.
 *
 * **Secrets.** A polynomial does not outlive the call that draws it. Only the dealer and the receiver of a
 * sub-share hold it, in memory only. They erase it when the receiver is ready or the change ends. The new
 * share is durable before `ready`; a node erases the old share when the new configuration is committed. Any t
 * shares of one past epoch are the key for ever: resharing protects against slow theft of shares, not
 * against a quorum that kept its old shares.
 *
 * **What the caller must do.** Give every committed entry in order. After a restart, begin with the `begin`
 * of the change under way, with `membership` and `attempt` as they were before it. Give `leading` true only
 * once the leader has committed an entry of its own term. Let voters sign only what {@linkcode Change.due}
 * says. Count no voter in a new epoch before the configuration is in its log.
 *
 * `plan.ts` has the rule of a single step, `goal.ts` the next step; `entry.ts`, `codec.ts`, `change.ts` and
 * `membership_log.ts` have the log; `dealer.ts`, `receiver.ts`, `leader.ts` and `resharing.ts`, which joins
 * them, are one node.
 *
 * @module
 */

export {
  decodeMembersRecord,
  decodeReshareEntry,
  EMPTY_RECORD,
  encodeMembersRecord,
  encodeReshareEntry,
  type MembersRecord,
  RESHARE_ENTRY_BYTES_MAX,
} from "./codec.ts";
export { type Applied, Change, type ChangeStage, type DueStatement } from "./change.ts";
export {
  type AbortEntry,
  type BeginEntry,
  type ChangeEntry,
  type Complaint,
  type ConfigurationEntry,
  type DealEntry,
  encodeWord,
  hashBegin,
  type HeldEntry,
  type MembersGoal,
  type PlanEndEntry,
  type PlanEntry,
  type PlannedMember,
  type ProofEntry,
  type ReadyEntry,
  REASON_LENGTH_MAX,
  type ReshareEntry,
  type SelectEntry,
  type SignedEntry,
  signWord,
  type Word,
} from "./entry.ts";
export {
  type Adoption,
  carryOut,
  type DurableNodeShare,
  type DurableShares,
  type Input as ReshareInput,
  type Output as ReshareOutput,
  type Proposal,
  type ReshareEvent,
  type ReshareMessage,
  type ResharingConfig,
  type ResharingPorts,
  type SubShareMessage,
  type WantMessage,
} from "./input_output.ts";
export {
  type GoalSince,
  isReached,
  needsResharing,
  needsStatement,
  type NextStep,
  nextStep,
  type NodesView,
  planFrom,
} from "./goal.ts";
export { findLiars, PROGRESS_TICKS_MAX } from "./leader.ts";
export { type ChainResult, type EndedPlan, MembershipLog } from "./membership_log.ts";
export {
  CHANGED_VOTERS_MAX,
  type ChangePlan,
  type ChangeRequest,
  describePlan,
  explainIntersection,
  planChange,
  type PlanStep,
  type VoterSet,
} from "./plan.ts";
export { type MembershipView, RESEND_TICKS, Resharing } from "./resharing.ts";
