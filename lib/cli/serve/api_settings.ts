/**
 * The options that say how a node's API is served.
 *
 * @module
 */

import { Option } from "commander";
import {
  type Address,
  formatAddress,
  isLoopback,
  parseListenAddress,
  type PeerConfig,
} from "../../config/mod.ts";
import { catching, InputError } from "../../errors.ts";
import type { Access, TlsKeys } from "../../http/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { wholeNumberUpTo } from "../options.ts";
import { TlsFiles } from "./tls_files.ts";

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
  /** `--client-ca FILE`. */
  readonly clientCa?: string;
  /** `--client-auth HOW`. */
  readonly clientAuth?: "required" | "optional";
  /** `--audit-log FILE`. */
  readonly auditLog?: string;
  /** `--cors-origin ORIGIN`, as often as it was given. */
  readonly corsOrigin?: readonly string[];
  /** `--api-connections COUNT`. */
  readonly apiConnections?: number;
}

/** The settings of HTTPS. */
interface TlsSettings {
  /** The certificate and key at the start. */
  readonly keys: TlsKeys;
  /** The files that they are from. */
  readonly files: TlsFiles;
}

/** The settings, checked. */
export interface ApiSettings {
  /** Where it listens. */
  readonly listen: Address;
  /** Where it serves etcd's clients over gRPC; null: it does not. */
  readonly etcd: Address | null;
  /** Whether clients need a token. */
  readonly access: Access["kind"];
  /** HTTPS; null for HTTP. */
  readonly tls: TlsSettings | null;
  /** The origins, beside its own, whose pages are allowed to use the API. */
  readonly origins: readonly string[];
  /** The file of the audit log; null for none. */
  readonly auditLog: string | null;
  /** Most connections at once; null: as many as without the option. */
  readonly connectionsMax: number | null;
}

/** What `--api-connections` may ask for. */
const CONNECTIONS_CONFIGURABLE_MAX = 100_000;

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
      "--client-ca <file>",
      "ask clients for a certificate of this CA, PEM; it has the rights of the token with its common name",
    )
    .addOption(
      new Option(
        "--client-auth <how>",
        "whether a client must have such a certificate, or may come without one; default: required",
      ).choices(["required", "optional"]),
    )
    .option(
      "--audit-log <file>",
      "record each change that clients ask for: whose token, which route and key, with what result",
    )
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
    tls: await readTls(flags, context),
    origins: (flags.corsOrigin ?? []).map(readOrigin),
    auditLog: flags.auditLog ?? null,
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

/**
 * Reads an option with an address to listen on; null when it was not given.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when it is no such address.
 */
export function readListenAddress(flag: string, text: string | undefined): Address | null {
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

async function readTls(
  { tlsCert, tlsKey, clientCa, clientAuth }: ApiFlags,
  context: CommandContext,
): Promise<TlsSettings | null> {
  if (clientCa === undefined && clientAuth !== undefined) {
    throw usage("--client-auth needs --client-ca");
  }
  if (clientCa !== undefined && tlsCert === undefined) {
    throw usage("--client-ca needs HTTPS: --tls-cert and --tls-key");
  }
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw usage("--tls-cert and --tls-key go together");
  }
  const clients = clientCa === undefined
    ? null
    : { ca: clientCa, isRequired: clientAuth !== "optional" };
  const files = new TlsFiles({ cert: tlsCert, key: tlsKey, clients }, context);
  return { keys: await files.read(), files };
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
