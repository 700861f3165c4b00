/**
 * Where a node's keys are.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { Passphrase } from "./passphrase.ts";

/** A node's own folder, and what opens the secret files in it. */
export interface KeyFolder {
  /** The folder. */
  readonly dataDir: string;
  /** The node that it belongs to. */
  readonly self: NodeId;
  /** What encrypts the secret files; null where they are not encrypted. */
  readonly passphrase: Passphrase | null;
}
