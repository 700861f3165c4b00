/**
 * The files of HTTPS: read at the start, and again when they have changed.
 *
 * @module
 */

import { decodeUtf8 } from "../../bytes.ts";
import type { TlsKeys } from "../../http/mod.ts";
import { stateOfFiles } from "../changing_files.ts";
import type { CommandContext } from "../command.ts";
import { readInput } from "../input.ts";

/** The paths of the files. */
interface TlsPaths {
  /** The certificate chain, PEM. */
  readonly cert: string;
  /** The key of the certificate, PEM. */
  readonly key: string;
  /** The CA of the clients, PEM, and whether they need a certificate; null when clients are not asked for one. */
  readonly clients: { readonly ca: string; readonly isRequired: boolean } | null;
}

/** Most bytes in one of the files. */
const PEM_BYTES_MAX = 256 * 1024;

/**
 * The files, and the state that was read last.
 *
 * A new certificate comes with a new key, and no reader gets both at one moment. So a change counts only when two
 * checks in a row have seen the same state: then the writer has finished.
 */
export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #context: CommandContext;
  /** The state that was read last, whether or not the files could be used. */
  #read = "";
  /** The state at the last check. */
  #seen = "";

  /** `context` has the standard input, for the name `-`. */
  constructor(paths: TlsPaths, context: CommandContext) {
    this.#paths = paths;
    this.#context = context;
  }

  /**
   * Reads the files.
   *
   * @throws {CommandError} when one of them cannot be read.
   */
  async read(): Promise<TlsKeys> {
    this.#read = this.#seen = this.#state();
    const { cert, key, clients } = this.#paths;
    const own = { cert: await this.#readPem(cert), key: await this.#readPem(key) };
    if (clients === null) return own;
    const { isRequired } = clients;
    return { ...own, clients: { ca: await this.#readPem(clients.ca), isRequired } };
  }

  /** Whether the files differ from those that were read last, and are not being written. */
  hasChanged(): boolean {
    const before = this.#seen;
    this.#seen = this.#state();
    return this.#seen === before && this.#seen !== this.#read;
  }

  async #readPem(path: string): Promise<string> {
    return decodeUtf8(await readInput(path, this.#context, { bytesMax: PEM_BYTES_MAX }));
  }

  #state(): string {
    const { cert, key, clients } = this.#paths;
    return stateOfFiles([cert, key, ...(clients === null ? [] : [clients.ca])]);
  }
}
