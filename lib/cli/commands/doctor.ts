/**
 * `floe doctor`: finds what could keep a node or its cluster from working.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress } from "../../address.ts";
import {
  type ClusterConfig,
  isPinned,
  loadClusterConfig,
  type PeerConfig,
} from "../../config/mod.ts";
import { EnvironmentError, InputError, messageOf } from "../../errors.ts";
import { statFile } from "../../keys/mod.ts";
import { marginWarnings } from "../../margins.ts";
import { toNodeId } from "../../types.ts";
import { type ApiClient, failureOfError } from "../../client/mod.ts";
import { asksForTls, openClientTls } from "../client_tls.ts";
import type { CommandContext, Program } from "../command.ts";
import { examineCertificate, examineTokens } from "../doctor_access.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { clusterFolder, configPath, globalFlags, nodeFolder } from "../options.ts";
import { printJson, printTextTable } from "../output.ts";
import { openClient, readMembers } from "../session.ts";

/** The outcome of a check. `warn`: it works today, and an operator should look at it. */
type Verdict = "ok" | "warn" | "fail";

/** One line of the report. */
interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  /** The finding, and what to do if it is not `ok`. */
  readonly text: string;
}

/** Adds `floe doctor`. */
export function registerDoctor(program: Program, context: CommandContext): void {
  program
    .command("doctor")
    .summary("check a node's surroundings: configuration, ports, clocks, disk")
    .description(
      "Checks the configuration, whether this machine reaches the port of each node, how far the nodes' " +
        "clocks are apart, when tokens and certificates expire, and of the node folders that are here the permissions, the free space and " +
        "how long a sync takes. Each line is ok, warn or fail, with what to do. Exit code 1: a check " +
        "failed.",
    )
    .option("--data-dir <dir>", "where the nodes' folders are (FLOE_DATA_DIR, .floe)")
    .action(async (options: { readonly dataDir?: string }, command: Program) => {
      const flags = globalFlags(command);
      const findings = await examine({
        configFile: configPath(flags, context),
        folder: clusterFolder(options, context),
        timeoutMs: flags.timeout,
        scheme: asksForTls(flags, context) ? "https" : "http",
        ask: context.openFetch(await openClientTls(flags, context)),
        nowMs: context.now?.() ?? Date.now(),
        openClient: async () => (await openClient(command, context)).client,
      });
      if (flags.output === "json") printJson(context.stdout, { findings });
      else print(findings, context);
      const failed = findings.filter(({ verdict }) => verdict === "fail").length;
      if (failed === 0) return;
      const what = failed === 1 ? "1 check" : `${failed} checks`;
      throw new CommandError(ExitCode.failure, `${what} failed: the lines above say what to do`);
    });
}

function print(findings: readonly Finding[], { stdout }: CommandContext): void {
  printTextTable(
    stdout,
    ["CHECK", "", "FOUND"],
    findings.map(({ check, verdict, text }) => [check, verdict, text]),
  );
}

interface Place {
  readonly configFile: string;
  readonly folder: string;
  readonly timeoutMs: number;
  /** Sends requests to the nodes' APIs. */
  readonly scheme: "http" | "https";
  readonly ask: typeof fetch;
  readonly nowMs: number;
  readonly openClient: () => Promise<ApiClient>;
}

async function examine(place: Place): Promise<readonly Finding[]> {
  let config: ClusterConfig;
  try {
    config = await loadClusterConfig(place.configFile);
  } catch (error) {
    if (!(error instanceof InputError || error instanceof EnvironmentError)) throw error;
    return [fail("configuration", error.message)];
  }
  const today = await membersToday(config, place);
  const peers = today ?? config.peers;
  const reached = await Promise.all(peers.map((peer) => reach(peer, place)));
  return [
    ...examineConfig(config, place.configFile),
    ...(today === null ? [] : [ok("members", describeToday(today))]),
    ...reached.flatMap(({ findings }) => findings),
    ...await examineAccess(reached, place),
    ...examineClocks(reached.flatMap(({ clock }) => clock === null ? [] : [clock])),
    ...peers.flatMap(({ id }) => examineFolder(nodeFolder(place.folder, toNodeId(id)))),
  ];
}

/** A node, and where to reach it. */
type Reachable = Pick<PeerConfig, "id" | "peer" | "api">;

/** The members of today, if a node tells them and they are not those of the configuration; else null. */
async function membersToday(
  { peers }: ClusterConfig,
  { openClient }: Place,
): Promise<readonly Reachable[] | null> {
  const { members } = await readMembers(await openClient());
  const today = members.flatMap(({ id, role, peer, api }) =>
    role === "removed" || peer === null || api === null
      ? []
      : [{ id: toNodeId(id), peer: parseAddress(peer), api: parseAddress(api) }]
  );
  const isSame = today.length === peers.length &&
    today.every(({ id }) => peers.some((peer) => peer.id === id));
  return today.length === 0 || isSame ? null : today;
}

function describeToday(today: readonly Reachable[]): string {
  const ids = today.map(({ id }) => id).join(", ");
  return `today ${ids}; the configuration has other ones, and floe members export writes a new one`;
}

/** The tokens, if a node can be asked for them. */
async function examineAccess(
  reached: readonly Reached[],
  { openClient, nowMs }: Place,
): Promise<readonly Finding[]> {
  if (!reached.some(({ isReady }) => isReady)) return [];
  const findings = await examineTokens(await openClient(), nowMs);
  return findings.map((finding) => ({ check: "tokens", ...finding }));
}

function examineConfig(config: ClusterConfig, file: string): readonly Finding[] {
  const { cluster, threshold, peers } = config;
  const pinned = isPinned(config) ? ok("node keys", "every node's public keys are pinned") : warn(
    "node keys",
    `${file} pins no keys: only floe cluster can use it. Make one from the nodes' cards, with floe init`,
  );
  return [
    ok("configuration", `${file}: cluster ${cluster}, ${threshold} of ${peers.length} voters sign`),
    pinned,
    ...marginWarnings({ n: peers.length, threshold }).map((text) => warn("margins", text)),
  ];
}

/** How far a node's clock is ahead, from an answer of its API. */
interface ClockOffset {
  readonly id: string;
  /** Its time less this machine's. The answer has whole seconds. */
  readonly aheadMs: number;
}

interface Reached {
  readonly findings: readonly Finding[];
  readonly clock: ClockOffset | null;
  readonly isReady: boolean;
}

async function reach(
  { id, peer, api }: Reachable,
  place: Place,
): Promise<Reached> {
  const [fault, answer, certificate] = await Promise.all([
    connectFault(peer, place.timeoutMs),
    askHealth(api, place),
    place.scheme === "https" ? examineCertificate(api, place) : null,
  ]);
  const peerPort = fault === null
    ? ok(`${id} peer port`, `${formatAddress(peer)} takes connections`)
    : fail(
      `${id} peer port`,
      `${
        formatAddress(peer)
      }: ${fault}. Start the node, or open the port between the nodes' machines`,
    );
  if ("fault" in answer) {
    const text = `${formatAddress(api)}: ${answer.fault}. Clients cannot use this node`;
    return { findings: [peerPort, warn(`${id} API`, text)], clock: null, isReady: false };
  }
  const { status, reason, aheadMs } = answer;
  const isReady = status === 200;
  const health = isReady
    ? ok(`${id} API`, `${formatAddress(api)} is ready`)
    : warn(`${id} API`, `${formatAddress(api)} answers ${status}: ${reason}`);
  const shown = certificate === null ? [] : [{ check: `${id} certificate`, ...certificate }];
  const clock = aheadMs === null ? null : { id, aheadMs };
  return { findings: [peerPort, health, ...shown], clock, isReady };
}

/** Why no connection can be made, or null. */
async function connectFault(
  { hostname, port }: Address,
  timeoutMs: number,
): Promise<string | null> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const connection = await Deno.connect({ hostname, port, signal });
    connection.close();
    return null;
  } catch (error) {
    return failureOfError(error).reason;
  }
}

type Health =
  | { readonly fault: string }
  | { readonly status: number; readonly reason: string; readonly aheadMs: number | null };

/** Most bytes of an answer about a node's health. */
const HEALTH_BYTES_MAX = 4_096;

async function askHealth(
  api: Address,
  { ask, timeoutMs, scheme }: Place,
): Promise<Health> {
  // The error of a failed fetch explains less well why no connection can be made.
  const fault = await connectFault(api, timeoutMs);
  if (fault !== null) return { fault };
  try {
    const sentMs = Date.now();
    const response = await ask(`${scheme}://${formatAddress(api)}/readyz`, {
      signal: AbortSignal.timeout(timeoutMs),
    });
    const nowMs = (sentMs + Date.now()) / 2;
    const body = (await response.text()).slice(0, HEALTH_BYTES_MAX);
    const date = Date.parse(response.headers.get("date") ?? "");
    const aheadMs = Number.isNaN(date) ? null : date + HALF_SECOND_MS - nowMs;
    return { status: response.status, reason: reasonOf(body), aheadMs };
  } catch (error) {
    return { fault: failureOfError(error).reason };
  }
}

/** The detail of the API's error; the text itself if it is no such error. */
function reasonOf(body: string): string {
  try {
    return String(JSON.parse(body).message ?? body);
  } catch {
    return body;
  }
}

/** A date in an answer has whole seconds: half of one is the best guess. */
const HALF_SECOND_MS = 500;
/** Clocks further apart than this confuse readers of two logs. Nothing in Floe depends on them. */
const CLOCK_APART_MS_MAX = 2_000;

function examineClocks(clocks: readonly ClockOffset[]): readonly Finding[] {
  if (clocks.length === 0) return [];
  const apart = clocks.filter(({ aheadMs }) => Math.abs(aheadMs) > CLOCK_APART_MS_MAX);
  if (apart.length === 0) {
    return [
      ok(
        "clocks",
        `${clocks.length === 1 ? "1 node is" : `${clocks.length} nodes are`} within ${
          CLOCK_APART_MS_MAX / 1000
        } s of this machine`,
      ),
    ];
  }
  return apart.map(({ id, aheadMs }) =>
    warn(
      "clocks",
      `${id} is ${Math.round(Math.abs(aheadMs) / 1000)} s ${
        aheadMs > 0 ? "ahead" : "behind"
      }: its logs and ` +
        "the dates of its certificates mislead. Run NTP on all machines",
    )
  );
}

/** A disk with less free space is filled before long. */
const FREE_BYTES_MIN = 1024 ** 3;
/** A write waits for a sync on most nodes; a slower disk makes each write slow. */
const SYNC_MS_MAX = 20;
const SYNCS = 9;

/** Checks a node's folder on this machine; does nothing for a node elsewhere. */
function examineFolder(folder: string): readonly Finding[] {
  const found = statFile(folder);
  if (found === null) return [];
  return [examineMode(folder, found), examineSpace(folder), examineSync(folder)];
}

function examineMode(folder: string, { mode }: Deno.FileInfo): Finding {
  const others = (mode ?? 0) & 0o077;
  return others === 0 ? ok(folder, "only its owner can read it") : warn(
    folder,
    `others can use it (mode ${((mode ?? 0) & 0o777).toString(8)}): chmod 700 ${folder}`,
  );
}

function examineSpace(folder: string): Finding {
  const bytes = freeBytes(folder);
  if (bytes === null) return warn(folder, "df does not say how much space is free");
  const free = `${(bytes / 1024 ** 3).toFixed(1)} GiB are free`;
  return bytes >= FREE_BYTES_MIN
    ? ok(folder, free)
    : warn(folder, `only ${free}: a node stops when its disk is full`);
}

/** As POSIX df has it: the fourth column, in KiB. Floe has no permission to ask the system itself. */
function freeBytes(folder: string): number | null {
  try {
    const { stdout } = new Deno.Command("df", { args: ["-P", "-k", folder] }).outputSync();
    const [, line = ""] = new TextDecoder().decode(stdout).split("\n");
    const kilobytes = Number(line.split(/\s+/)[3]);
    return Number.isFinite(kilobytes) ? kilobytes * 1024 : null;
  } catch {
    return null;
  }
}

/** The median of a few syncs of a page, in a file that is removed again. */
function examineSync(folder: string): Finding {
  const path = `${folder}/doctor.tmp`;
  try {
    using file = Deno.openSync(path, { create: true, write: true, truncate: true, mode: 0o600 });
    const times = Array.from({ length: SYNCS }, () => timeSync(file)).sort((a, b) => a - b);
    const median = times[Math.floor(SYNCS / 2)] ?? 0;
    const text = `a sync takes ${median.toFixed(1)} ms`;
    return median <= SYNC_MS_MAX ? ok(folder, text) : warn(
      folder,
      `${text}: each write waits so long. Use a disk that syncs within ${SYNC_MS_MAX} ms`,
    );
  } catch (error) {
    return fail(folder, `cannot be written: ${messageOf(error)}. Run this as the node's own user`);
  } finally {
    removeIfThere(path);
  }
}

const PAGE = new Uint8Array(4_096);

function timeSync(file: Deno.FsFile): number {
  const startedMs = performance.now();
  file.writeSync(PAGE);
  file.syncDataSync();
  return performance.now() - startedMs;
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function ok(check: string, text: string): Finding {
  return { check, verdict: "ok", text };
}

function warn(check: string, text: string): Finding {
  return { check, verdict: "warn", text };
}

function fail(check: string, text: string): Finding {
  return { check, verdict: "fail", text };
}
