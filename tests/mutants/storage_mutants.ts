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
    bug: "a record's checksum does not cover what it says",
    file: "lib/storage/log/record.ts",
    find: `return digest(chain, head, payload);`,
    replace: `return digest(chain, head, payload.subarray(0, 0));`,
  },
  {
    name: "damage-taken-for-a-torn-end",
    bug: "a start does not look for records behind one that is damaged",
    file: "lib/storage/log/recovery.ts",
    find: `    if (later !== null) {`,
    replace: `    if (later === -1) {`,
  },
  {
    name: "lost-segment-unseen",
    bug: "a log that goes on in a file that is gone passes for one that ends there",
    file: "lib/storage/log/recovery.ts",
    find: `      if (!isLast) return true;
      throw`,
    replace: `      return true;
      throw`,
  },
  {
    name: "lost-elections-unseen",
    bug: "a start does not miss certificates that the log says were moved",
    file: "lib/storage/log/recovery.ts",
    find: `      if (electionRecords === 0) return null;
      throw this.#corruption(ELECTIONS_FILE, "the file is missing");`,
    replace: `      return null;`,
  },
  {
    name: "acknowledged-before-its-sync",
    bug: "the log says that a batch is durable once it is written, and not once it is synced",
    file: "lib/storage/log/log_writer.ts",
    find: `    await file.sync();
    to.position = end;`,
    replace: `    void file.sync();
    to.position = end;`,
  },
  {
    name: "truncation-leaves-an-old-record",
    bug: "entries behind those that replace others come back at a start",
    file: "lib/storage/log/recovery.ts",
    find: `      this.#entries.length = first.index - this.#entriesFrom;
      for (const entry of batch.entries) this.#entries.push(entry);`,
    replace: `      const place = first.index - this.#entriesFrom;
      this.#entries.splice(place, batch.entries.length, ...batch.entries);`,
  },
  {
    name: "removed-with-its-certificates",
    bug: "a segment is removed before its certificates are elsewhere",
    file: "lib/storage/log/log_writer.ts",
    find: `    if (notes.length === 0) return this.#remove(old);`,
    replace: `    if (notes.length >= 0) return this.#remove(old);`,
  },
  {
    name: "removed-too-early",
    bug: "a segment is removed while the log needs its last entry",
    file: "lib/storage/log/log_writer.ts",
    find: `      lastIndex > index || at`,
    replace: `      lastIndex > index + 1 || at`,
  },
  {
    name: "segment-ended-before-the-next-is-there",
    bug: "a segment says that the log goes on in another before that is durable",
    file: "lib/storage/log/log_writer.ts",
    find: `    await file.write(bytes, 0);
    await file.sync();
    await this.#files.sync();`,
    replace: `    await file.write(bytes, 0);`,
  },
  {
    name: "damaged-value-unseen",
    bug: "the checksum of a long row is not looked at",
    file: "lib/storage/tables/batch_codec.ts",
    find: `if (crc32(content) !== viewOf(row.subarray(end)).getUint32(0)) {`,
    replace:
      `if (content.length < 60 && crc32(content) !== viewOf(row.subarray(end)).getUint32(0)) {`,
  },
  {
    name: "damaged-applied-index-unseen",
    bug: "the checksum of the row that says how far the tables are is not looked at",
    file: "lib/storage/tables/batch_codec.ts",
    find: `if (crc32(content) !== viewOf(row.subarray(end)).getUint32(0)) {`,
    replace:
      `if (table !== "state" && crc32(content) !== viewOf(row.subarray(end)).getUint32(0)) {`,
  },
  {
    name: "store-behind-the-log",
    bug: "a node starts on a kv.db that is older than all that its log can replay",
    file: "lib/storage/stores.ts",
    find: `if (appliedIndex < logStart.index && appliedIndex > 0) {`,
    replace: `if (appliedIndex < 0) {`,
    world: "olderStores",
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
    file: "lib/raft/state.ts",
    find: `return !this.lacksState && this.cluster.standing`,
    replace: `return this.cluster.standing`,
  },
];
