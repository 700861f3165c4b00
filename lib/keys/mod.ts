/**
 * A node's secrets on disk, and the public key files beside them: its identity, its share of the
 * group's key, the record of an unfinished key generation, their encryption under a passphrase, and
 * backups.
 *
 * The read order:
 *
 * 1. `private_file.ts`: how any file is written, and how a data folder is locked.
 * 2. `key_file.ts`, `sealed_text.ts`, `secret_file.ts`: how a file with keys is read, refused, encrypted
 *    and written. `passphrase.ts`: the key that encrypts it.
 * 3. `secret_kinds.ts`: the table of the kinds of secret files, and the operations on all of them.
 * 4. The kinds: `identity.ts`, `node_keys.ts` with `group_file.ts`, `record_file.ts`, `backup.ts`.
 * 5. `dealing.ts`: a trusted dealer, and the share as a node holds it.
 *
 * **Who erases secrets.** The function that reads a secret file erases its bytes when it refuses the
 * file. Otherwise the caller that takes the bytes over erases them. Strings cannot be erased:
 * `docs/security.md` lists the copies that stay.
 *
 * @module
 */

export { type BackupSummary, restoreBackup, writeBackup } from "./backup.ts";
export { type ClusterKeys, dealClusterKeys, NodeShares, VoterSecret } from "./dealing.ts";
export { checkFounders, GROUP_FILE, type GroupFile, type KnownKey } from "./group_file.ts";
export {
  checkPinned,
  hasIdentity,
  type NodeIdentity,
  openOrCreateIdentity,
  readIdentity,
} from "./identity.ts";
export { type Belonging, KeyFileError, type KeyFolder } from "./key_file.ts";
export {
  claimShare,
  hasKeyFiles,
  hasShare,
  type NewKeys,
  type NodeKeys,
  readNodeKeys,
  writeGeneratedKeys,
  writeJoinerKeys,
  writeNodeKeys,
  writeShares,
} from "./node_keys.ts";
export {
  type KeyParameters,
  Passphrase,
  PASSPHRASE_BYTES_MAX,
  readPassphraseFile,
} from "./passphrase.ts";
export { type AtomicFile, lockDataFolder, statFile, writeFileAtomically } from "./private_file.ts";
export { deleteRecord, hasRecord, type KeyPlace, readRecord, writeRecord } from "./record_file.ts";
export {
  changePassphrase,
  hasEncryptedFile,
  IDENTITY_FILE,
  type PassphraseChange,
  RECORD_FILE,
  SHARE_FILE,
} from "./secret_kinds.ts";
