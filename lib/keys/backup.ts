/**
 * Backups of a node's keys: one encrypted file with the identity, the share if there is one, and the public group
 * that the share belongs to. Nothing else: nonces are never in any file, and the record of an unfinished key
 * generation serves only its own node.
 *
 * **What a backup is for.** A backup holds keys, but not the node's votes: those are in its folder `raft`. A voter
 * that has forgotten its vote could sign for a second leader of the same term. So a share is restored only where
 * the node's folder `raft` is, and always marked as used:
 *
 * - the share may have been used after the backup was made;
 * - a backup can be restored twice, and the second restore cannot know of the first.
 *
 * The rule has no exception, so the backup of a node that never ran cannot restore its share. A backup serves to
 * move a node, with `raft`, to another disk or machine; to restore a lost key file; and to restore a node's
 * identity alone.
 *
 * @module
 */

import { z } from "zod";
import {
  checkRaftStore,
  createDataFolder,
  hasRaftStore,
  isOnlyRestored,
  RAFT_FOLDER,
} from "../storage/mod.ts";
import type { NodeId } from "../types.ts";
import { describeGroup, formatGroup, GROUP_FILE, toGroupFile } from "./group_file.ts";
import {
  type Belonging,
  checkBelongs,
  KeyFileError,
  parseKeyFile,
  readPublicJson,
} from "./key_file.ts";
import { isShareOf } from "./node_keys.ts";
import type { Passphrase } from "./passphrase.ts";
import { statFile, writeFileAtomically } from "./private_file.ts";
import { isSealed, sealedTextSchema } from "./sealed_text.ts";
import { checkPurpose, openSealed, sealContent, writeSecretFile } from "./secret_file.ts";
import {
  IDENTITY,
  IDENTITY_FILE,
  jsonObjectSchema,
  listSecretFiles,
  openSecretFiles,
  type SecretContent,
  SHARE,
  SHARE_FILE,
  usingSecret,
} from "./secret_kinds.ts";

/** The contents of a backup, for messages. */
export interface BackupSummary extends Belonging {
  /** The names of the files that a restore writes into the data folder. */
  readonly files: readonly string[];
}

interface Backup extends Omit<BackupSummary, "files"> {
  readonly identity: SecretContent;
  /** Either both are there or neither is. */
  readonly share: SecretContent | null;
  readonly group: SecretContent | null;
}

const OTHER_BACKUP = "Use another backup.";

/**
 * Writes a backup of a node's keys, encrypted with `passphrase`, which also opens the node's files if they
 * are encrypted. The folder stays as it is.
 *
 * @throws {KeyFileError} when the file exists already, or a key file cannot be used or opened.
 * @throws {EnvironmentError} when a file cannot be read or written.
 */
export function writeBackup(
  path: string,
  { dataDir, passphrase }: { readonly dataDir: string; readonly passphrase: Passphrase },
): BackupSummary {
  if (statFile(path) !== null) {
    throw new KeyFileError(
      path,
      "the file exists already",
      "Name another with --out; a backup is never overwritten.",
    );
  }
  const backup = collect(dataDir, passphrase);
  checkBackup(backup, dataDir);
  const { node, cluster, identity, share, group } = backup;
  const label = { purpose: "backup", cluster, node } as const;
  const text = sealContent({ identity, share, group }, { label, passphrase });
  writeFileAtomically({ path, text, mode: 0o600 });
  // Otherwise a backup that cannot be read would be noticed too late.
  return summarize(readBackup(path, passphrase));
}

/**
 * Puts the keys of a backup into a node's folder, encrypted with `passphrase`, which opens the backup. A
 * share is marked as used: see the head of this file. The caller holds the folder's lock.
 *
 * @throws {KeyFileError} when the backup cannot be used or opened, when the folder holds keys, or the
 * group of another cluster, or when there is a share and no folder `raft`.
 * @throws {InputError} when the folder's log is of another cluster or node.
 * @throws {CorruptionError} when it is damaged.
 * @throws {EnvironmentError} when a file cannot be read or written.
 */
export function restoreBackup(
  path: string,
  { dataDir, passphrase, identityOnly }: {
    readonly dataDir: string;
    readonly passphrase: Passphrase;
    readonly identityOnly: boolean;
  },
): BackupSummary {
  const whole = readBackup(path, passphrase);
  const backup = identityOnly ? { ...whole, share: null, group: null } : whole;
  checkNoKeys(dataDir);
  if (backup.share !== null) checkFolderFits(dataDir, backup);
  createDataFolder(dataDir);
  writeKeys(dataDir, { backup, passphrase });
  return summarize(backup);
}

function collect(dataDir: string, passphrase: Passphrase): Backup {
  const opened = openSecretFiles(dataDir, [passphrase]);
  const identity = opened.find(({ purpose }) => purpose === "identity");
  const share = opened.find(({ purpose }) => purpose === "share");
  if (identity === undefined) {
    throw new KeyFileError(
      `${dataDir}/${IDENTITY_FILE}`,
      "no such file",
      "Name a node's folder with --data-dir.",
    );
  }
  return {
    node: identity.node,
    cluster: share?.cluster ?? null,
    identity: identity.content,
    share: share?.content ?? null,
    group: share === undefined ? null : readGroupContent(dataDir),
  };
}

function readGroupContent(dataDir: string): SecretContent {
  const file = `${dataDir}/${GROUP_FILE}`;
  const whatToDo = "Copy it from another node.";
  const json = readPublicJson(file, whatToDo);
  return parseKeyFile(json, { file, schema: jsonObjectSchema, whatToDo });
}

function readBackup(file: string, passphrase: Passphrase): Backup {
  const json = readPublicJson(file, OTHER_BACKUP);
  if (!isSealed(json)) {
    throw new KeyFileError(file, "it is not a backup", "Name a file of floe keys backup.");
  }
  const sealed = parseKeyFile(json, { file, schema: sealedTextSchema, whatToDo: OTHER_BACKUP });
  checkPurpose(file, sealed, "backup");
  const options = { path: file, passphrases: [passphrase], whatToDo: OTHER_BACKUP };
  const { content } = openSealed(sealed, options);
  const { node, cluster } = sealed;
  const parts = parseKeyFile(content, { file, schema: backupSchema, whatToDo: OTHER_BACKUP });
  const backup = { node, cluster, ...parts };
  checkBackup(backup, file);
  return backup;
}

const backupSchema = z.strictObject({
  identity: jsonObjectSchema,
  share: jsonObjectSchema.nullable(),
  group: jsonObjectSchema.nullable(),
});

/** Checks that the parts belong together: before a backup is written, and after it is read. */
function checkBackup({ node, cluster, identity, share, group }: Backup, file: string): void {
  const whatToDo = OTHER_BACKUP;
  const use = (found: Partial<Belonging>) => checkBelongs(file, found, { node });
  usingSecret(IDENTITY, identity, { file, whatToDo, use });
  if (share !== null || group !== null) checkShare({ node, cluster, share, group }, file);
}

function checkShare({ node, cluster, share, group }: Omit<Backup, "identity">, file: string): void {
  const read = toGroupFile(group, file);
  checkBelongs(file, read.group, { cluster });
  usingSecret(SHARE, share, {
    file,
    whatToDo: OTHER_BACKUP,
    use: (found) => {
      checkBelongs(file, found, { node, cluster });
      if (isShareOf(read.group, found)) return;
      throw new KeyFileError(
        file,
        "its share does not belong to its group",
        "Both must come from one key generation.",
      );
    },
  });
}

function checkNoKeys(dataDir: string): void {
  const present = listSecretFiles(dataDir);
  if (present.length === 0) return;
  throw new KeyFileError(
    dataDir,
    `it holds keys already: ${present.join(", ")}`,
    "Keys are never overwritten; move them away or name another folder with --data-dir.",
  );
}

/** Checks that the folder's group and votes belong to the backup's cluster and node. */
function checkFolderFits(dataDir: string, { node, cluster, group }: Backup): void {
  const path = `${dataDir}/${GROUP_FILE}`;
  if (statFile(path) !== null) {
    const [found, expected] = [readGroupContent(dataDir), group].map((content) =>
      describeGroup(toGroupFile(content, path).group)
    );
    if (found !== expected) {
      throw new KeyFileError(
        path,
        "the backup's share belongs to another group key",
        "Restore into the data folder of the cluster that the backup was made from.",
      );
    }
  }
  if (!hasRaftStore(dataDir)) throw noVotes(dataDir, node);
  if (cluster === null) return;
  const store = { folder: dataDir, cluster, node };
  checkRaftStore(store);
  // A restored snapshot has brought data, but no votes.
  if (isOnlyRestored(store)) throw noVotes(dataDir, node);
}

/** A node that lost its disk must not come back under its old share. */
function noVotes(dataDir: string, node: NodeId): KeyFileError {
  return new KeyFileError(
    dataDir,
    `it has no folder ${RAFT_FOLDER}, where ${node}'s votes are`,
    `To move ${node}: stop it, copy its whole data folder without the keys, then restore. If its data ` +
      "are lost, its share must not sign again: a node that has forgotten its votes could vote twice. " +
      "--identity-only brings back its identity; for a share, replace the node by one with another id: " +
      "floe member replace.",
  );
}

function writeKeys(
  dataDir: string,
  { backup, passphrase }: { readonly backup: Backup; readonly passphrase: Passphrase },
): void {
  const { node, cluster, identity, share, group } = backup;
  const file = { node, passphrase };
  if (group !== null) {
    const path = `${dataDir}/${GROUP_FILE}`;
    writeFileAtomically({ path, text: formatGroup(toGroupFile(group, path)), mode: 0o644 });
  }
  if (share !== null) {
    const path = `${dataDir}/${SHARE_FILE}`;
    const content = { ...share, isInUse: true };
    writeSecretFile({ ...file, path, purpose: "share", cluster }, content);
  }
  const path = `${dataDir}/${IDENTITY_FILE}`;
  writeSecretFile({ ...file, path, purpose: "identity", cluster: null }, identity);
}

function summarize({ node, cluster, share }: Backup): BackupSummary {
  const files = share === null ? [IDENTITY_FILE] : [IDENTITY_FILE, SHARE_FILE, GROUP_FILE];
  return { node, cluster, files };
}
