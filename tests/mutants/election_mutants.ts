/**
 * Deliberate bugs in elections: votes, terms, nonces and certificates.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

const TRANSFERS = "tests/raft/transfer_test.ts";

/** See the module. */
export const ELECTION_MUTANTS: readonly Mutant[] = [
  {
    name: "vote-not-written",
    bug: "the vote is not written together with its term",
    file: "lib/raft/state.ts",
    find: `    this.#votedFor = candidate;
    this.durability.voteChanged();`,
    replace: `    this.#votedFor = candidate;`,
  },
  {
    name: "vote-forgotten-at-start",
    bug: "a node that restarts does not know for whom it voted",
    file: "lib/raft/state.ts",
    find: `this.#votedFor = durable.hardState.votedFor;`,
    replace: `this.#votedFor = null;`,
  },
  {
    name: "second-vote",
    bug: "a voter votes for a second candidate in one term",
    file: "lib/raft/voter.ts",
    find: `    (state.votedFor === null || state.votedFor === message.from) &&\n`,
    replace: ``,
  },
  {
    name: "vote-against-log-rule",
    bug: "a voter votes for a candidate whose log is behind its own",
    file: "lib/raft/voter.ts",
    find: `    isSameStatement(state, message) &&
    state.log.isUpToDate({ index: message.lastLogIndex, term: message.lastLogTerm });`,
    replace: `    isSameStatement(state, message);`,
  },
  {
    name: "log-rule-by-length",
    bug: "the longer log counts as more up to date, whatever its last term",
    file: "lib/raft/log.ts",
    find:
      `return other.term > last.term || (other.term === last.term && other.index >= last.index);`,
    replace: `return other.index >= last.index;`,
  },
  {
    name: "share-before-vote-is-durable",
    bug: "a share is made and leaves before its vote is on disk",
    file: "lib/raft/voter.ts",
    find: `sequence: state.durability.hardStateSequence,`,
    replace: `sequence: 0,`,
  },
  {
    name: "failed-session-not-asked-for-again",
    bug: "a voter that never heard of a failed session offers its used-up commitment for ever",
    file: "lib/raft/signing_coordinator.ts",
    find: `return owed ?? (this.hasOffer(voter) ? null : unanswered.at(-1) ?? null);`,
    replace: `return owed ?? null;`,
    test: "tests/raft/candidate_test.ts",
  },
  {
    name: "votes-asked-before-own-is-durable",
    bug: "a candidate asks for votes before its own vote is on disk",
    file: "lib/raft/election.ts",
    find: `  state.sendAfterPersist({
    kind: "voteRequest",`,
    replace: `  state.send({
    kind: "voteRequest",`,
  },
  {
    name: "nonce-stays-in-pool",
    bug: "a nonce that was taken for one request can be taken for another",
    file: "lib/certificate/nonce_pool.ts",
    find: `at < 0 ? [] : own.issued.splice(at, 1)`,
    replace: `at < 0 ? [] : [own.issued[at]]`,
  },
  {
    name: "sessions-without-end",
    bug: "a candidate is given shares in as many sessions as it asks for",
    file: "lib/certificate/nonce_pool.ts",
    find: `    if (at >= 0) this.#checkRoom(election, own);\n`,
    replace: ``,
    world: "endlessSessions",
  },
  {
    name: "certificate-of-another",
    bug: "a genuine certificate of another term or leader is accepted",
    file: "lib/raft/follower.ts",
    find: `state.epochs.verifier.verify(message.certificate, { term, leader: from })`,
    replace: `{ ...state.epochs.verifier.verify(message.certificate), term, leader: from }`,
  },
  {
    name: "certificate-of-another-cluster",
    bug: "a genuine certificate of another cluster is accepted",
    file: "lib/certificate/election.ts",
    find: `if (expected !== null && named !== expected) {`,
    replace: `if (expected !== null && named.length === 0) {`,
  },
  {
    name: "certificate-of-another-epoch",
    bug: "a genuine certificate of another epoch makes a leader",
    file: "lib/raft/follower.ts",
    find: `if (!state.members.mayBeLedBy(certificate)) {`,
    replace: `if (certificate.epoch < 0) {`,
  },
  {
    name: "certificate-signature-unchecked",
    bug: "a certificate is accepted whatever its signature",
    file: "lib/certificate/election.ts",
    find: `if (!verifier.verify(encodeUtf8(text), signature)) {`,
    replace: `if (text.length === 0) {`,
  },
  {
    name: "leader-by-hearsay",
    bug: "in a term whose leader is known, anybody is taken for it",
    file: "lib/raft/follower.ts",
    find: `if (state.certificate.leader === from) return state.certificate;`,
    replace: `if (state.role.name !== "leader") return state.certificate;`,
  },
  {
    name: "too-few-signers",
    bug: "a voter signs with fewer than t",
    file: "lib/certificate/signing_sessions.ts",
    find: `if (commitments.length < this.#roster.threshold) {`,
    replace: `if (commitments.length + 1 < this.#roster.threshold) {`,
    world: "shortCertificates",
  },
  {
    name: "cheater-kept",
    bug: "a signer whose share was wrong is asked again, until no session is left",
    file: "lib/raft/signing_coordinator.ts",
    find: `for (const voter of cheaters) this.#exclude(voter);`,
    replace: `for (const _ of cheaters) break;`,
  },
  {
    name: "proof-unverified",
    bug: "whatever looks like a proof raises the term",
    file: "lib/raft/term_proof.ts",
    find: `    if (keys.verifyGrant(epoch, { voter, grant, signature })) continue;`,
    replace: `    if (signature.length > 0) continue;`,
  },
  {
    name: "grants-beyond-the-next-term",
    bug: "a voter grants terms far above its own, which a liar can keep and show one by one",
    file: "lib/raft/voter.ts",
    find: `  if (isAhead && !state.adoptTerm(candidate, { term: plus(term, -1), proof })) return;
  const asked = { term, candidate };
  const isPossible = term === state.currentTerm + 1 &&`,
    replace: `  if (isAhead) state.adoptTerm(candidate, { term: plus(term, -1), proof });
  const asked = { term, candidate };
  const isPossible = term > state.currentTerm &&`,
  },
  {
    name: "grants-not-written",
    bug: "a term is written without the grants that prove it",
    file: "lib/raft/durability.ts",
    find: `    this.#grants = grants;\n`,
    replace: ``,
  },
  {
    name: "refused-vote-resets-timer",
    bug: "a voter that refuses a vote starts its election timer anew",
    file: "lib/raft/voter.ts",
    find: `function refuseVote(state: CoreState, message: VoteRequest): void {`,
    replace: `function refuseVote(state: CoreState, message: VoteRequest): void {
  state.resetElectionTimer();`,
  },
  {
    name: "transfer-never-aborts",
    bug: "a target that does not take over keeps the leader from taking commands for ever",
    file: "lib/raft/transfer.ts",
    find: `if (state.nowTick - transfer.startedTick < patienceTicks) return;`,
    replace: `if (state.nowTick >= transfer.startedTick) return;`,
  },
  {
    name: "quorumless-leader",
    bug: "a leader without a quorum goes on sending heartbeats",
    file: "lib/raft/leader.ts",
    find: `<= state.nowTick - state.config.electionTimeoutTicks) {`,
    replace: `< 0) {`,
  },
  {
    name: "everybody-accused",
    bug: "when one share is wrong, every signer of the session is called a cheater",
    file: "lib/raft/election.ts",
    find: `for (const voter of result.voters) {`,
    replace: `for (const voter of complete.shares.keys()) {`,
  },
  {
    name: "another-statement",
    bug: "a candidate gets shares for another statement of the same term",
    file: "lib/raft/voter.ts",
    find: `    isSameStatement(state, message) &&\n`,
    replace: ``,
  },
  {
    name: "term-without-its-proof",
    bug: "a term's first entry does not hold its leader's certificate",
    file: "lib/raft/leader.ts",
    find: `appendEntry(state, { kind: "certificate", data: encodeUtf8(certificate.note) });`,
    replace: `appendEntry(state, { kind: "certificate", data: encodeUtf8(leader.name) });`,
  },
  {
    name: "transfer-by-hearsay",
    bug: "a voter forgets its leader for anybody who says that the leader wishes so",
    file: "lib/raft/voter.ts",
    find: `voterPromise.transferTarget === from && term === voterPromise.transferTerm;`,
    replace: `voterPromise.transferTarget !== "" && term > 0;`,
  },
  {
    name: "suspected-for-good",
    bug: "a voter that once cost a session is suspected although it has signed since",
    file: "lib/raft/election.ts",
    find: `    candidate.signing.certified(complete);\n`,
    replace: ``,
  },
  {
    name: "handed-over-and-taken-back",
    bug: "a node that is to take over goes back to following at its leader's next message",
    file: "lib/raft/state.ts",
    find: `const isHandedOver = this.#role.name === "preCandidate" && this.#role.transfer;`,
    replace: `const isHandedOver = false;`,
    world: "slowTransfers",
  },
  {
    name: "transfer-taken-back-by-an-older-word",
    bug: "what a leader said before it hands over takes the voters' leave back when it comes late",
    file: "lib/raft/follower.ts",
    find: ` && message.round < voterPromise.round) return;\n`,
    replace: ` && message.round < 0) return;\n`,
    test: TRANSFERS,
  },
  {
    name: "rounds-of-an-earlier-leader",
    bug:
      "a voter compares a leader's rounds with those of the leader before, and misses its transfer",
    file: "lib/raft/follower.ts",
    find: `if (transferTerm === voterPromise.transferTerm && message.round`,
    replace: `if (message.round`,
    test: TRANSFERS,
  },
  {
    name: "leave-for-every-term",
    bug: "whom a leader once handed over to is helped in every later term as well",
    file: "lib/raft/voter.ts",
    find: `voterPromise.transferTarget === from && term === voterPromise.transferTerm;`,
    replace: `voterPromise.transferTarget === from && term >= voterPromise.transferTerm;`,
    world: "transfersToLiars",
  },
  {
    name: "transfer-waits-too-short",
    bug: "a leader waits one election timeout for the node that it hands over to",
    file: "lib/raft/config.ts",
    find: `export const TRANSFER_TIMEOUTS = 2;`,
    replace: `export const TRANSFER_TIMEOUTS = 1;`,
    world: "slowTransfers",
  },
  {
    name: "far-ahead-for-good",
    bug: "a term more than one ahead is not entered, whatever proves it",
    file: "lib/raft/state.ts",
    find: `    if (term <= this.#currentTerm) return false;
`,
    replace: `    if (term !== this.#currentTerm + 1) return false;
`,
    world: "leftInThePast",
  },
];
