/**
 * A passphrase, the keys that scrypt derives from it, and the files that hold it: systemd credentials,
 * mounted secrets, or the output of a password manager.
 *
 * @module
 */

import nodeCrypto from "node:crypto";
import { assert, assertDefined } from "../assert.ts";
import { encodeHex } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { readFully } from "../storage/mod.ts";
import { othersMode, statFile, unreadable } from "./private_file.ts";

/** Fewest bytes in a passphrase. A shorter one can be guessed, however slow each guess is. */
export const PASSPHRASE_BYTES_MIN = 8;
/** Most bytes in a passphrase. */
export const PASSPHRASE_BYTES_MAX = 1024;

/**
 * scrypt's cost in new files: N = 2^17, r = 8, p = 1, which take 128 MiB and about 0.45 s of one core.
 * It is the first choice of OWASP's Password Storage Cheat Sheet.
 */
export const SCRYPT_LOG_N = 17;
/** The highest cost that a file may ask for: 1 GiB and about 4 s. */
export const SCRYPT_LOG_N_MAX = 20;
/** scrypt's block size r (RFC 7914 §2). */
export const SCRYPT_BLOCK_SIZE = 8;
/** scrypt's parallelization p (RFC 7914 §2). */
export const SCRYPT_PARALLELIZATION = 1;
export const SALT_BYTES = 32;

const KEY_BYTES = 32;
/** Most keys in memory: one for writing, and one for each file of a node. */
const KEYS_MAX = 4;

/** The inputs of a key beside the passphrase. They are public, and stand in the file. */
export interface KeyParameters {
  /** log2 of scrypt's cost N (RFC 7914 §2): {@linkcode SCRYPT_LOG_N} to {@linkcode SCRYPT_LOG_N_MAX}. */
  readonly logN: number;
  /** {@linkcode SALT_BYTES} random bytes. */
  readonly salt: Uint8Array;
}

/**
 * Opens a node's secret files. It owns the passphrase and the keys derived from it: printing or
 * serialising it shows neither, and {@linkcode Symbol.dispose} erases both. A key costs half a second,
 * so it is derived at its first use and then remembered. One process writes all its files with one
 * salt, and with a new nonce each time.
 */
export class Passphrase implements Disposable {
  readonly #bytes: Uint8Array;
  readonly #keys = new Map<string, Uint8Array>();
  readonly #salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  #isErased = false;
  #isReduced = false;

  /**
   * Takes over the bytes. The caller must not use them again.
   *
   * @throws {InputError} when they are too few, too many or more than one line.
   */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const fault = findFault(bytes);
    if (fault === null) return;
    bytes.fill(0);
    throw new InputError(fault);
  }

  /** The parameters of what this process writes. The salt is random, and only this object has it. */
  get ownParameters(): KeyParameters {
    return { logN: SCRYPT_LOG_N, salt: this.#salt };
  }

  /** The 32-byte key for `parameters`. This object owns it: use it at once, and do not change it. */
  deriveKey(parameters: KeyParameters): Uint8Array {
    assert(!this.#isErased, "A passphrase was used after it was erased");
    const { logN, salt } = parameters;
    assert(logN >= SCRYPT_LOG_N && logN <= SCRYPT_LOG_N_MAX, `scrypt with a log N of ${logN}`);
    const name = `${logN} ${encodeHex(salt)}`;
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    assert(!this.#isReduced, "A passphrase was used after only its own key was kept");
    const key = runScrypt(this.#bytes, parameters);
    if (this.#keys.size === KEYS_MAX) this.#forgetOldest();
    this.#keys.set(name, key);
    return key;
  }

  /**
   * Erases the passphrase and every derived key, except for the key of {@linkcode Passphrase.ownParameters}. A
   * running node writes its share when the members change, and must not compute scrypt then; it reads no secret
   * file.
   */
  keepOwnKey(): void {
    const own = this.deriveKey(this.ownParameters);
    for (const [name, key] of this.#keys) {
      if (key === own) continue;
      key.fill(0);
      this.#keys.delete(name);
    }
    this.#bytes.fill(0);
    this.#isReduced = true;
  }

  /** Erases the passphrase and every derived key. It cannot be used afterwards. */
  [Symbol.dispose](): void {
    this.#bytes.fill(0);
    for (const key of this.#keys.values()) key.fill(0);
    this.#keys.clear();
    this.#isErased = true;
  }

  #forgetOldest(): void {
    const [oldest] = this.#keys;
    const [name, key] = assertDefined(oldest, "No key to forget");
    key.fill(0);
    this.#keys.delete(name);
  }
}

function findFault(bytes: Uint8Array): string | null {
  // The message does not have the length, which is a part of the secret.
  if (bytes.length < PASSPHRASE_BYTES_MIN) return `it is below ${PASSPHRASE_BYTES_MIN} bytes`;
  if (bytes.length > PASSPHRASE_BYTES_MAX) return `it is above ${PASSPHRASE_BYTES_MAX} bytes`;
  return [0, 10, 13].some((byte) => bytes.includes(byte))
    ? "it is more than one line of text"
    : null;
}

function runScrypt(passphrase: Uint8Array, { logN, salt }: KeyParameters): Uint8Array {
  const [N, r] = [2 ** logN, SCRYPT_BLOCK_SIZE];
  // scrypt needs a little more than 128 N r bytes (RFC 7914 §2); node:crypto's default limit is lower.
  const maxmem = 2 * 128 * N * r;
  return new Uint8Array(
    nodeCrypto.scryptSync(passphrase, salt, KEY_BYTES, { N, r, p: SCRYPT_PARALLELIZATION, maxmem }),
  );
}

/** A passphrase, the end of its line, and one byte to notice that there is more. */
const READ_BYTES_MAX = PASSPHRASE_BYTES_MAX + 3;
const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d];

/**
 * Reads the one line of a file, without its end. It follows a symbolic link, as Floe never writes this
 * file.
 *
 * Containers get secrets as files that root owns and all users can read, in a mount that no other container
 * sees. Only the operator knows that the mount is private, and says so by naming it as `privateMount`.
 *
 * @throws {InputError} when the file does not exist, other users can read it, or it has no passphrase.
 * @throws {EnvironmentError} when it is there but cannot be read.
 */
export function readPassphraseFile(path: string, privateMount: string | null = null): Passphrase {
  // Before it is opened: opening a pipe waits for a writer.
  if (statFile(path)?.isFile !== true) throw unusable(path, "there is no such file");
  using file = openFile(path);
  const info = file.statSync();
  const mode = othersMode(info);
  const isMounted = privateMount !== null && isIn(path, privateMount);
  if (mode !== null && !(isMounted && isReadOnlyOfRoot(info))) {
    throw unusable(
      path,
      isMounted
        ? `mode ${mode}, user ${info.uid}: in a private mount, root must own it and only root may ` +
          "write it"
        : `other users can read it (mode ${mode}). If none did, run chmod 600 ${path}; else choose ` +
          "another passphrase (floe keys passphrase). If it is a container's secret, name its " +
          "private mount in FLOE_PRIVATE_MOUNT",
    );
  }
  const line = readLine(file, path);
  return catching(InputError, () => new Passphrase(line), (cause) => {
    throw unusable(path, cause.message, cause);
  });
}

/** Whether only root could have put this file into a private mount. */
export function isReadOnlyOfRoot({ mode, uid }: Pick<Deno.FileInfo, "mode" | "uid">): boolean {
  return uid === 0 && mode !== null && (mode & 0o022) === 0;
}

/** Whether a file, after its links are followed, is in a folder: mounts contain links to themselves. */
function isIn(path: string, folder: string): boolean {
  try {
    return Deno.realPathSync(path).startsWith(`${Deno.realPathSync(folder)}/`);
  } catch {
    return false;
  }
}

function openFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/**
 * The content of a file without the end of its last line. Of a file that is too long, it reads only enough to
 * notice.
 */
function readLine(file: Deno.FsFile, path: string): Uint8Array {
  const bytes = new Uint8Array(READ_BYTES_MAX);
  try {
    let length = readFully(file, bytes);
    for (const end of [LINE_FEED, CARRIAGE_RETURN]) {
      if (length > 0 && bytes[length - 1] === end) length--;
    }
    return bytes.slice(0, length);
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    bytes.fill(0);
  }
}

function unusable(path: string, why: string, cause?: InputError): InputError {
  return new InputError(`Cannot take a passphrase from ${path}: ${why}`, { cause });
}
