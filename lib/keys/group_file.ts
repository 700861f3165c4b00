/**
 * `group.json`: the public key of the cluster and of each of its voters, the same on every node. If the voters
 * made the key themselves, it also has the genesis certificate.
 *
 * @module
 */

import { z } from "zod";
import { encodeHex, equalBytes } from "../bytes.ts";
import {
  type Group,
  parseGenesisStatement,
  toGroupPublicKeys,
  verifyGenesis,
} from "../certificate/mod.ts";
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

/** The remedy for an unusable file: the file is public, and every node has it. */
const COPY = "Copy it from another node, where it is the same, or restore it from a backup.";

/** A cluster's key, as of its generation. */
export interface KnownKey {
  /** The public key of the cluster and of each voter. */
  readonly group: Group;
  /** The genesis certificate, a signed note; null if a dealer made the key. */
  readonly genesis: string | null;
}

/** The content of a `group.json`. */
export interface GroupFile extends KnownKey {
  /** What the genesis of a dealt key states, after the first run of the node; otherwise null. */
  readonly founding: string | null;
}

/**
 * Reads the public key file of a data folder, checks it, and checks that it belongs to this cluster. Given a whole
 * configuration, it also checks the voters.
 *
 * @throws {KeyFileError} when it is missing, damaged, or made for another configuration.
 */
export function readGroupFile(
  dataDir: string,
  config: ClusterConfig | Pick<ClusterConfig, "cluster">,
): GroupFile {
  const file = `${dataDir}/${GROUP_FILE}`;
  const content = readKeyFile(file, { schema: groupSchema, whatToDo: COPY });
  checkBelongs(file, content, { cluster: config.cluster });
  if ("peers" in config) checkFounders(dataDir, content, config);
  return checkContent(file, content);
}

/**
 * Checks that a configuration has the voters that a key was made for.
 *
 * @throws {KeyFileError} when it has others.
 */
export function checkFounders(
  dataDir: string,
  { threshold, voters }: Pick<Group, "threshold"> & {
    readonly voters: readonly { readonly id: NodeId }[];
  },
  config: ClusterConfig,
): void {
  const [found, expected] = [
    describeVoters(threshold, voters),
    describeVoters(
      config.threshold,
      config.peers.filter(({ isLearner }) => isLearner === undefined),
    ),
  ];
  if (found === expected) return;
  throw ofAnother(`${dataDir}/${GROUP_FILE}`, "set of voters", { found, expected });
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
  const { genesis: note, founding: text, ...group } = content;
  const [genesis, founding] = [note ?? null, text ?? null];
  checkGroup(file, group);
  if (genesis !== null) checkGenesis(file, { group, genesis });
  if (founding !== null) checkFounding(file, { group, founding });
  return { group, genesis, founding };
}

/**
 * Checks that the certificate proves the group in the same file. The identity keys in it may differ from
 * those in `cluster.json`, which may have been replaced since.
 */
function checkGenesis(file: string, { group, genesis }: { group: Group; genesis: string }): void {
  refusingFile(file, () => {
    if (describeGroup(verifyGenesis(genesis)) === describeGroup(group)) return;
    throw new InputError("its genesis certificate is of another group");
  });
}

function checkFounding(file: string, { group, founding }: { group: Group; founding: string }) {
  refusingFile(file, () => {
    if (describeGroup(parseGenesisStatement(founding)) === describeGroup(group)) return;
    throw new InputError("its founding statement is of another group");
  });
}

/** A group as text, for comparison. */
export function describeGroup(group: Group): string {
  return formatGroup({ group, genesis: null, founding: null });
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
export function formatGroup({ group, genesis, founding }: GroupFile): string {
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
    ...(founding === null ? {} : { founding }),
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
  founding: z.string().exactOptional(),
});

type GroupContent = z.output<typeof groupSchema>;

function describeVoters(
  threshold: number,
  voters: readonly { readonly id: NodeId }[],
): string {
  return `${threshold} of ${voters.map(({ id }) => id).join(", ")}`;
}
