/**
 * `floe snapshot`: saves the whole state of a cluster as one file, inspects such a file, and restores it into the
 * folders of a new cluster.
 *
 * @module
 */

import { encodeHex } from "../../bytes.ts";
import { ClientError } from "../../client/mod.ts";
import { findPeer, loadClusterConfig } from "../../config/mod.ts";
import { hasKeyFiles, lockDataFolder, statFile } from "../../keys/mod.ts";
import { readSavedFile, restoreSnapshot, type SavedFile } from "../../storage/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { configPath, DATA_DIR_DEFAULT, globalFlags, nodeFolder } from "../options.ts";
import { printFields, printJson } from "../output.ts";
import { openClient } from "../session.ts";

/** How often a long command reports its progress. */
const PROGRESS_BYTES = 64 * 1024 * 1024;
/** How long a node can take to make a snapshot, and how long it can send nothing. */
const SILENCE_MS = 10 * 60_000;
const MIB = 1024 * 1024;

/** Adds `floe snapshot` and its commands. */
export function registerSnapshot(program: Program, context: CommandContext): void {
  const snapshot = program
    .command("snapshot")
    .summary("save the whole state as one file, look at it, restore it")
    .description(
      "A snapshot is the whole state of a cluster at one revision: keys, leases, history, tokens and what " +
        "is remembered of writes. No key share is in it, and nobody can sign with it. The digests of the " +
        "tokens are in it: keep it as you keep the data.",
    );
  for (const register of [registerSave, registerInspect, registerRestore]) {
    register(snapshot, context);
  }
}

function registerSave(snapshot: Program, context: CommandContext): void {
  snapshot
    .command("save")
    .summary("save the state while the cluster writes")
    .description(
      "Asks one node for a snapshot, which has every write that was acknowledged before. The data " +
        "arrives in FILE.part, which becomes FILE when it is whole and checked. Needs a token with the " +
        "scope admin, if tokens are required.",
    )
    .argument("<file>", "the file to write, which must not exist")
    .action(async (file: string, _options: unknown, command: Program) => {
      checkNotThere(file);
      const { client } = await openClient(command, context);
      const part = `${file}.part`;
      try {
        await receive(client, part, context);
        const saved = readSavedFile(part);
        checkNotThere(file);
        Deno.renameSync(part, file);
        print(saved, command, context);
      } catch (error) {
        removeIfThere(part);
        throw error;
      }
    });
}

type Client = Awaited<ReturnType<typeof openClient>>["client"];

async function receive(client: Client, path: string, context: CommandContext): Promise<void> {
  const stop = new AbortController();
  const { body, endpoint } = await client.open({
    method: "GET",
    path: "/v1/snapshot",
    takesTimeout: true,
    accept: "application/octet-stream",
  }, stop.signal);
  const progress = new Progress("saved", context);
  using file = openNew(path);
  let timer = setTimeout(() => stop.abort(), SILENCE_MS);
  try {
    let bytes = 0;
    for await (const chunk of body) {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), SILENCE_MS);
      for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
      progress.reached(bytes += chunk.length);
    }
  } catch (cause) {
    const message =
      `Cannot save the snapshot: ${endpoint.label} broke it off, or the connection was ` +
      "lost. The node's log says more. Try again.";
    throw new ClientError("unavailable", message, { cause });
  } finally {
    clearTimeout(timer);
  }
  file.syncSync();
}

function registerInspect(snapshot: Program, context: CommandContext): void {
  snapshot
    .command("inspect")
    .summary("show what is in a snapshot, and whether it is whole")
    .description("Reads the file to its end, and shows whose state it is, at which revision.")
    .argument("<file>", "the snapshot")
    .action((file: string, _options: unknown, command: Program) => {
      checkThere(file);
      const progress = new Progress("read", context);
      print(
        readSavedFile(file, { onProgress: (bytes) => progress.reached(bytes) }),
        command,
        context,
      );
    });
}

function registerRestore(snapshot: Program, context: CommandContext): void {
  snapshot
    .command("restore")
    .summary("restore a snapshot into a node's folder of a new cluster")
    .description(
      "Checks the snapshot to its last row, and makes it the data of one node of a new cluster, before that " +
        "node runs for the first time and before it has a key share. Restore the same file into the " +
        "folder of every node, then start them: they make a new key. The new cluster begins a thousand " +
        "million revisions later, without history; leases get their whole time again. If the command " +
        "fails, no part of the snapshot stays in the folder.",
    )
    .argument("<file>", "the snapshot")
    .requiredOption("--id <id>", "which node of the configuration the folder is for")
    .option(
      "--data-dir <dir>",
      `the node's own data folder (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT}/ID)`,
    )
    .action(async (file: string, options: RestoreFlags, command: Program) => {
      checkThere(file);
      const flags = globalFlags(command);
      const config = await loadClusterConfig(configPath(flags, context));
      const { id: node } = findPeer(config, options.id);
      const folder = options.dataDir ?? context.env("FLOE_DATA_DIR") ??
        nodeFolder(DATA_DIR_DEFAULT, node);
      using _lock = lockDataFolder(folder);
      checkWithoutShare(folder);
      const progress = new Progress("restored", context);
      const { cluster } = config;
      const { saved, index, keys } = await restoreSnapshot(file, {
        folder,
        cluster,
        node,
        onProgress: (bytes) => progress.reached(bytes),
      });
      if (flags.output === "json") {
        const { cluster: from, revision } = saved;
        return printJson(context.stdout, { node, cluster, folder, from, revision, index, keys });
      }
      printFields(context.stdout, [
        ["node", `${node} of ${cluster}`],
        ["folder", folder],
        ["from", `${saved.cluster}, revision ${saved.revision}`],
        ["keys", String(keys)],
        ["begins at", `revision ${index}`],
      ]);
    });
}

interface RestoreFlags {
  readonly id: string;
  readonly dataDir?: string;
}

/** A used share belongs to a node whose votes are lost, and must not sign again. */
function checkWithoutShare(folder: string): void {
  if (!hasKeyFiles(folder)) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot restore into ${folder}: it holds a key share or a group key. A snapshot is for a new cluster ` +
      "under a new key: name a folder with nothing but its identity.json.",
  );
}

function print(saved: SavedFile, command: Program, context: CommandContext): void {
  const { cluster, revision, index, fileBytes } = saved;
  const sha256 = encodeHex(saved.sha256);
  if (globalFlags(command).output === "json") {
    return printJson(context.stdout, { cluster, revision, index, bytes: fileBytes, sha256 });
  }
  printFields(context.stdout, [
    ["cluster", cluster],
    ["revision", String(revision)],
    ["log index", String(index)],
    ["bytes", String(fileBytes)],
    ["SHA-256", sha256],
  ]);
}

/** Reports on stderr the progress of long work. */
class Progress {
  readonly #what: string;
  readonly #context: CommandContext;
  #next = PROGRESS_BYTES;

  constructor(what: string, context: CommandContext) {
    this.#what = what;
    this.#context = context;
  }

  reached(bytes: number): void {
    if (bytes < this.#next) return;
    this.#next = bytes + PROGRESS_BYTES;
    this.#context.stderr.write(`${Math.floor(bytes / MIB)} MiB ${this.#what}\n`);
  }
}

function openNew(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  } catch (cause) {
    const message = `Cannot write ${path}: check that its folder is there and may be written`;
    throw new CommandError(ExitCode.usage, message, { cause });
  }
}

function checkNotThere(file: string): void {
  if (statFile(file) === null) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot write ${file}: the file exists already. A snapshot is never overwritten; name another.`,
  );
}

function checkThere(file: string): void {
  if (statFile(file) !== null) return;
  throw new CommandError(ExitCode.usage, `Cannot read ${file}: there is no such file`);
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
