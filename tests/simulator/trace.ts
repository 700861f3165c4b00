/**
 * What happened in a run, one line each, for a person to read and for a digest that tells whether
 * two runs were the same. Lines are only made when somebody wants them.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Takes lines, or nothing at all. */
export class Trace {
  readonly #write: ((line: string) => void) | null;
  readonly #hash = createHash("sha256");

  /** Writes each line to `write`; null for a run that nobody watches. */
  constructor(write: ((line: string) => void) | null) {
    this.#write = write;
  }

  /** Whether somebody watches. */
  get isOn(): boolean {
    return this.#write !== null;
  }

  /** Adds what happened to `who` at `atUs`; `what` is only called when somebody watches. */
  add(atUs: number, who: string, what: () => string): void {
    if (this.#write === null) return;
    const line = `${(atUs / 1e6).toFixed(6).padStart(11)} ${who.padEnd(4)} ${what()}`;
    this.#hash.update(line).update("\n");
    this.#write(line);
  }

  /** SHA-256 over every line so far, in hex. Call once, at the end. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}
