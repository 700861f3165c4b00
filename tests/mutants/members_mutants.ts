/**
 * Bugs in how the members change: who counts, under which epoch, with whose share. Most are found in worlds whose
 * members change all the time; the others need a course of events that no world of the simulator takes soon, and
 * name the tests that find them.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

const CONFIGURATIONS = "tests/raft/configurations_test.ts";
const EPOCHS = "tests/raft/epochs_test.ts";
const SNAPSHOTS = "tests/raft/members_snapshot_test.ts";
const FAULTS = "tests/raft/resharing_faults_test.ts";
const LIVENESS = "tests/raft/members_liveness_test.ts";

/** See the module. */
export const MEMBERS_MUTANTS: readonly Mutant[] = [
  {
    name: "counts-the-old-majority-only",
    bug: "what is committed while a configuration is pending needs no majority of the new voters",
    file: "lib/raft/members.ts",
    find: `logged.slice(-2).map(`,
    replace: `logged.slice(0, 1).map(`,
    world: "growingMembers",
  },
  {
    name: "counts-the-new-majority-only",
    bug: "what is committed while a configuration is pending needs no majority of the old voters",
    file: "lib/raft/members.ts",
    find: `logged.slice(-2).map(`,
    replace: `logged.slice(-1).map(`,
    world: "changingMembers",
  },
  {
    name: "counts-by-the-committed-configuration",
    bug: "elections are held under the configuration that is committed, not the newest in the log",
    file: "lib/raft/members.ts",
    find: `return (this.#pending.at(-1) ?? this.#inForce).configuration;`,
    replace: `return this.#inForce.configuration;`,
    world: "changingMembers",
  },
  {
    name: "truncated-configuration-counts",
    bug: "a configuration still counts after its entry was truncated",
    file: "lib/raft/members.ts",
    find: `this.#pending = this.#pending.filter((logged) => logged.index < index);`,
    replace: `this.#pending = this.#pending.filter(() => index > 0);`,
    world: "unheardConfigurations",
  },
  {
    name: "configuration-before-an-own-entry",
    bug: "a leader appends a configuration before an entry of its own term is committed",
    file: "lib/raft/configurations.ts",
    find:
      `  if (log.termAt(state.commitIndex) !== term) return "no entry of this term is committed yet";\n`,
    replace: ``,
    test: CONFIGURATIONS,
  },
  {
    name: "two-configurations-at-once",
    bug: "a leader appends a configuration while another one is not committed",
    file: "lib/raft/configurations.ts",
    find: `  if (members.isPending) return "another configuration is not committed yet";\n`,
    replace: ``,
    test: CONFIGURATIONS,
  },
  {
    name: "configuration-without-the-new-epochs-word",
    bug: "a configuration is taken although the new shares did not sign it",
    file: "lib/certificate/membership_chain.ts",
    find: `  checkProof(after, byNew);\n`,
    replace: ``,
    world: "lyingMembers",
  },
  {
    name: "dealers-that-were-not-reported",
    bug: "the dealers that count are those that the leader names, whatever the new voters reported",
    file: "lib/reshare/change.ts",
    find: `      !common.includes(dealer) || dealers.indexOf(dealer) !== at`,
    replace:
      `      !this.#deals.has(dealer) || dealers.indexOf(dealer) !== at || common === dealers`,
    world: "lyingLeader",
  },
  {
    name: "lost-voter-is-waited-for",
    bug:
      "a plan gives a share to a voter that is down, and so never ends where one is lost for good",
    file: "lib/reshare/goal.ts",
    find: `.filter((id) => !up.includes(id));
  const request`,
    replace: `.filter((id) => !up.includes(id) && id.length > 64);
  const request`,
    world: "replacedMembers",
  },
  {
    name: "learner-counts",
    bug: "a learner counts as a voter",
    file: "lib/raft/members.ts",
    find: `voters: idsOf("voter"), learners`,
    replace: `voters: [...idsOf("voter"), ...idsOf("learner")], learners`,
    world: "changingMembers",
  },
  {
    name: "votes-in-two-epochs",
    bug: "a voter votes for another candidate of the same term under another epoch",
    file: "lib/raft/voter.ts",
    // Two rules forbid it: one candidate a term, and one statement.
    find: `    (state.votedFor === null || state.votedFor === message.from) &&
    (state.certificate === null || state.certificate.leader === message.from) &&
    isSameStatement(state, message) &&\n`,
    replace:
      `    (state.votedFor === null || state.votedFor === message.from || message.epoch === 1) &&
    (state.certificate === null || state.certificate.leader === message.from) &&
    (message.epoch === 1 || isSameStatement(state, message)) &&\n`,
    test: EPOCHS,
  },
  {
    name: "ended-epoch-signs",
    bug: "a voter still grants and signs under an epoch whose successor is committed",
    file: "lib/raft/epochs.ts",
    find: `      if (known < epoch) certifier.erase();\n`,
    replace: ``,
    world: "changingMembers",
  },
  {
    name: "removed-leader-leads-on",
    bug: "a leader that is no voter any more goes on to lead",
    file: "lib/raft/leader.ts",
    find: `  if (members.isPending) return true;\n`,
    replace: `  if (members.newest.epoch > 0) return true;\n`,
    test: EPOCHS,
  },
  {
    name: "removed-node-stands",
    bug: "a node that was shown that it is removed still asks to be elected",
    file: "lib/raft/cluster.ts",
    find: `    if (this.isRemoved && !(isPending && isNewestKnown)) return null;\n`,
    replace: `    if (isPending && !isNewestKnown && this.epochs.known === null) return null;\n`,
    test: EPOCHS,
  },
  {
    name: "snapshot-without-configuration",
    bug: "a snapshot says nothing of the members",
    file: "lib/raft/snapshots.ts",
    find: `members: state.cluster.record });`,
    replace: `members: null });`,
    world: "changingMembers",
  },
  {
    name: "snapshot-forgets-the-change",
    bug: "a log that begins at a snapshot says nothing of the change that was under way",
    file: "lib/raft/committed_members.ts",
    find: `if (this.#beginning !== null) return this.#beginning;`,
    replace: ``,
    test: SNAPSHOTS,
  },
  {
    name: "log-start-without-configuration",
    bug: "a log that begins later says nothing of the members that came before",
    file: "lib/raft/snapshots.ts",
    find: `state.durability.logCompactedTo(log.base, state.cluster.record);`,
    replace: `state.durability.logCompactedTo(log.base, null);`,
    world: "changingMembers",
  },
  {
    name: "old-share-erased-early",
    bug: "the old share goes when the new one is made, not when the configuration is committed",
    file: "lib/reshare/resharing.ts",
    find: `this.#outbox.change({ ...record, next });`,
    replace: `this.#outbox.change({ current: null, next });`,
    world: "changingMembers",
  },
  {
    name: "ready-before-the-share",
    bug: "a node says that it is ready before its new share is on the disk",
    file: "lib/node/loop.ts",
    find: `if (output.shares !== null) ports.persistShares(output.shares);\n`,
    replace: ``,
    world: "changingMembers",
  },
  {
    name: "intersection-unchecked",
    bug: "a change begins although old and new voters may have no honest one in common",
    file: "lib/reshare/change.ts",
    find: `  if (why !== null) throw new InputError(\`Cannot begin change: \${why}\`);\n`,
    replace: ``,
    world: "changingMembers",
  },
  {
    name: "nonces-of-another-epoch",
    bug: "the signer and the nonces of the new epoch are used for the old one's signature as well",
    file: "lib/raft/membership_signing.ts",
    find: `if (state.cluster.dueSigner?.due.text !== due?.text) endSigning(state);`,
    replace: `if (state.cluster.dueSigner?.change !== change?.id) endSigning(state);`,
    world: "changingMembers",
  },
  {
    name: "words-in-anothers-name",
    bug: "a leader takes what one node says from another",
    file: "lib/raft/member_changes.ts",
    find: `if (!("author" in entry) || entry.author !== message.from) {`,
    replace: `if (!("author" in entry)) {`,
    test: FAULTS,
  },
  {
    name: "words-without-end",
    bug: "a leader puts every repetition of a word into its log",
    file: "lib/raft/member_changes.ts",
    find: `  if (before.index > state.commitIndex) return;
  if (before.count >= WORDS_PER_DEALER_MAX * change.before.members.length) return;\n`,
    replace: ``,
    test: FAULTS,
  },
  {
    name: "share-without-joining",
    bug: "a node that does not have the log is to get a share",
    file: "lib/raft/member_changes.ts",
    find: `role === "voter" && !state.members.has(id)`,
    replace: `role === "voter" && id.length > 64`,
    test: FAULTS,
  },
  {
    name: "declining-signer-blames-all",
    bug: "where one signer declines, all whose shares are on their way count as late",
    file: "lib/raft/signature_collection.ts",
    find: `late: [voter],`,
    replace: `late: this.owing,`,
    test: LIVENESS,
  },
  {
    name: "declined-session-used-all-nonces",
    bug:
      "a signer that never heard of a session that another declined offers its commitment in vain for ever",
    file: "lib/raft/signature_collection.ts",
    find: `unanswered: this.owing.filter((one) => one !== voter)`,
    replace: `unanswered: []`,
    test: "tests/raft/signature_collection_test.ts",
  },
  {
    name: "stands-under-the-newest-only",
    bug: "a node without a share of a pending configuration does not stand under the one before",
    file: "lib/raft/cluster.ts",
    find: `return [newest, previous].find((configuration) =>`,
    replace: `return [newest].find((configuration) =>`,
    test: LIVENESS,
  },
  {
    name: "leaving-is-taken-for-done",
    bug: "a node that a pending configuration removes does not stand",
    file: "lib/raft/cluster.ts",
    find: `if (this.isRemoved && !(isPending && isNewestKnown)) return null;`,
    replace: `if (this.isRemoved && !(isPending && !isNewestKnown)) return null;`,
    test: LIVENESS,
  },
  {
    name: "old-epoch-leads-on",
    bug: "a leader of the old epoch leads on where the new epoch can elect another",
    file: "lib/raft/leader.ts",
    find: `  if (isVoter && members.mayBeLedBy(leader.certificate)) return true;`,
    replace: `  if (isVoter) return true;`,
    test: LIVENESS,
  },
  {
    name: "shows-the-newest-only",
    bug: "a voter that lacks two statements is shown only the last one",
    file: "lib/raft/election.ts",
    find: `for (const statement of shown) askPreVotes(`,
    replace: `for (const statement of shown.slice(-1)) askPreVotes(`,
    test: LIVENESS,
  },
  {
    name: "shows-committed-statements-only",
    bug: "a statement that is not known to be committed is not shown",
    file: "lib/raft/cluster.ts",
    find: `return [...certificates, ...later];`,
    replace: `return certificates.length === 0 ? later.slice(0, 0) : certificates;`,
    test: LIVENESS,
  },
  {
    name: "attempts-of-an-earlier-plan-count",
    bug: "the attempts that failed before a plan began end it",
    file: "lib/reshare/membership_log.ts",
    find: `    this.#attemptsBefore = this.#attempt;\n    this.#lastFailure`,
    replace: `    this.#lastFailure`,
    test: "tests/raft/plans_test.ts",
  },
  {
    name: "share-by-the-leaders-word",
    bug: "a node keeps the share of the change that the leader's entry names",
    file: "lib/reshare/resharing.ts",
    find: `          : this.#end(entry, ended?.id ?? null);`,
    replace:
      `          : this.#end(entry, "change" in entry && ended !== null ? entry.change : null);`,
    test: "tests/reshare/lies_test.ts",
  },
  {
    name: "two-statements-in-a-term",
    bug: "a voter signs for its candidate under a second epoch",
    file: "lib/raft/voter.ts",
    find: `return signed.epoch === message.epoch && signed.index`,
    replace: `return signed.index`,
    test: EPOCHS,
  },
  {
    name: "late-signer-chosen-at-once",
    bug: "a signer that declines is chosen again before the others can answer",
    file: "lib/raft/membership_signing.ts",
    find: `openSigningSessions(state, collection, { own, withLate: false });`,
    replace: `openSigningSessions(state, collection, { own, withLate: true });`,
    test: LIVENESS,
  },
];
