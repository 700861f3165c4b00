/**
 * Resharing: how the members of a cluster, its threshold and its shares change under one group key. One
 * mechanism serves to add, remove and replace a voter, to change the threshold, and to give everybody
 * fresh shares; a smaller one to change what is said about members within an epoch.
 *
 * **A pure core.** {@linkcode Resharing} has no I/O, no clock and no `await`. Everything that happens
 * enters as an {@linkcode Input}, everything to be done leaves as an {@linkcode Output}, and
 * {@linkcode carryOut} does it: persist, then send and propose.
 *
 * **The log is the only truth.** Who deals, what was dealt, who holds it and which dealers count (Q) are
 * committed entries (`entry.ts`), which each node checks by itself (`change.ts`). So any leader goes on
 * with a change, and none can bend it. What a node says about itself it signs.
 *
 * | step | entry | by | needs |
 * | --- | --- | --- | --- |
 * | 1 | `begin` | leader | the intersection rule, and no other change under way |
 * | 2 | `deal` | each old voter | its commitment, whose constant term is its verifying share |
 * | | a message | each old voter | its deal in the log; a sub-share for each new voter |
 * | 3 | `held` | each new voter | sub-shares that are of the commitments in the log |
 * | 4 | `select` | leader | t dealers whose deals every new voter holds: Q |
 * | 5 | `ready` | each new voter | its new share, durable |
 * | 6 | `proof` | leader | t' new shares signed the statement ("by e + 1") |
 * | 7 | `configuration` | leader | t old shares signed it, too ("by e") |
 * | | `abort` | leader | any time before step 6 |
 *
 * **A plan** (`goal.ts`) is an entry too: what the members are to be in the end. The leader makes one change
 * after the other, as `plan.ts` finds them safe, until that is reached, whoever leads meanwhile. A plan ends with its
 * goal, or by `planEnd`. What was done of it stays.
 *
 * **Where Floe differs from its design.** The new shares sign first, and the old ones only once that proof
 * is in the log; from there on a change can only be completed. So no authorization can exist of a change
 * that was aborted: the chain of memberships never forks, even offline. A voter that is down need not
 * leave: it may stay as a voter without a share (`absent`), so that one dead voter can be replaced while
 * another is down as well.
 *
 * **What a liar can do.** A dealer with a wrong commitment is named by every node (`faultFound`), and
 * its deal does not count. A dealer with a wrong sub-share is named by the receiver; a receiver can also
 * say so falsely, and nobody else can tell, as the sub-share is secret. Such a dealer is left out of Q.
 * Who complains of, or is complained of by, more nodes than can lie, is lying: {@linkcode findLiars}.
 * A receiver that stays silent, and a leader that selects nothing, cost the attempt; the old configuration
 * is in force all the while. No liar can learn or change the key, or leave an honest voter with a share
 * that does not fit, unless it has t shares. What t of the old and t' of the new voters signed is in force
 * whatever else the log says, so that a node can judge a configuration that is not committed yet.
 *
 * **Secrets.** A polynomial does not outlive the call that draws it. Sub-shares are in memory only, with
 * their dealer and their receiver, and are erased when the receiver is ready or the change ends. The new
 * share is durable before `ready`; the old share goes when the new configuration is committed. Any t
 * shares of one past epoch are the key for ever: resharing protects against shares that are stolen
 * slowly, not against a quorum that kept its old ones.
 *
 * **What the caller must do.** Give every committed entry in order, after a restart from the `begin` of a
 * change under way on (with `membership` and `attempt` as they were before); give `leading` true only once the leader has
 * committed an entry of its own term; let voters sign only what {@linkcode Change.due} says; and count no
 * voter in a new epoch before the configuration is in its log.
 *
 * Read `plan.ts` for the rule of what is one step, `goal.ts` for the next one; `entry.ts`, `codec.ts`, `change.ts` and `membership_log.ts`
 * for the log; `dealer.ts`, `receiver.ts`, `leader.ts` and `resharing.ts`, which joins them, for a node.
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
