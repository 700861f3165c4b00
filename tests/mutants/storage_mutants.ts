/**
 * Deliberate bugs around the disk: damage that nobody sees, and a node that trusts what it must not.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

/** See the module. */
export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "damage-unseen",
    bug: "an entry's digest does not cover its data",
    file: "lib/storage/row_digest.ts",
    find: `  return digest(head, data);
}

/** Covers term, the log's start`,
    replace: `  return digest(head, data.subarray(0, 0));
}

/** Covers term, the log's start`,
  },
  {
    name: "damaged-vote-unseen",
    bug: "the digest of the hard state does not cover the vote",
    file: "lib/storage/row_digest.ts",
    find: `encodeUtf8(votedFor ?? "")`,
    replace: `encodeUtf8(votedFor === null ? "" : "-")`,
  },
  {
    name: "damaged-certificate-unseen",
    bug: "a certificate's digest does not cover its note",
    file: "lib/storage/row_digest.ts",
    find: `encodeNumbers([term]), encodeUtf8(note)`,
    replace: `encodeNumbers([term]), encodeUtf8("-".repeat(note.length >>> 8))`,
  },
  {
    name: "damaged-value-unseen",
    bug: "the digest of a key's row does not cover its value",
    file: "lib/storage/row_digest.ts",
    find: `encodeNumbers([createRevision, modRevision, version, key.length]), key, value)`,
    replace: `encodeNumbers([createRevision, modRevision, version, key.length]), key)`,
  },
  {
    name: "damaged-applied-index-unseen",
    bug: "the digest of the applied index does not cover it",
    file: "lib/storage/row_digest.ts",
    find: `encodeNumbers([appliedIndex])`,
    replace: `encodeNumbers([Math.min(appliedIndex, 0)])`,
  },
  {
    name: "store-behind-the-log",
    bug: "a node starts on a kv.db that is older than all that its log can replay",
    file: "lib/storage/stores.ts",
    find: `if (appliedIndex < logStart.index && appliedIndex > 0) {`,
    replace: `if (appliedIndex < 0) {`,
  },
  {
    name: "wiped-node-returns",
    bug: "a node whose disk was lost comes back under its old share",
    file: "tests/simulator/machine.ts",
    find: `    this.storage.wipe();
    this.isRetired = true;`,
    replace: `    this.storage.wipe();`,
  },
  {
    name: "leads-without-state",
    bug: "a node that lost its key-value store stands for election before it has it back",
    file: "lib/raft/raft.ts",
    find: `state.randomizedTimeoutTicks && !state.lacksState) {`,
    replace: `state.randomizedTimeoutTicks) {`,
  },
];
