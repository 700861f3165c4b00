/**
 * Authorization: the one place that decides which request may do what.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";
import { isLoopback } from "../config/mod.ts";
import { InputError } from "../errors.ts";
import {
  coversRange,
  hasScope,
  type KeyAccess,
  type KeyRange,
  SECRET_DIGEST_BYTES,
  singleKeyOf,
  type Token,
  type TokenScope,
} from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import type { NodeId } from "../types.ts";
import { ApiCounters } from "./connections.ts";
import { Problem } from "./problem.ts";
import { digestSecret, parseToken, type SecretToken, showBytes, type TokenHolder } from "./wire.ts";

/** How an API is reached, and so what a request must show. */
export type Access =
  /**
   * Over loopback, without tokens: every account on this machine may do everything. A page in one of
   * its browsers may not: see {@linkcode Authorizer}.
   */
  | { readonly kind: "local" }
  /** Without tokens, for every client that reaches it: `--insecure-no-auth`. */
  | { readonly kind: "open" }
  /** With tokens: the cluster's, and the node's own for a user who can read its data folder. */
  | { readonly kind: "tokens"; readonly admin: AdminToken };

/** A node's own token, as the node knows it. */
export interface AdminToken {
  /** Has the cluster's tokens. */
  readonly node: NodeId;
  /** SHA-256 of the secret, 32 bytes. */
  readonly secretDigest: Uint8Array;
}

/** What the sender of a request may do. */
export type Caller = Pick<Token, "scopes" | "prefixes"> & Partial<Pick<Token, "id">>;

/**
 * What a request needs: a token with this scope; any token, where what it may do follows from the body;
 * null for what is public.
 */
export type Needs = TokenScope | "any" | null;

/** May do everything. */
const ANYONE: Caller = { scopes: ["admin"], prefixes: [] };

/** What authorization needs. */
interface AuthorizerOptions {
  /** Knows the cluster's tokens. */
  readonly node: Pick<NodeApi, "token">;
  /** What a request must show. */
  readonly access: Access;
  /** The origins, besides the API's own, whose pages may use the API. */
  readonly origins?: readonly string[];
  /** Where refusals are counted. */
  readonly counters?: ApiCounters;
}

/**
 * Authorizes requests.
 *
 * A browser sends whatever any page asks it to, from inside the machine and the network that it runs
 * in. So a request that names an `Origin` other than the API's own is refused, even one that a page may
 * send without asking first (a POST of text, say): without that, every page that somebody on this machine
 * opens could write to an API that asks for no token. And as a page can give its own name this
 * machine's address (DNS rebinding) and so pass for the same origin, an API on loopback is
 * found under names for loopback only.
 */
export class Authorizer {
  /** The origins, besides the API's own, whose pages may use the API. */
  readonly origins: readonly string[];
  /** What was refused here, among other things. */
  readonly counters: ApiCounters;
  readonly #options: AuthorizerOptions;
  /** The name that the last request used. */
  #accepted: { readonly ownOrigin: string | null; readonly host: string | null } = {
    ownOrigin: null,
    host: null,
  };

  /** `options` are used as they are. */
  constructor(options: AuthorizerOptions) {
    this.origins = options.origins ?? [];
    this.counters = options.counters ?? new ApiCounters();
    this.#options = options;
  }

  /** What a request must show. */
  get access(): Access["kind"] {
    return this.#options.access.kind;
  }

  /** Whether tokens are demanded. */
  get isEnabled(): boolean {
    return this.access === "tokens";
  }

  /** What the holder of a token may do; null for a token that is not known here. */
  callerOf(token: string): Caller | null {
    const { access } = this.#options;
    if (access.kind !== "tokens") return ANYONE;
    const caller = this.#findCaller(`Bearer ${token}`, access.admin);
    if (caller === null) this.counters.count("api.unauthorized");
    return caller;
  }

  /**
   * Authorizes a request that `needs` a scope, or null for what is public, and says what its sender may do.
   *
   * @throws {Problem} `invalid_header`, `misdirected`, `origin_refused`, `unauthorized` or `forbidden`.
   */
  admit(request: Request, needs: Needs): Caller {
    try {
      this.#checkBrowser(request);
      return needs === null ? ANYONE : this.#authorize(request, needs);
    } catch (error) {
      if (error instanceof Problem) this.#countRefusal(error);
      throw error;
    }
  }

  /**
   * Checks that a caller may use every key of a range.
   *
   * @throws {Problem} `forbidden`.
   */
  admitKeys(caller: Caller, keys: KeyRange): void {
    if (coversRange(caller, keys)) return;
    this.counters.count("api.forbidden");
    const prefixes = caller.prefixes.map((prefix) => JSON.stringify(prefix)).join(", ");
    throw new Problem(
      "forbidden",
      `Cannot use ${showKeys(keys)}: this token is for keys that begin with ${prefixes}`,
    );
  }

  /**
   * Checks that a caller may read and change what a transaction reads and changes.
   *
   * @throws {Problem} `forbidden`.
   */
  admitAccess(caller: Caller, { reads, writes }: KeyAccess): void {
    if (reads.length > 0) this.#admitScope(caller, "read");
    if (writes.length > 0) this.#admitScope(caller, "write");
    for (const keys of [...reads, ...writes]) this.admitKeys(caller, keys);
  }

  #admitScope(caller: Caller, scope: TokenScope): void {
    if (hasScope(caller, scope)) return;
    this.counters.count("api.forbidden");
    throw lacksScope(scope);
  }

  #checkBrowser({ url, headers }: Request): void {
    const ownOrigin = originOf(url);
    this.#checkName(ownOrigin, headers.get("host"));
    const origin = headers.get("origin");
    if (origin === null || origin === ownOrigin || this.origins.includes(origin)) return;
    throw new Problem(
      "origin_refused",
      `Cannot take requests of ${
        JSON.stringify(origin)
      }: only pages of this API's own origin may ` +
        "send them, and of those that floe node was given with --cors-origin",
    );
  }

  /** Under what name the client found the API. Nearly every request has that of the one before. */
  #checkName(ownOrigin: string, host: string | null): void {
    if (ownOrigin === this.#accepted.ownOrigin && host === this.#accepted.host) return;
    checkIsAuthority(ownOrigin.slice(ownOrigin.indexOf("://") + 3));
    checkIsAuthority(host);
    if (this.#options.access.kind === "local") checkIsLoopback(ownOrigin);
    this.#accepted = { ownOrigin, host };
  }

  #authorize({ headers }: Request, needs: TokenScope | "any"): Caller {
    const { access } = this.#options;
    if (access.kind !== "tokens") return ANYONE;
    const authorization = headers.get("authorization");
    if (authorization === null) {
      throw unauthorized("Bearer", "This needs a token: send it as Authorization: Bearer TOKEN");
    }
    const caller = this.#findCaller(authorization, access.admin);
    if (caller === null) {
      throw unauthorized(
        'Bearer error="invalid_token"',
        "This token is not known here: it was revoked, is of another cluster or node, or is no token",
      );
    }
    if (needs === "any" || hasScope(caller, needs)) return caller;
    throw lacksScope(needs);
  }

  /**
   * The holder of this token. A digest is compared in constant time, and one is compared for a token that
   * is not there as well. That an id exists could still be told by the time of its look-up: ids
   * are no secrets.
   */
  #findCaller(authorization: string, admin: AdminToken): Caller | null {
    const presented = readBearer(authorization);
    const digest = digestSecret(presented?.secret ?? NOBODYS_DIGEST);
    const known = presented === null ? null : this.#lookUp(presented.holder, admin);
    const isEqual = timingSafeEqual(digest, known?.secretDigest ?? NOBODYS_DIGEST);
    return isEqual ? known : null;
  }

  #lookUp(
    holder: TokenHolder,
    admin: AdminToken,
  ): Caller & { readonly secretDigest: Uint8Array } | null {
    if (holder.kind === "token") return this.#options.node.token(holder.id);
    return holder.node === admin.node ? { ...ANYONE, ...admin } : null;
  }

  #countRefusal({ code }: Problem): void {
    if (code === "unauthorized") this.counters.count("api.unauthorized");
    else if (code === "forbidden") this.counters.count("api.forbidden");
    else this.counters.count("api.origin_refused");
  }
}

/** Stands in where there is nothing to compare with; no secret is known to have it. */
const NOBODYS_DIGEST = new Uint8Array(SECRET_DIGEST_BYTES);

/** RFC 6750 §2.1; the scheme's name in any case (RFC 9110 §11.1). */
const BEARER_PATTERN = /^Bearer +(.*)$/i;

function readBearer(authorization: string): SecretToken | null {
  const [, text] = BEARER_PATTERN.exec(authorization) ?? [];
  if (text === undefined) return null;
  try {
    return parseToken(text);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return null;
  }
}

/** The origin that the client's own Host makes of the API, without reading what may be no address. */
function originOf(url: string): string {
  const end = url.indexOf("/", url.indexOf("://") + 3);
  return end < 0 ? url : url.slice(0, end);
}

/** A host and perhaps a port (RFC 9110 §7.2); of names only what DNS and container networks have. */
const AUTHORITY_PATTERN = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$/;

/**
 * Refuses a Host with anything else in it (RFC 9112 §3.2). Deno puts it in front of the path as it is:
 * with a slash in it, the request would be for another path than its first line says, and than a proxy
 * in front of the API has let pass.
 */
function checkIsAuthority(host: string | null): void {
  // Deno takes none, and an empty one, for its own address.
  if (host === null || host === "" || AUTHORITY_PATTERN.test(host)) return;
  throw new Problem(
    "invalid_header",
    `Cannot read Host: ${JSON.stringify(host.slice(0, HOST_SHOWN_LENGTH_MAX))} is not host[:port]`,
  );
}

const HOST_SHOWN_LENGTH_MAX = 80;

function checkIsLoopback(ownOrigin: string): void {
  const [, hostname = ""] = /^https?:\/\/\[?(.*?)\]?(?::[0-9]*)?$/.exec(ownOrigin) ?? [];
  if (isLoopback(hostname)) return;
  throw new Problem(
    "misdirected",
    `This API is not ${JSON.stringify(hostname)}: it serves its own machine, under names for ` +
      "loopback such as localhost",
  );
}

function lacksScope(scope: TokenScope): Problem {
  return new Problem("forbidden", `This needs a token with the scope ${scope}`, {
    headers: { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

function showKeys(keys: KeyRange): string {
  const key = singleKeyOf(keys);
  if (key !== null) return `key ${showBytes(key)}`;
  const { start, end } = keys;
  return `the keys from ${showBytes(start)} ${end === null ? "on" : `to ${showBytes(end)}`}`;
}

function unauthorized(challenge: string, message: string): Problem {
  return new Problem("unauthorized", message, { headers: { "www-authenticate": challenge } });
}
