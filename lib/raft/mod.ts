/**
 * Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", extended
 * version, and Ongaro's dissertation) whose leaders carry proof.
 *
 * **A pure core.** {@linkcode Raft} has no I/O, no clock and no `await`. Everything that happens
 * enters as an {@linkcode Input}: a tick, a message, a proposal, a write that became durable.
 * Everything to be done leaves as an {@linkcode Output}, and `lib/node` does it, in the order that
 * the output's fields stand in. So every run can be repeated from its inputs, and a simulator can
 * put the very same code through years of faults.
 *
 * **Where each rule stands.** The paper's Figure 2 is `state.ts`; its rules are in the files named
 * after who follows them:
 *
 * | file | rule |
 * | --- | --- |
 * | `election.ts` | dissertation §9.6, FROST round one |
 * | `election.ts`, `signing_coordinator.ts`, `signing_coordinator.ts` | §5.2, the signing sessions (ROAST) |
 * | `voter.ts`, `election.ts`, `durability.ts` | §5.2, §5.4.1, FROST round two |
 * | `leader.ts`, `progress.ts`, `progress.ts` | §5.3, §5.4.2, the quorum check |
 * | `follower.ts`, `follower.ts` | §5.3, behind the certificate |
 * | `reads.ts`, `reads.ts`, `reads.ts`, `voter.ts` | dissertation §6.4, §4.2.3, ReadIndex and leases |
 * | `proposals.ts`, `forwarding.ts`, `forwarding.ts` | commands, forwarded from any node, each at most once |
 * | `snapshots.ts`, `snapshots.ts`, `follower.ts`, `log.ts` | §7 |
 * | `transfer.ts` | dissertation §3.10 |
 * | `state.ts` | how often a message without proof may raise the term |
 * | `durability.ts` | what is on disk |
 * | `input_output.ts` | what a step wants done |
 * | `view.ts` | what others may see of a node |
 * | `invariants.ts` | what must hold after every step |
 *
 * **Where Floe differs from the paper.** A candidate needs t votes (n/2 < t <= n), and leads only
 * with the certificate that those votes' signature shares make. A follower follows nobody without
 * it: an AppendEntries of a new term raises no term and resets no timer until its certificate is
 * verified. AppendEntries are numbered in rounds, by whose answers a leader counts its quorum and
 * confirms reads. A proposal refused or overwritten is reported as such, never left to time out
 * when its fate is known.
 *
 * A forwarded proposal takes effect at most once, whatever the network doubles or delays: it names
 * the term whose leader may take it, and that leader recognises a batch that it took. What is said
 * to be refused never takes effect. Between a leader's crash and the next one's election a client
 * may get neither answer; an idempotency key then makes its retry safe (`lib/kv`).
 *
 * @module
 */

export * from "./config.ts";
export * from "./entry.ts";
export * from "./input_output.ts";
export type { EntryLimits, Log } from "./log.ts";
export * from "./message.ts";
export { Raft } from "./raft.ts";
export type {
  CandidateView,
  LeaderView,
  LogView,
  PreCandidateView,
  ProgressView,
  RaftView,
  RoleView,
} from "./view.ts";
export type { FollowerRounds, Progress, Rounds } from "./progress.ts";
export type {
  Candidate,
  Follower,
  Following,
  Leader,
  PreCandidate,
  Role,
  Transfer,
} from "./role.ts";
export type { CoreState } from "./state.ts";
export type { Durability } from "./durability.ts";
export type { VoterPromise } from "./voter.ts";
export type { LeaderReads, ReadBatch, Reader } from "./reads.ts";
export type { BatchName, TakenBatches } from "./forwarding.ts";
export type { CoordinatedSession, SigningCoordinator, Suspects } from "./signing_coordinator.ts";
