/**
 * `group.json`: the public key of the cluster and of each of its voters, the same on every node.
 *
 * @module
 */

import { z } from "zod";
import { encodeHex, equalBytes } from "../bytes.ts";
import { toGroupPublicKeys } from "../certificate/frost_certifier.ts";
import type { Group } from "../certificate/group.ts";
import { InputError } from "../errors.ts";
import { checkGroupPublicKeys } from "../frost/keys.ts";
import { type NodeId, toClusterName, toEpoch, toNodeId } from "../types.ts";
import type { ClusterConfig } from "./cluster_config.ts";
import {
  KeyFileError,
  keySchema,
  ofAnother,
  parseKeyFile,
  readKeyFile,
  RESTORE,
} from "./key_file.ts";
import { checked } from "./schema.ts";

/** The public key file's name within a node's data folder. */
export const GROUP_FILE = "group.json";
/**
 * Reads the public key file of a data folder and checks it, and that it is this cluster's.
 *
 * @throws {KeyFileError} when it is missing, damaged, or made for another configuration.
 */
export function readGroup(dataDir: string, config: ClusterConfig): Group {
  const file = `${dataDir}/${GROUP_FILE}`;
  const group = readKeyFile(file, groupSchema);
  if (group.cluster !== config.cluster) {
    throw ofAnother(file, "cluster", { found: group.cluster, expected: config.cluster });
  }
  const [found, expected] = [
    describeVoters(group.threshold, group.voters),
    describeVoters(config.threshold, config.peers),
  ];
  if (found !== expected) {
    throw ofAnother(file, "set of voters", { found, expected });
  }
  checkGroup(file, group);
  return group;
}

/**
 * What the JSON of a public key file says, whatever cluster it is of. `file` is named in errors.
 *
 * @throws {KeyFileError} when it is damaged.
 */
export function toGroup(json: unknown, file: string): Group {
  const group = parseKeyFile(json, { file, schema: groupSchema, whatToDo: RESTORE });
  checkGroup(file, group);
  return group;
}

function checkGroup(file: string, group: Group): void {
  const isOrdered = group.voters.every(({ identifier }, offset) => identifier === offset + 1);
  try {
    if (!isOrdered) throw new InputError("its voters are not numbered from 1 upward");
    const [only] = group.voters;
    if (only !== undefined && group.voters.length === 1) {
      if (equalBytes(only.verifyingShare, group.publicKey)) return;
      throw new InputError("a single voter's verifying share is the group key");
    }
    checkGroupPublicKeys(toGroupPublicKeys(group));
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new KeyFileError(file, cause.message, "Copy it from another node.", { cause });
  }
}

/** The text of a `group.json`. */
export function formatGroup(group: Group): string {
  const content: z.input<typeof groupSchema> = {
    cluster: group.cluster,
    epoch: group.epoch,
    threshold: group.threshold,
    publicKey: encodeHex(group.publicKey),
    voters: group.voters.map(({ id, identifier, verifyingShare }) => ({
      id,
      identifier,
      verifyingShare: encodeHex(verifyingShare),
    })),
  };
  return JSON.stringify(content, null, 2) + "\n";
}

const groupSchema = z.strictObject({
  cluster: checked(toClusterName),
  epoch: z.int().min(1).transform(toEpoch),
  threshold: z.int(),
  publicKey: keySchema,
  voters: z.array(z.strictObject({
    id: checked(toNodeId),
    identifier: z.int(),
    verifyingShare: keySchema,
  })),
});

function describeVoters(
  threshold: number,
  voters: readonly { readonly id: NodeId }[],
): string {
  return `${threshold} of ${voters.map(({ id }) => id).join(", ")}`;
}
