/**
 * What a client command works with once its options are read.
 *
 * @module
 */

import { decodeUtf8 } from "../../bytes.ts";
import { type Address, formatAddress, isLoopback, parseListenAddress } from "../../config/mod.ts";
import { InputError } from "../../errors.ts";
import type { Access, TlsKeys } from "../../http/mod.ts";
import { keyPath } from "../../http/wire.ts";
import type { CommandContext, GlobalFlags, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { caFilePath, findEndpoints, globalFlags } from "../options.ts";
import { systemClock } from "../process_context.ts";
import { readInput } from "../secrets/input.ts";
import { ApiClient } from "./client.ts";
import { findTokens } from "./token_source.ts";

/** The options of one run and the client that they describe. */
interface Session {
  /** The global options. */
  readonly flags: GlobalFlags;
  /** Asks the nodes that the options name. */
  readonly client: ApiClient;
}

/** Reads the global options of `command` and finds the nodes to ask. */
export async function openSession(command: Program, context: CommandContext): Promise<Session> {
  const flags = globalFlags(command);
  const endpoints = await findEndpoints(flags, context);
  const client = new ApiClient({
    endpoints,
    tokenFor: await findTokens(endpoints, flags, context),
    timeoutMs: flags.timeout,
    fetch: context.openFetch(await readCaCerts(flags, context)),
    clock: context.clock ?? systemClock,
  });
  return { flags, client };
}

/** Most bytes in a file with certificates to trust. */
const CA_FILE_BYTES_MAX = 1024 * 1024;

async function readCaCerts(
  flags: GlobalFlags,
  context: CommandContext,
): Promise<readonly string[]> {
  const path = caFilePath(flags, context);
  if (path === null) return [];
  return [decodeUtf8(await readInput(path, context, { bytesMax: CA_FILE_BYTES_MAX }))];
}

/**
 * The API's path for a key.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when it cannot be a key.
 */
export function pathOfKey(key: string): string {
  if (key === "") throw new CommandError(ExitCode.usage, "Cannot use an empty key: name one");
  try {
    return keyPath(key);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new CommandError(ExitCode.usage, cause.message, { cause });
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
    .option("--insecure-no-auth", "let everybody who reaches the API do everything")
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
    origins: (flags.corsOrigin ?? []).map(readOrigin),
  };
}

/** Why an operator should know that an API is served like this, at each start; null if all is well. */
export function apiWarning({ listen, access, tls }: ApiSettings): string | null {
  if (access === "open") {
    return `whoever reaches ${
      formatAddress(listen)
    } can read, write and rule: no token is demanded`;
  }
  if (tls === null && !isLoopback(listen.hostname)) {
    return "tokens and values cross the network as they are: serve HTTPS with --tls-cert and --tls-key";
  }
  return null;
}

function readListenAddress(text: string): Address {
  try {
    return parseListenAddress(text);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw usage(`Cannot use --api-listen: ${cause.message}`);
  }
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
