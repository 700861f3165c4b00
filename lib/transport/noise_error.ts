/**
 * What the channel refuses.
 *
 * @module
 */

import { InputError } from "../errors.ts";

/** Why something of the other side was refused. */
export type NoiseRefusal =
  /** It does not authenticate: altered, repeated, out of order, or made with other keys. */
  | "notAuthentic"
  /** It is genuine, but of another node than the one whose key is pinned. */
  | "wrongKey"
  /** A public key with which every shared secret would be zero. */
  | "weakKey"
  /** Shorter or longer than a Noise message can be. */
  | "malformed"
  /** More messages under one key than are allowed. */
  | "exhausted";

/** A handshake or transport message is refused. The channel cannot go on: it must be closed. */
export class NoiseError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "NoiseError";
  /** Which rule refused it. */
  readonly refusal: NoiseRefusal;

  /** `message` says what was refused, the value and the limit; never a key. */
  constructor(refusal: NoiseRefusal, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.refusal = refusal;
  }
}
