/**
 * `floe members export`: today's members as a `cluster.json`.
 *
 * @module
 */

import { parseAddress } from "../../address.ts";
import { decodeHex, encodeHex } from "../../bytes.ts";
import { CertificateError, type GroupKey } from "../../certificate/mod.ts";
import { MembersClient } from "../../client/mod.ts";
import {
  type ClusterConfig,
  ClusterConfigError,
  formatClusterConfig,
  HISTORY_DEFAULTS,
  loadClusterConfig,
  parseClusterConfig,
  type PeerConfig,
  TIMING_DEFAULTS,
} from "../../config/mod.ts";
import { catching, InputError } from "../../errors.ts";
import { statFile, writeFileAtomically } from "../../keys/mod.ts";
import { LOG_LIMITS } from "../../raft/mod.ts";
import { toClusterName, toNodeId } from "../../types.ts";
import type { MemberBody, MembersBody } from "../../wire/mod.ts";
import { readGroupKey } from "../audit/notes.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { verifyChain } from "../members/chain.ts";
import { configPath } from "../options.ts";
import { printable } from "../output.ts";
import { openClient } from "../session.ts";

/** Adds `floe members` and `floe members export`. */
export function registerMembers(program: Program, context: CommandContext): void {
  program
    .command("members")
    .summary("write today's members into a cluster.json")
    .description("Exports the members, for scripts. floe member shows and changes them.")
    .command("export")
    .summary("write a cluster.json of today's members")
    .description(
      "Writes a cluster.json of today's members, to standard output or to --out. Nodes have the " +
        "members in their logs and do not need it; commands find the nodes in it, and operators the keys. Timing " +
        "and log limits are those of --config, if it exists. With --key, every membership since " +
        "the genesis is verified under the group key, and exit code 7 means that one does not verify.",
    )
    .option("--out <file>", "the file to write")
    .option("--force", "replace an existing file")
    .option(
      "--key <key>",
      "the group key: 64 hex digits, a verifier key, PEM, or a file with one of them",
    )
    .action(async (options: ExportFlags, command: Program) => {
      const { client, flags } = await openClient(command, context);
      if (options.out !== undefined) checkReplaceable(options.out, options);
      const members = new MembersClient(client);
      const body = await members.read();
      if (options.key !== undefined) {
        checkCertified(body, await members.chain(), await readGroupKey(options.key, context));
      }
      const text = formatMembers(body, await readSettings(configPath(flags, context)));
      if (options.out === undefined) return context.stdout.write(text);
      writeFileAtomically({ path: options.out, text, mode: 0o644 });
      context.stderr.write(
        `Wrote ${options.out}: membership ${body.sequence}, epoch ${body.epoch}.\n`,
      );
    });
}

interface ExportFlags {
  readonly out?: string;
  readonly force?: true;
  readonly key?: string;
}

function checkReplaceable(path: string, { force }: ExportFlags): void {
  if (force === true || statFile(path) === null) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot write ${path}: the file exists. --force replaces it.`,
  );
}

/** The common settings of a cluster's nodes, apart from its members. */
type Settings = Pick<ClusterConfig, "timing" | "log" | "history" | "peers">;

async function readSettings(file: string): Promise<Settings> {
  try {
    return await loadClusterConfig(file);
  } catch (error) {
    if (!(error instanceof ClusterConfigError)) throw error;
    return { timing: TIMING_DEFAULTS, log: LOG_LIMITS, history: HISTORY_DEFAULTS, peers: [] };
  }
}

/** Members as a configuration's text, checked as a node checks it. */
function formatMembers(
  { cluster, threshold, members }: MembersBody,
  { timing, log, history, peers: known }: Settings,
): string {
  const peers = members.filter(({ role }) => role !== "removed").map((member) => {
    const etcd = known.find(({ id }) => id === member.id)?.etcd;
    return { ...toPeer(member), ...(etcd === undefined ? {} : { etcd }) };
  });
  const text = formatClusterConfig({
    cluster: toClusterName(cluster),
    threshold,
    peers,
    timing,
    log,
    history,
  });
  parseClusterConfig(text, "the members");
  return text;
}

function toPeer(member: MemberBody): PeerConfig {
  const { id, role, peer, api, signingKey, channelKey } = member;
  if (peer === null || api === null || signingKey === null || channelKey === null) {
    throw new CommandError(
      ExitCode.preconditionFailed,
      `Cannot write a cluster.json: the members do not say ${
        printable(id)
      }'s addresses and keys. ` +
        `Give them with floe member update ${printable(id)}.`,
    );
  }
  return {
    id: toNodeId(id),
    peer: parseAddress(peer),
    api: parseAddress(api),
    ...(role === "learner" ? { isLearner: true } : {}),
    keys: { signingKey: decodeHex(signingKey), channelKey: decodeHex(channelKey) },
  };
}

/** Compares a node's list of members with the memberships that the voters signed. */
function checkCertified(
  { sequence, members }: MembersBody,
  chain: Parameters<typeof verifyChain>[0],
  key: GroupKey,
): void {
  const { membership } = catching(InputError, () => verifyChain(chain, key), (cause) => {
    if (cause instanceof CertificateError) throw cause;
    throw new CommandError(ExitCode.verificationFailed, cause.message, { cause });
  });
  const certified = membership.members.map((member) =>
    describeMember(member.id, member.role, {
      keys: [encodeHex(member.identityKey), encodeHex(member.channelKey ?? new Uint8Array())],
      addresses: [member.peerAddress ?? null, member.apiAddress ?? null],
    })
  );
  const said = members.filter(({ role }) => role !== "removed").map((member) =>
    describeMember(member.id, member.role, {
      keys: [member.signingKey, member.channelKey],
      addresses: [member.peer, member.api],
    })
  );
  if (sequence > 0 && certified.join() === said.join()) return;
  const why = sequence === 0
    ? "no membership is signed yet, only the genesis: compare the cluster.json that it was made with"
    : "the node's members are not those that the voters signed last; ask again, or another node";
  throw new CommandError(ExitCode.verificationFailed, `Cannot verify the members: ${why}`);
}

function describeMember(
  id: string,
  role: string,
  { keys, addresses }: {
    readonly keys: readonly (string | null)[];
    readonly addresses: readonly (string | null)[];
  },
): string {
  return [id, role, ...keys, ...addresses].join(" ");
}
