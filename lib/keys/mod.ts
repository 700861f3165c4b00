/**
 * A node's secrets on disk, and the public key files beside them: its identity, its share of the
 * group's key, the record of an unfinished key generation, their encryption under a passphrase, and
 * backups.
 *
 * The read order:
 *
 * 1. `private_file.ts`: how any file is written, and how a data folder is locked.
 * 2. `key_file.ts`, `secret_file.ts`, `sealed_text.ts`: how a file with keys is read, refused,
 *    sealed and written. `secret_files.ts` has the kinds of secret files.
 * 3. The kinds: `identity.ts`, `node_keys.ts`, `group_file.ts`, `record_file.ts`, `backup.ts`.
 * 4. `passphrase.ts`, `passphrase_file.ts`, `dealing.ts`.
 *
 * @module
 */

export { type BackupSummary, restoreBackup, writeBackup } from "./backup.ts";
export { type ClusterKeys, dealClusterKeys, VoterSecret } from "./dealing.ts";
export { GROUP_FILE, type GroupFile } from "./group_file.ts";
export {
  checkPinned,
  hasIdentity,
  IDENTITY_FILE,
  type NodeIdentity,
  openIdentity,
  readIdentity,
} from "./identity.ts";
export { KeyFileError, type KeyFolder } from "./key_file.ts";
export {
  claimShare,
  hasKeyFiles,
  hasRun,
  hasShare,
  type NodeKeys,
  readNodeKeys,
  SHARE_FILE,
  writeGeneratedKeys,
  writeNodeKeys,
} from "./node_keys.ts";
export { type KeyParameters, Passphrase, PASSPHRASE_BYTES_MAX } from "./passphrase.ts";
export { readPassphraseFile } from "./passphrase_file.ts";
export { type AtomicFile, lockDataFolder, statFile, writeFileAtomically } from "./private_file.ts";
export {
  deleteRecord,
  hasRecord,
  type KeyPlace,
  readRecord,
  RECORD_FILE,
  writeRecord,
} from "./record_file.ts";
export { changePassphrase, hasEncryptedFile, type PassphraseChange } from "./secret_files.ts";
