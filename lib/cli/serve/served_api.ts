/**
 * The API of a node: the options that say how it is served, the node's own token, and the server.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { decodeUtf8 } from "../../bytes.ts";
import {
  type Address,
  formatAddress,
  isLoopback,
  parseListenAddress,
  type PeerConfig,
} from "../../config/mod.ts";
import { catching, InputError, messageOf } from "../../errors.ts";
import {
  type Access,
  type AdminToken,
  type ApiServer,
  Authorizer,
  type ServedNode,
  startApiServer,
  type TlsKeys,
  tlsWarning,
} from "../../http/mod.ts";
import { digestSecret, drawToken, formatToken } from "../../http/wire.ts";
import { writeFileAtomically } from "../../keys/mod.ts";
import type { NodeApi } from "../../node/mod.ts";
import { LogLimiter } from "../../transport/mod.ts";
import type { NodeId } from "../../types.ts";
import { ADMIN_TOKEN_FILE } from "../token_source.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { readInput } from "../input.ts";
import { wholeNumberUpTo } from "../options.ts";
import { memberAddresses, ServedEtcd } from "./served_etcd.ts";

/** A node's API, and how to serve it. */
interface ServedApiOptions {
  readonly id: NodeId;
  /** Every node of the cluster, as etcd's clients are told. */
  readonly peers: readonly PeerConfig[];
  /** Its data folder, for its own token. */
  readonly dataDir: string;
  /** The address, the access and TLS. */
  readonly settings: ApiSettings;
}

const UNBOUNDED_WARNING =
  `Deno ${Deno.version.deno} does not let Floe limit the API's connections: not their number, their ` +
  "silent or idle time, or the time of a TLS handshake; and a CONNECT can hide another request. " +
  "Serve only clients that you trust, or run Floe with Deno 2.9.6: npx -y deno@2.9.6";

interface Started {
  readonly server: ApiServer;
  readonly authorizer: Authorizer;
}

/** A node's API. */
export class ServedApi {
  readonly #options: ServedApiOptions;
  readonly #stopping = new AbortController();
  readonly #logger = getLogger(["floe", "node"]);
  readonly #limiter = new LogLimiter(() => performance.now());
  #ended: Promise<void> = new Promise(() => {});
  #started: Started | null = null;
  #node: NodeApi | null = null;
  #etcd: ServedEtcd | null = null;

  /** `options` are used as they are. */
  constructor(options: ServedApiOptions) {
    this.#options = options;
  }

  /** Settles when it has ended. Before the start, it never settles. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /**
   * Serves a node. The first call opens the port, and writes the node's own token if the API requires
   * tokens; a later one replaces the node. etcd's clients are served once the node has its key.
   *
   * @returns false when it was started before.
   * @throws {EnvironmentError} when the port or the folder cannot be used.
   */
  serve(node: ServedNode): boolean {
    const isFirst = this.#started === null;
    this.#started?.server.replaceNode(node);
    const { server, authorizer } = this.#started ??= this.#start(node);
    if (isFirst) this.#ended = server.finished;
    if (typeof node !== "function") this.#serveWithKey(node, authorizer);
    return isFirst;
  }

  #start(node: ServedNode): Started {
    const { id, peers, settings: { listen, tls, origins, connectionsMax } } = this.#options;
    const members = memberAddresses(peers);
    const tokens = { token: (id: string) => this.#node?.token(id) ?? null };
    const authorizer = new Authorizer({ node: tokens, access: this.#openAccess(), origins });
    const server = startApiServer({
      node,
      ...listen,
      ...(tls === null ? {} : { tls }),
      ...(connectionsMax === null ? {} : { limits: { connectionsMax } }),
      authorizer,
      etcd: { self: id, members: () => members, isTls: tls !== null },
      signal: this.#stopping.signal,
      onError: (error) => this.#logger.error("api.failed", { error }),
      onCrowded: (reason) => this.#warnCrowded(reason),
    });
    this.#log(server);
    return { server, authorizer };
  }

  #serveWithKey(node: NodeApi, authorizer: Authorizer): void {
    this.#node = node;
    const { id, peers, settings: { etcd, tls } } = this.#options;
    if (etcd === null) return;
    this.#etcd = new ServedEtcd({ node, id, peers, listen: etcd, tls, authorizer });
    this.#ended = Promise.race([this.#ended, this.#etcd.failed]);
    this.#ended.catch(() => {});
  }

  #log({ connectionsMax }: ApiServer): void {
    const { settings } = this.#options;
    const warning = apiWarning(settings);
    if (warning !== null) this.#logger.warn("api.exposed", { warning });
    if (settings.tls !== null) this.#checkDates(settings.tls);
    if (connectionsMax === null) this.#logger.warn("api.unbounded", { warning: UNBOUNDED_WARNING });
    this.#logger.info("api.started", {
      api: formatAddress(settings.listen),
      access: settings.access,
      tls: settings.tls !== null,
      connectionsMax,
      pid: Deno.pid,
    });
  }

  /** Reads the certificate and its key again, for new connections. If that fails, the old ones stay. */
  async reloadTls(): Promise<void> {
    try {
      const tls = await this.#options.settings.readTls();
      if (tls === null) return this.#logger.info("api.reload_ignored", { reason: "no TLS here" });
      this.#started?.server.replaceTlsKeys(tls);
      await this.#etcd?.replaceTlsKeys(tls);
      this.#logger.info("api.tls_reloaded");
      this.#checkDates(tls);
    } catch (error) {
      this.#logger.error("api.tls_kept", { error: messageOf(error) });
    }
  }

  #warnCrowded(reason: string): void {
    const admitted = this.#limiter.admit("api.crowded");
    if (admitted !== null) this.#logger.warn("api.crowded", { reason, ...admitted });
  }

  #checkDates(tls: TlsKeys): void {
    const warning = tlsWarning(tls, new Date());
    if (warning !== null) this.#logger.warn("api.certificate", { warning });
  }

  /** Waits for the requests under way, closes the port, and removes the node's own token. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#started?.server.finished, this.#etcd?.stop()]);
    removeAdminToken(this.#options.dataDir);
  }

  #openAccess(): Access {
    const { id, dataDir, settings: { access } } = this.#options;
    // A killed process leaves its token behind, which is not valid any more.
    removeAdminToken(dataDir);
    return access === "tokens"
      ? { kind: access, admin: writeAdminToken(dataDir, id) }
      : { kind: access };
  }
}

/** The options, as commander returns them. */
export interface ApiFlags {
  /** `--api-listen HOST:PORT`. */
  readonly apiListen?: string;
  /** `--etcd-listen HOST:PORT`. */
  readonly etcdListen?: string;
  readonly requireToken?: true;
  readonly insecureNoAuth?: true;
  /** `--tls-cert FILE`. */
  readonly tlsCert?: string;
  /** `--tls-key FILE`. */
  readonly tlsKey?: string;
  /** `--cors-origin ORIGIN`, as often as it was given. */
  readonly corsOrigin?: readonly string[];
  /** `--api-connections COUNT`. */
  readonly apiConnections?: number;
}

/** The settings, checked. */
export interface ApiSettings {
  /** Where it listens. */
  readonly listen: Address;
  /** Where it serves etcd's clients over gRPC; null: it does not. */
  readonly etcd: Address | null;
  /** Whether clients need a token. */
  readonly access: Access["kind"];
  /** The certificate and key of HTTPS; null for HTTP. */
  readonly tls: TlsKeys | null;
  /** Reads certificate and key from their files again. */
  readonly readTls: () => Promise<TlsKeys | null>;
  /** The origins, beside its own, whose pages are allowed to use the API. */
  readonly origins: readonly string[];
  /** Most connections at once; null: as many as without the option. */
  readonly connectionsMax: number | null;
}

/** What `--api-connections` may ask for. */
const CONNECTIONS_CONFIGURABLE_MAX = 100_000;

/** Most bytes in a file with a certificate chain or a key. */
const PEM_BYTES_MAX = 256 * 1024;

/** Adds the options to a command. */
export function addApiOptions(command: Program): void {
  command
    .option(
      "--api-listen <address>",
      "where to serve the API, if not at this node's `api` address in the configuration; 0.0.0.0 " +
        "means all addresses of this machine",
    )
    .option(
      "--etcd-listen <address>",
      "where to serve etcd's clients over gRPC, if not at this node's `etcd` address in the configuration",
    )
    .option(
      "--api-connections <count>",
      "most connections to the API at once, if not 1024; each watch has one",
      wholeNumberUpTo(CONNECTIONS_CONFIGURABLE_MAX),
    )
    .option("--require-token", "require tokens on loopback too, as on all other addresses")
    .option("--insecure-no-auth", "let every client that reaches the API do everything")
    .option("--tls-cert <file>", "serve HTTPS with this certificate chain, PEM")
    .option("--tls-key <file>", "the key of that certificate, PEM")
    .option(
      "--cors-origin <origin>",
      "let pages of this origin use the API, as https://app.example; may be given again",
      (origin: string, before: readonly string[] = []) => [...before, origin],
    );
}

/**
 * Reads the options of a node that is at these addresses in the configuration.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when they contradict each other, or cannot be used.
 */
export async function readApiSettings(
  flags: ApiFlags,
  { api, etcd: etcdOrNone }: Pick<PeerConfig, "api" | "etcd">,
  context: CommandContext,
): Promise<ApiSettings> {
  const listen = readListenAddress("--api-listen", flags.apiListen) ?? api;
  const etcd = readListenAddress("--etcd-listen", flags.etcdListen) ?? etcdOrNone ?? null;
  return {
    listen,
    etcd,
    access: readAccess(flags, etcd === null ? [listen] : [listen, etcd]),
    tls: await readTlsKeys(flags, context),
    readTls: () => readTlsKeys(flags, context),
    origins: (flags.corsOrigin ?? []).map(readOrigin),
    connectionsMax: flags.apiConnections ?? null,
  };
}

/** A warning about the API's settings, logged at each start; null when there is none. */
export function apiWarning({ listen, access, tls }: ApiSettings): string | null {
  if (access === "open") {
    return `every client that reaches ${
      formatAddress(listen)
    } can read, write and administer: no token is demanded`;
  }
  if (tls === null && !isLoopback(listen.hostname)) {
    return "tokens and values are not encrypted on the network: serve HTTPS with --tls-cert and --tls-key";
  }
  return null;
}

function readListenAddress(flag: string, text: string | undefined): Address | null {
  if (text === undefined) return null;
  return catching(InputError, () => parseListenAddress(text), (cause) => {
    throw usage(`Cannot use ${flag}: ${cause.message}`);
  });
}

/** Tokens are required wherever others than this machine reach the API, one way or the other. */
function readAccess(flags: ApiFlags, addresses: readonly Address[]): Access["kind"] {
  if (flags.requireToken === true && flags.insecureNoAuth === true) {
    throw usage("--require-token and --insecure-no-auth exclude each other");
  }
  if (flags.insecureNoAuth === true) return "open";
  const isLocal = addresses.every(({ hostname }) => isLoopback(hostname));
  return flags.requireToken === true || !isLocal ? "tokens" : "local";
}

async function readTlsKeys(flags: ApiFlags, context: CommandContext): Promise<TlsKeys | null> {
  const { tlsCert, tlsKey } = flags;
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw usage("--tls-cert and --tls-key go together");
  }
  return { cert: await readPem(tlsCert, context), key: await readPem(tlsKey, context) };
}

async function readPem(file: string, context: CommandContext): Promise<string> {
  return decodeUtf8(await readInput(file, context, { bytesMax: PEM_BYTES_MAX }));
}

/** An origin as browsers write it: the server compares the text. */
function readOrigin(text: string): string {
  const isOrigin = /^https?:\/\//.test(text) && URL.parse(text)?.origin === text;
  if (isOrigin) return text;
  throw usage(
    `Cannot use --cors-origin: ${JSON.stringify(text)} is not scheme://host[:port] as browsers ` +
      "write it, as in https://app.example",
  );
}

function usage(message: string): CommandError {
  return new CommandError(ExitCode.usage, message);
}

/**
 * Draws a new token and writes it into the folder. It is valid only at this node, until the node ends. The
 * file is its only copy.
 *
 * @returns the token's digest, to check requests with.
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

/** Removes a token that is not valid any more. */
export function removeAdminToken(dataDir: string): void {
  try {
    Deno.removeSync(`${dataDir}/${ADMIN_TOKEN_FILE}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
