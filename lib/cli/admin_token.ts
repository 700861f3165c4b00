/**
 * The token that a node makes for whoever can read its data folder: the way in while there are no
 * others, and when all others are lost.
 *
 * @module
 */

import type { AdminToken } from "../http/door.ts";
import { digestSecret, drawToken, formatToken } from "../http/token_text.ts";
import { writeFileAtomically } from "../node/files.ts";
import type { NodeId } from "../types.ts";

/** The file with a node's own token, in its data folder: one line, readable by its owner alone. */
export const ADMIN_TOKEN_FILE = "admin.token";

/**
 * Draws a new token and writes it into the folder. It is valid until the node ends, at that node alone;
 * the file is its only copy.
 *
 * @returns what the node needs to know it by.
 * @throws {EnvironmentError} when the disk or the folder does not let it.
 */
export function writeAdminToken(dataDir: string, node: NodeId): AdminToken {
  const token = drawToken({ kind: "admin", node });
  const text = `${formatToken(token)}\n`;
  writeFileAtomically({ path: `${dataDir}/${ADMIN_TOKEN_FILE}`, text, mode: 0o600 });
  const secretDigest = digestSecret(token.secret);
  token.secret.fill(0);
  return { node, secretDigest };
}

/** Removes what is left of a token that is not valid any more. */
export function removeAdminToken(dataDir: string): void {
  try {
    Deno.removeSync(`${dataDir}/${ADMIN_TOKEN_FILE}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
