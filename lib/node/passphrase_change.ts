/**
 * Encrypting a node's secret files, encrypting them otherwise, and no longer encrypting them.
 *
 * @module
 */

import { removeLeftovers } from "./files.ts";
import { KeyFileError } from "./key_file.ts";
import type { Passphrase } from "./passphrase.ts";
import { writeSecretFile } from "./secret_file.ts";
import { openSecretFiles } from "./secret_files.ts";

/** What is to open a node's secret files from now on. */
export interface PassphraseChange {
  /** What opens them now; null where none is encrypted. */
  readonly from: Passphrase | null;
  /** What is to; null for nothing: they will not be encrypted. */
  readonly to: Passphrase | null;
}

/**
 * Writes every secret file of a folder anew. Nothing is written unless all of them can be opened. Files
 * that have the new passphrase already are left alone, so that a change that was cut short is finished
 * by doing it again. The caller holds the folder's lock.
 *
 * @returns the paths of the files that were written.
 * @throws {KeyFileError} when there is no secret file, or one cannot be used or opened.
 * @throws {EnvironmentError} when the disk or the folder does not let it.
 */
export function changePassphrase(
  dataDir: string,
  { from, to }: PassphraseChange,
): readonly string[] {
  const passphrases = [from, to].filter((passphrase) => passphrase !== null);
  const opened = openSecretFiles(dataDir, passphrases);
  if (opened.length === 0) {
    throw new KeyFileError(dataDir, "it holds no keys", "Name a node's folder with --data-dir.");
  }
  const changing = opened.filter(({ passphrase }) => passphrase !== to);
  for (const { content, ...file } of changing) {
    writeSecretFile({ ...file, passphrase: to }, content);
  }
  for (const { path } of opened) removeLeftovers(path);
  return changing.map(({ path }) => path);
}
