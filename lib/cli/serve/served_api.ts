/**
 * The API of a node: the options that say how it is served, the node's own token, and the server.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { decodeUtf8 } from "../../bytes.ts";
import { type Address, formatAddress, isLoopback, parseListenAddress } from "../../config/mod.ts";
import { catching, InputError, messageOf } from "../../errors.ts";
import {
  type Access,
  type AdminToken,
  type ApiServer,
  Authorizer,
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

/** What is served, and where. */
interface ServedApiOptions {
  /** The node behind the API. */
  readonly node: NodeApi;
  readonly id: NodeId;
  /** Its data folder, for its own token. */
  readonly dataDir: string;
  /** How it is served. */
  readonly settings: ApiSettings;
}

const UNBOUNDED_WARNING =
  `Deno ${Deno.version.deno} does not let Floe bound the API's connections: there is no limit on their ` +
  "number, on how long one stays silent or idle, or on a TLS handshake, and a CONNECT may hide another " +
  "request. Serve only clients that you trust, or run Floe with Deno 2.9.6: npx -y deno@2.9.6";

/** The API, once it has something to show. */
export class ServedApi {
  readonly #options: ServedApiOptions;
  readonly #stopping = new AbortController();
  readonly #logger = getLogger(["floe", "node"]);
  readonly #limiter = new LogLimiter(() => performance.now());
  #ended: Promise<void> = new Promise(() => {});
  #server: ApiServer | null = null;

  /** `options` are used as they are. */
  constructor(options: ServedApiOptions) {
    this.#options = options;
  }

  /** Settles when it has ended; not while it has not been started. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /**
   * Takes the port, and writes the node's own token if tokens are demanded.
   *
   * @returns false when it had been started before.
   * @throws {EnvironmentError} when the port or the folder cannot be used.
   */
  start(): boolean {
    if (this.#server !== null) return false;
    const { node, settings } = this.#options;
    const { listen, tls, origins } = settings;
    const authorizer = new Authorizer({ node, access: this.#openAccess(), origins });
    this.#server = startApiServer({
      node,
      ...listen,
      ...(tls === null ? {} : { tls }),
      authorizer,
      signal: this.#stopping.signal,
      onError: (error) => this.#logger.error("api.failed", { error }),
      onCrowded: (reason) => this.#warnCrowded(reason),
    });
    this.#ended = this.#server.finished;
    const warning = apiWarning(settings);
    if (warning !== null) this.#logger.warn("api.exposed", { warning });
    if (tls !== null) this.#checkDates(tls);
    const { connectionsMax } = this.#server;
    if (connectionsMax === null) this.#logger.warn("api.unbounded", { warning: UNBOUNDED_WARNING });
    this.#logger.info("api.started", {
      api: formatAddress(listen),
      access: settings.access,
      tls: tls !== null,
      connectionsMax,
      pid: Deno.pid,
    });
    return true;
  }

  /** Reads the certificate and its key again, for new connections. Those before stay where that fails. */
  async reloadTls(): Promise<void> {
    try {
      const tls = await this.#options.settings.readTls();
      if (tls === null) return this.#logger.info("api.reload_ignored", { reason: "no TLS here" });
      this.#server?.replaceTlsKeys(tls);
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

  /** Lets the requests under way finish, gives the port back, and removes the node's own token. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#server !== null) await this.#ended;
    removeAdminToken(this.#options.dataDir);
  }

  #openAccess(): Access {
    const { id, dataDir, settings: { access } } = this.#options;
    // One that a process left behind that was killed is worth nothing any more.
    removeAdminToken(dataDir);
    return access === "tokens"
      ? { kind: access, admin: writeAdminToken(dataDir, id) }
      : { kind: access };
  }
}

/** The options, as commander hands them over. */
export interface ApiFlags {
  /** `--api-listen HOST:PORT`. */
  readonly apiListen?: string;
  readonly requireToken?: true;
  readonly insecureNoAuth?: true;
  /** `--tls-cert FILE`. */
  readonly tlsCert?: string;
  /** `--tls-key FILE`. */
  readonly tlsKey?: string;
  /** `--cors-origin ORIGIN`, as often as it was given. */
  readonly corsOrigin?: readonly string[];
}

/** How an API is served. */
export interface ApiSettings {
  /** Where it listens. */
  readonly listen: Address;
  /** What it asks of those who come. */
  readonly access: Access["kind"];
  /** What makes it HTTPS, or null. */
  readonly tls: TlsKeys | null;
  /** Reads that again from its files. */
  readonly readTls: () => Promise<TlsKeys | null>;
  /** The origins, besides its own, whose pages may use it. */
  readonly origins: readonly string[];
}

/** Most bytes in a file with a certificate chain or a key. */
const PEM_BYTES_MAX = 256 * 1024;

/** Adds the options to a command. */
export function addApiOptions(command: Program): void {
  command
    .option(
      "--api-listen <address>",
      "where to serve the API, if not at this node's `api` address in the configuration; 0.0.0.0 " +
        "stands for all of this machine's",
    )
    .option("--require-token", "demand tokens on loopback too; elsewhere they always are")
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
 * Reads the options of a node whose API is at `api` for others.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when they do not go together, or cannot be used.
 */
export async function readApiSettings(
  flags: ApiFlags,
  api: Address,
  context: CommandContext,
): Promise<ApiSettings> {
  const listen = flags.apiListen === undefined ? api : readListenAddress(flags.apiListen);
  return {
    listen,
    access: readAccess(flags, listen),
    tls: await readTlsKeys(flags, context),
    readTls: () => readTlsKeys(flags, context),
    origins: (flags.corsOrigin ?? []).map(readOrigin),
  };
}

/** Why an operator should know that an API is served like this, at each start; null if all is well. */
export function apiWarning({ listen, access, tls }: ApiSettings): string | null {
  if (access === "open") {
    return `every client that reaches ${
      formatAddress(listen)
    } can read, write and administer: no token is demanded`;
  }
  if (tls === null && !isLoopback(listen.hostname)) {
    return "tokens and values cross the network as they are: serve HTTPS with --tls-cert and --tls-key";
  }
  return null;
}

function readListenAddress(text: string): Address {
  return catching(InputError, () => parseListenAddress(text), (cause) => {
    throw usage(`Cannot use --api-listen: ${cause.message}`);
  });
}

function readAccess(flags: ApiFlags, { hostname }: Address): Access["kind"] {
  if (flags.requireToken === true && flags.insecureNoAuth === true) {
    throw usage("--require-token and --insecure-no-auth exclude each other");
  }
  if (flags.insecureNoAuth === true) return "open";
  return flags.requireToken === true || !isLoopback(hostname) ? "tokens" : "local";
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

/** As browsers write it, as theirs are compared with it. */
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
