/**
 * The client of a command, made from its options.
 *
 * @module
 */

import { formatAddress, parseAddress } from "../address.ts";
import {
  type Advice,
  ApiClient,
  bodyOf,
  type ClientAnswer,
  ClientError,
  type Endpoint,
  type EndpointResult,
  StoreClient,
  systemClock,
} from "../client/mod.ts";
import type { ClusterConfig, PeerConfig } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import { parseStrictJson } from "../json.ts";
import { keyPath } from "../request.ts";
import { toNodeId } from "../types.ts";
import type { MemberBody, Schema } from "../wire/mod.ts";
import { asksForTls, openClientTls } from "./client_tls.ts";
import type { CommandContext, GlobalFlags, Program } from "./command.ts";
import { CommandError, ExitCode } from "./failure.ts";
import { configPath, globalFlags } from "./options.ts";
import { findTokens } from "./token_source.ts";

/** A command's options, and its client. */
interface OpenedClient {
  /** The global options. */
  readonly flags: GlobalFlags;
  /** Sends requests to the nodes in the options. */
  readonly client: ApiClient;
  /** The key-value store, by the same client. */
  readonly store: StoreClient;
  /** A client of the members of today, where cluster.json has other ones; null where it has not. */
  readonly ofMembers: (seen: SeenMembers) => ApiClient | null;
}

/** The advice when a node requires a token. */
const TOKEN_ADVICE = "Name a file that holds a token with --token-file or FLOE_TOKEN_FILE.";

const ADVICE: Advice = {
  givenUp: "Check the nodes (floe status), or raise --timeout.",
  unreachable: "Start the cluster (floe cluster), or name its nodes with --endpoints.",
  unauthorized: TOKEN_ADVICE,
  uncertain: (key) =>
    `To find out, repeat the command with --idempotency-key ${key}: the write is done once.`,
};

/**
 * Reads the global options of `command` and finds the nodes to ask: those in the global options, or in an option
 * of this command alone.
 */
export async function openClient(
  command: Program,
  context: CommandContext,
  named?: { readonly list: string; readonly source: string },
): Promise<OpenedClient> {
  const flags = globalFlags(command);
  const endpoints = named === undefined
    ? await findEndpoints(flags, context)
    : parseEndpoints(named.list, { ...named, scheme: schemeFor(flags, context) });
  const options = {
    timeoutMs: flags.timeout,
    fetch: context.openFetch(await openClientTls(flags, context)),
    clock: context.clock ?? systemClock,
    advice: ADVICE,
  };
  const tokenFor = await findTokens(endpoints, flags, context);
  const client = new ApiClient({ ...options, endpoints, tokenFor });
  return {
    flags,
    client,
    store: new StoreClient(client),
    ofMembers: (seen) => {
      const current = toCurrent(endpoints, seen, schemeFor(flags, context));
      if (current === null) return null;
      // Nodes told these addresses, and a node can lie: no node's own token goes there.
      const toAddress = (endpoint: Endpoint) =>
        endpoints.includes(endpoint) ? endpoint : { ...endpoint, id: null };
      return new ApiClient({
        ...options,
        endpoints: current,
        tokenFor: (endpoint) => tokenFor(toAddress(endpoint)),
      });
    },
  };
}

/** The members as the cluster's nodes know them. */
interface SeenMembers {
  readonly members: readonly Pick<MemberBody, "id" | "role" | "peer" | "api">[];
  /** The nodes that did not answer at the address of the configuration: they may have moved. */
  readonly silent: readonly Endpoint[];
}

/** The members as the node knows them that has the newest membership; none where no node says. */
export async function readMembers(client: ApiClient): Promise<SeenMembers> {
  // The addresses that an operator named are asked as they are.
  if (client.endpoints.some(({ id }) => id === null)) return { members: [], silent: [] };
  // Loaded here: commands that only read and write keys start without any schema.
  const { membersSchema } = await import("../wire/mod.ts");
  const answers = await client.askAll({ method: "GET", path: "/v1/members" });
  const views = answers.map((answer) => toView(answer, (one) => bodyOf(one, membersSchema)));
  const bodies = views.flatMap(({ body }) => body === null ? [] : [body]);
  const [newest] = bodies.toSorted((left, right) => right.sequence - left.sequence);
  const silent = answers.flatMap((answer) =>
    answer.kind === "failure" && answer.failure.kind !== "notAllowed" ? [answer.endpoint] : []
  );
  return { members: newest?.members ?? [], silent };
}

/**
 * The nodes of a configuration as they are today: without those that were removed, with those that joined, and
 * where those have moved that do not answer. Null where nothing differs, or where the operator has named the
 * addresses to ask.
 */
function toCurrent(
  endpoints: readonly Endpoint[],
  { members, silent }: SeenMembers,
  scheme: string,
): readonly Endpoint[] | null {
  if (endpoints.some(({ id }) => id === null)) return null;
  const present = members.filter(({ role }) => role !== "removed");
  const staying = endpoints.flatMap((endpoint) => {
    const member = members.find(({ id }) => id === endpoint.id);
    if (member?.role === "removed") return [];
    const isElsewhere = typeof member?.api === "string" && member.api !== endpoint.label;
    return isElsewhere && silent.includes(endpoint) ? [] : [endpoint];
  });
  const coming = present.flatMap(({ id, api }) =>
    api === null || staying.some((endpoint) => endpoint.id === id)
      ? []
      : [{ ...toEndpoint(scheme, api), id: toNodeId(id) }]
  );
  const isSame = coming.length === 0 && staying.length === endpoints.length;
  return isSame ? null : [...staying, ...coming];
}

/**
 * The API's path for a key.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when the key is not valid.
 */
export function pathOfKey(key: string): string {
  if (key === "") throw new CommandError(ExitCode.usage, "Cannot use an empty key: name one");
  return catching(InputError, () => keyPath(key), (cause) => {
    throw new CommandError(ExitCode.usage, cause.message, { cause });
  });
}

/**
 * The nodes' addresses, in order: `--endpoints`, else `FLOE_ENDPOINTS`, else every `api` address of the
 * configuration.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when there is no address.
 */
async function findEndpoints(
  flags: GlobalFlags,
  context: CommandContext,
): Promise<readonly Endpoint[]> {
  const scheme = schemeFor(flags, context);
  const source = flags.endpoints === undefined ? "FLOE_ENDPOINTS" : "--endpoints";
  const list = flags.endpoints ?? context.env("FLOE_ENDPOINTS");
  if (list !== undefined) return parseEndpoints(list, { source, scheme });
  return await readEndpoints(configPath(flags, context), scheme);
}

function schemeFor(flags: GlobalFlags, context: CommandContext): string {
  return asksForTls(flags, context) ? "https" : "http";
}

/** Reads a list of `host:port`, with or without a scheme of their own, separated by commas. */
function parseEndpoints(
  list: string,
  { source, scheme }: { readonly source: string; readonly scheme: string },
): readonly Endpoint[] {
  const items = list.split(",").map((item) => item.trim()).filter((item) => item !== "");
  if (items.length === 0) {
    throw new CommandError(ExitCode.usage, `Cannot use ${source}: it names no address`);
  }
  return items.map((item) => {
    // The message does not repeat the address: there may be a password before the @.
    if (item.includes("@")) {
      throw new CommandError(
        ExitCode.usage,
        `Cannot use ${source}: an address has no user name and no password. ${TOKEN_ADVICE}`,
      );
    }
    return catching(InputError, () => {
      const [, own = scheme, address = item] = /^(https?):\/\/([^/]*)\/?$/.exec(item) ?? [];
      return toEndpoint(own, formatAddress(parseAddress(address)));
    }, (cause) => {
      const message = `Cannot use ${source}: ${cause.message}`;
      throw new CommandError(ExitCode.usage, message, { cause });
    });
  });
}

function toEndpoint(scheme: string, label: string): Endpoint {
  return { url: `${scheme}://${label}`, label, id: null };
}

/**
 * The `api` addresses of a configuration. The client does not check the other fields, because it would load the
 * code for that slowly. It loads that code only to name the faults of a configuration without addresses.
 */
async function readEndpoints(path: string, scheme: string): Promise<readonly Endpoint[]> {
  const found = findApiAddresses(await Deno.readTextFile(path).catch(() => ""));
  const peers = found ?? (await loadConfigOfCluster(path)).peers;
  return peers.map(({ id, api }) => ({ ...toEndpoint(scheme, formatAddress(api)), id }));
}

/**
 * Null for a text that is no configuration. It is checked without schemas: a client must not wait for a schema
 * library.
 */
function findApiAddresses(text: string): readonly Pick<PeerConfig, "id" | "api">[] | null {
  return catching(InputError, () => {
    const { peers }: { readonly peers?: unknown } = Object(parseStrictJson(text));
    if (!Array.isArray(peers) || peers.length === 0 || !peers.every(isPeer)) return null;
    return peers.map(({ id, api }) => ({ id: toNodeId(id), api: parseAddress(api) }));
  }, () => null);
}

function isPeer(peer: unknown): peer is { readonly id: string; readonly api: string } {
  const { id, api }: { readonly id?: unknown; readonly api?: unknown } = Object(peer);
  return typeof id === "string" && typeof api === "string";
}

async function loadConfigOfCluster(path: string): Promise<ClusterConfig> {
  const { ClusterConfigError, loadClusterConfig } = await import("../config/mod.ts");
  try {
    return await loadClusterConfig(path);
  } catch (cause) {
    if (!(cause instanceof ClusterConfigError)) throw cause;
    const hint = "Or name the nodes to ask: --endpoints host:port,... (or FLOE_ENDPOINTS)";
    throw new CommandError(ExitCode.usage, `${cause.message}\n${hint}`, { cause });
  }
}

/** One node's answer, or the reason why there is none. */
export type View<Body> =
  | { readonly endpoint: Endpoint; readonly body: Body; readonly error: null }
  | { readonly endpoint: Endpoint; readonly body: null; readonly error: string };

/** One node's answer. `read` throws a `ClientError` when it is not an answer of Floe's API. */
export function toView<Body>(
  attempt: EndpointResult,
  read: (answer: ClientAnswer) => Body,
): View<Body> {
  if (attempt.kind === "failure") {
    return { endpoint: attempt.endpoint, body: null, error: attempt.failure.reason };
  }
  const { endpoint } = attempt.answer;
  return catching(
    ClientError,
    () => ({ endpoint, body: read(attempt.answer), error: null }),
    () => ({ endpoint, body: null, error: "does not answer like Floe's API" }),
  );
}

/** Asks every node at the same time. @throws {ClientError} when none answers as Floe's API does. */
export async function viewAll<Body>(
  client: ApiClient,
  { path, schema }: { readonly path: string; readonly schema: Schema<Body> },
): Promise<readonly View<Body>[]> {
  const results = await client.askAll({ method: "GET", path });
  const views = results.map((result) => toView(result, (answer) => bodyOf(answer, schema)));
  if (views.some(({ body }) => body !== null)) return views;
  throw client.unreachable(results);
}

/** The view as JSON: the address, whether the node answered, and its answer. */
export function toViewJson({ endpoint, body, error }: View<object>): Record<string, unknown> {
  const reachable = body !== null;
  return {
    endpoint: endpoint.label,
    reachable,
    ...(reachable ? body : { id: endpoint.id, error }),
  };
}
