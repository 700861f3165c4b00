/**
 * `group.json`: the public key of the cluster and of each of its voters, the same on every node; with
 * the genesis certificate, where they made the key themselves.
 *
 * @module
 */

import { z } from "zod";
import { encodeHex, equalBytes } from "../bytes.ts";
import { type Group, toGroupPublicKeys, verifyGenesis } from "../certificate/mod.ts";
import { checked, type ClusterConfig } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import { checkEd25519Key, checkGroupPublicKeys } from "../frost/mod.ts";
import { type NodeId, toClusterName, toEpoch, toNodeId } from "../types.ts";
import {
  checkBelongs,
  KeyFileError,
  keySchema,
  ofAnother,
  parseKeyFile,
  readKeyFile,
} from "./key_file.ts";

/** The public key file's name within a node's data folder. */
export const GROUP_FILE = "group.json";

/** The remedy for a file that cannot be used: it is public, and every node has it. */
const COPY = "Copy it from another node, where it is the same, or restore it from a backup.";

/** What a `group.json` says. */
export interface GroupFile {
  /** The public key of the cluster and of each voter. */
  readonly group: Group;
  /** The genesis certificate, a signed note; null where a dealer made the key. */
  readonly genesis: string | null;
}

/**
 * Reads the public key file of a data folder and checks it, and that it is this cluster's.
 *
 * @throws {KeyFileError} when it is missing, damaged, or made for another configuration.
 */
export function readGroupFile(dataDir: string, config: ClusterConfig): GroupFile {
  const file = `${dataDir}/${GROUP_FILE}`;
  const content = readKeyFile(file, { schema: groupSchema, whatToDo: COPY });
  checkBelongs(file, content, { cluster: config.cluster });
  const [found, expected] = [
    describeVoters(content.threshold, content.voters),
    describeVoters(config.threshold, config.peers),
  ];
  if (found !== expected) {
    throw ofAnother(file, "set of voters", { found, expected });
  }
  return checkContent(file, content);
}

/**
 * Reads the JSON of a public key file of any cluster. Errors name `file`.
 *
 * @throws {KeyFileError} when it is damaged.
 */
export function toGroupFile(json: unknown, file: string): GroupFile {
  return checkContent(file, parseKeyFile(json, { file, schema: groupSchema, whatToDo: COPY }));
}

function checkContent(file: string, content: GroupContent): GroupFile {
  const { genesis: note, ...group } = content;
  const genesis = note ?? null;
  checkGroup(file, group);
  if (genesis !== null) checkGenesis(file, { group, genesis });
  return { group, genesis };
}

/**
 * Checks that the certificate proves the group in the same file. The identity keys in it may differ from
 * those in `cluster.json`, which may have been replaced since.
 */
function checkGenesis(file: string, { group, genesis }: { group: Group; genesis: string }): void {
  refusingFile(file, () => {
    const certified = formatGroup({ group: verifyGenesis(genesis), genesis });
    if (certified === formatGroup({ group, genesis })) return;
    throw new InputError("its genesis certificate is of another group");
  });
}

function checkGroup(file: string, group: Group): void {
  const isOrdered = group.voters.every(({ identifier }, offset) => identifier === offset + 1);
  refusingFile(file, () => {
    if (!isOrdered) throw new InputError("its voters are not numbered from 1 upward");
    const [only] = group.voters;
    if (only !== undefined && group.voters.length === 1) {
      checkEd25519Key(group.publicKey);
      if (equalBytes(only.verifyingShare, group.publicKey)) return;
      throw new InputError("a single voter's verifying share is the group key");
    }
    checkGroupPublicKeys(toGroupPublicKeys(group));
  });
}

/** Reports a refusal of the file's content as a fault of the file. */
function refusingFile(file: string, check: () => void): void {
  catching(InputError, check, (cause) => {
    throw new KeyFileError(file, cause.message, COPY, { cause });
  });
}

/** The text of a `group.json`. */
export function formatGroup({ group, genesis }: GroupFile): string {
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
    ...(genesis === null ? {} : { genesis }),
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
  genesis: z.string().exactOptional(),
});

type GroupContent = z.output<typeof groupSchema>;

function describeVoters(
  threshold: number,
  voters: readonly { readonly id: NodeId }[],
): string {
  return `${threshold} of ${voters.map(({ id }) => id).join(", ")}`;
}
