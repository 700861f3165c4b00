/**
 * Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", extended version, and
 * Ongaro's dissertation) whose leaders carry proof.
 *
 * **A pure core.** {@linkcode Raft} has no I/O, no clock and no `await`. Everything that happens enters as an
 * {@linkcode Input}: a tick, a message, a proposal, a write that became durable. Everything to be done leaves as
 * an {@linkcode Output}, and `lib/node` does it, in the order that the output's fields stand in. So every run can
 * be repeated from its inputs, and a simulator can put the very same code through years of faults.
 *
 * **Where each rule stands.** The paper's Figure 2 is `state.ts`; its rules are in the files named after who
 * follows them:
 *
 * | file | rule |
 * | --- | --- |
 * | `election.ts` | the candidate: dissertation §9.6, §5.2, FROST rounds one and two |
 * | `signing_coordinator.ts` | its signing sessions (ROAST) |
 * | `voter.ts` | the voter: dissertation §9.6, §5.2, §5.4.1, and what a voter promises a leader, §4.2.3 |
 * | `leader.ts`, `progress.ts` | §5.3, §5.4.2, the quorum check |
 * | `follower.ts` | §5.3, behind the certificate |
 * | `reads.ts` | dissertation §6.4, ReadIndex and leases |
 * | `proposals.ts`, `forwarding.ts` | commands, forwarded from any node, each at most once |
 * | `snapshots.ts`, `follower.ts`, `log.ts` | §7 |
 * | `transfer.ts` | dissertation §3.10 |
 * | `term_proof.ts` | what proves a term |
 * | `turns.ts` | whose turn it is to stand |
 * | `durability.ts` | what is on disk |
 * | `members.ts`, `configurations.ts` | dissertation §4: who counts, and when a configuration may follow |
 * | `member_changes.ts`, `membership_signing.ts`, `signature_collection.ts` | how `lib/reshare` gets its entries, messages and signatures |
 * | `cluster.ts`, `epochs.ts`, `committed_members.ts` | what a node knows of its cluster: keys by epoch, the chain of memberships |
 * | `input_output.ts` | what a step wants done |
 * | `view.ts` | what others may see of a node |
 * | `invariants.ts` | what must hold after every step |
 *
 * **Where Floe differs from the paper.** A candidate needs t votes (n/2 < t <= n), and leads only with the
 * certificate that those votes' signature shares make. A follower follows no leader without it: an AppendEntries
 * of a new term raises no term and resets no timer until its certificate is verified. AppendEntries are numbered
 * in rounds, by whose answers a leader counts its quorum and confirms reads. A proposal refused or overwritten is
 * reported as such, never left to time out when its fate is known.
 *
 * **Members change by entries** (`configuration`), each with the certificates of `lib/reshare`: a follower takes
 * none that does not verify as the next of the chain. The newest one in the log counts, committed or not, and is
 * forgotten where it is truncated; until it is committed the one before counts as well, so commits, reads, leases
 * and the check of the quorum need a majority of both. A leader appends one once the one before and an entry of
 * its own term are committed, and while enough of its voters answer to lead it. A candidate stands under the newest configuration in its log, or, while that is not
 * known to be committed and the candidate has no share of it, under the one before (dissertation §4.2.2: otherwise
 * it could happen that no node stands after a crash that left the entry in few logs). It shows the certificate
 * that this configuration rests on, and to voters that do not grant all of its epoch, because a voter can check
 * only the next one of its chain: a voter of that epoch signs with its new share, though its own log may lack the
 * entry, and a voter that has the entry still signs under the epoch before, with its old share, until the entry is
 * committed. Then the old share and its nonces are erased.
 *
 * *Two epochs, one leader a term.* A voter has one vote a term, whatever the epoch, and every t of the old and t'
 * of the new voters share an honest one (`lib/reshare/plan.ts`), so two certificates of one term have one
 * candidate if their epochs are equal or neighbours. Others cannot meet: what follows epoch e + 1 is signed by t'
 * voters that have the end of the change to e + 1 committed and durable, and so have erased their shares of e; of
 * any t voters of e, one honest one is among them. *The leader has all committed entries*: any t voters of e meet
 * every majority of e and of e + 1, so one of them has what either committed, and votes for no shorter log
 * (§5.4.1), whichever configurations the candidate's log has. What epoch e + 2 alone commits rests on a
 * certificate, after which epoch e cannot elect a leader. A certificate of e for a term after the one that put e +
 * 1 into force convinces only voters that do not know e + 1 to be committed. Its leader can commit nothing without
 * a majority of e + 1, and as soon as it has committed e + 1, it hands over, so that all follow; if no other node
 * can be elected, it keeps leading.
 *
 * A leader that is no voter any more hands over, or steps down. A removed node is sent the log for a while; one
 * that was away learns of it when it asks to be elected, and stands no more. Where the log begins later, its
 * beginning says what is known of the members ({@linkcode LogStart.members}), as snapshots do.
 *
 * **What leads to a configuration** is `lib/reshare`: the core gives it what is committed and durable here, and
 * carries out what it wants. Its entries are of kind `resharing`; what a node says in one it signs, and the leader
 * takes it from its author only, one of a kind at a time. A sub-share travels from its dealer to its receiver. A
 * membership that the log says is due is signed in sessions of t voters that the leader opens, one after the
 * other, over the text that each signer has from its own log. A new share is on the disk before this step says
 * anything ({@linkcode Output.shares}). Secrets in memory: the shares of two epochs at most, copies in
 * `epochs.ts`, in the certifiers and in the signer of what is due; each is erased when its epoch or its change is
 * over.
 *
 * **Terms carry proof.** A term is proven by its election certificate, or by the pre-vote grants of t voters for
 * one candidate, each signed with the voter's identity key. The proof is durable with the term. A voter grants
 * exactly its current term + 1; a candidate shows the proof of its own term with the question, and a refusal for a
 * higher term brings that one's. What claims a term and proves none is counted and changes nothing:
 *
 * | a peer's message that ends something | what it ends | what it must prove |
 * | --- | --- | --- |
 * | AppendEntries, snapshot chunk, TimeoutNow | an earlier term, any role but that term's leader's, the election timer | the sender's certificate for the term |
 * | pre-vote for a term beyond the next | the voter's term, unless a leader is heard | the term before the one asked for |
 * | vote request | the voter's term; with the vote, the timer | t grants for the sender and this term |
 * | refused pre-vote | a pre-candidacy | the higher term |
 * | refused vote | a candidacy | the higher term; in this term, n - t + 1 voters refuse this term's request |
 * | signature share | a signing session | the share itself is checked; nobody is named for an answer to another session |
 * | AppendEntries' answer "stale term" | a leadership | the higher term |
 * | `transferTarget` in AppendEntries | a pre-candidacy for a transfer | the certificate, by the leader that asked for it |
 * | `transfer: true` in a request for a pre-vote or a vote | the promise to the leader, for the one term after the leader's | that leader's own newest AppendEntries names the sender |
 * | silence of a quorum, for an election timeout | a leadership | nothing: n - majority + 1 voters |
 *
 * *Safety* needs none of this: votes, certificates and the lease rest on what a voter has durably done, as in the
 * paper. A proof is a fact that anyone may show at any time; it gives no vote and no log.
 *
 * *Liveness* with up to n - t liars, as long as t honest voters hear each other within half an election timeout E.
 * (1) Every proof has the grants of at least 2t - n >= 1 honest voters, each given in the term before: terms rise
 * one at a time. (2) An honest voter grants only after E in which it heard no leader and entered no term, so the
 * next term cannot be granted while this one's election is under way: a leader that the honest hear is deposed at
 * most by grants of a silence that was real, once for each, or for the node that it transfers leadership to, in
 * one term. (3) The t honest voters are enough to grant, vote and sign; refusals of n - t end nothing, and a voter
 * that cost a signing session is chosen last. (4) A liar that opens a term and does not finish it waits 2E, 4E, 8E
 * for the next, after the honest nodes, which stand within 2E (`turns.ts`). (5) A grant is a pledge of E/2, given
 * by turns, and is kept by the candidate that has it: so an honest node that stands has t grants after a few
 * pledges, and then the votes of all voters but those that a liar's own opening has won, which is (4). So each
 * liar costs a few election timeouts in each election. Not covered is one that is genuinely elected and does
 * nothing: its followers count it as heard no longer once what they asked it to commit has waited for 3E.
 *
 * A forwarded proposal takes effect at most once, whatever the network doubles or delays: it names the term whose
 * leader may take it, and that leader recognises a batch that it took. What is said to be refused never takes
 * effect. Between a leader's crash and the next one's election a client may get neither answer; an idempotency key
 * then makes its retry safe (`lib/kv`).
 *
 * @example Three cores elect a leader, who proves it, and a command is committed
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { assertDefined } from "../assert.ts";
 * import { createCertifier, createGrantKeys } from "../certificate/mod.ts";
 * import { trustedDealerKeygen } from "../frost/mod.ts";
 * import { toPrivateKey, toRawPublicKey } from "../native_key.ts";
 * import { type Entry, type Input, LOG_START } from "./mod.ts";
 * import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../types.ts";
 *
 * const random = (length: number) => new Uint8Array(randomBytes(length));
 * const roster = { cluster: toClusterName("floe-example"), epoch: toEpoch(1), threshold: 2 };
 *
 * // A dealer makes the shares here. Real nodes make them together: see `lib/keygen`.
 * const dealt = trustedDealerKeygen({ minParticipants: 2, maxParticipants: 3, randomBytes: random });
 * const voters = dealt.shares.map(({ identifier, secret: share }) => {
 *   const signingKey = toPrivateKey("ed25519", random(32));
 *   const verifyingShare = assertDefined(dealt.group.verifyingShares.get(identifier), "dealt");
 *   const identityKey = toRawPublicKey(signingKey);
 *   const id = toNodeId(`server_${identifier}`);
 *   return { id, identifier, share, verifyingShare, signingKey, identityKey };
 * });
 * const group = { ...roster, publicKey: dealt.group.groupPublicKey, voters };
 *
 * const nothing = {
 *   hardState: { currentTerm: toTerm(0), votedFor: null },
 *   logStart: LOG_START,
 *   entries: [],
 *   currentTermNote: null,
 *   grants: null,
 *   members: null,
 * };
 * const cores = voters.map(({ id: self, share, signingKey }) => {
 *   const certifier = createCertifier({ group, self, share, randomBytes: random });
 *   const grants = createGrantKeys({ ...roster, voters, self, signingKey });
 *   const times = { electionTimeoutTicks: 10, heartbeatTicks: 3, signingTimeoutTicks: 5 };
 *   const chance = { random: Math.random, incarnation: Math.floor(Math.random() * 2 ** 32) };
 *   const isCommand = () => true;
 *   const config = { self, certifier, grants, isCommand, ...times, ...chance };
 *   return { self, raft: new Raft(config, nothing, toLogIndex(0)), inbox: [] as Input[] };
 * });
 *
 * // Each turn, every node hears of a tick and of what the others sent, and says what is to be done.
 * function turn(): readonly Entry[] {
 *   return cores.flatMap(({ raft, inbox }) => {
 *     const output = raft.step([{ kind: "tick" }, ...inbox.splice(0)]);
 *     // A node writes the batch, and sends what must wait for it once the disk has it.
 *     if (output.persist) inbox.push({ kind: "persisted", sequence: output.persist.sequence });
 *     for (const message of [...output.send, ...output.sendAfterPersist]) {
 *       cores.find(({ self }) => self === message.to)?.inbox.push({ kind: "message", message });
 *     }
 *     return output.apply;
 *   });
 * }
 * const isLeader = ({ raft }: { raft: Raft }) => raft.state.role.name === "leader";
 * while (!cores.some(isLeader)) turn();
 *
 * const command = new TextEncoder().encode("hello");
 * cores.find(isLeader)?.inbox.push({ kind: "propose", proposalId: 1, command });
 * let applied = 0;
 * while (applied < cores.length) applied += turn().filter(({ kind }) => kind === "command").length;
 * ```
 *
 * @module
 */

export * from "./config.ts";
export * from "./entry.ts";
export * from "./input_output.ts";
export type { EntryLimits, Log } from "./log.ts";
export * from "./message.ts";
export type {
  CertificateProof,
  GrantsProof,
  ProofKeys,
  SignedGrant,
  TermProof,
} from "./term_proof.ts";
export type { Cluster, ShownMembership } from "./cluster.ts";
export type { DueSigner } from "./membership_signing.ts";
export type { CommittedMembers } from "./committed_members.ts";
export type { CollectedSession, SignatureCollection } from "./signature_collection.ts";
export type { Epochs } from "./epochs.ts";
export { viewNodes } from "./member_changes.ts";
export type { Configuration, LoggedConfiguration, Members } from "./members.ts";
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
  ReceivedGrant,
  Role,
  Transfer,
} from "./role.ts";
export type { CoreState } from "./state.ts";
export type { Durability } from "./durability.ts";
export type { VoterPromise } from "./voter.ts";
export type { LeaderReads, ReadBatch } from "./reads.ts";
export type { Reader } from "./readers.ts";
export type { BatchName, LeaderService, TakenBatches } from "./forwarding.ts";
export type {
  CoordinatedSession,
  Offer,
  SigningCoordinator,
  Suspects,
} from "./signing_coordinator.ts";
export type { Asked, Turns } from "./turns.ts";
