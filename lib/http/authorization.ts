/**
 * Authorization: the one place that decides which request may do what.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";
import { isLoopback } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import {
  coversRange,
  hasScope,
  isExpired,
  type KeyAccess,
  type KeyRange,
  SECRET_DIGEST_BYTES,
  singleKeyOf,
  type Token,
  type TokenScope,
} from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { digestSecret } from "../token_digest.ts";
import type { NodeId } from "../types.ts";
import { parseToken, type SecretToken, showBytes, type TokenHolder } from "../wire/mod.ts";
import { certificateNameOf } from "./client_certificates.ts";
import { ApiCounters } from "./connections.ts";
import { Problem } from "./problem.ts";

/** How an API is reached, and so which token a request needs. */
export type Access =
  /**
   * Over loopback, without tokens: every account on this machine may do everything. A page in a browser on
   * this machine may not: see {@linkcode Authorizer}.
   */
  | { readonly kind: "local" }
  /** Without tokens, for every client that reaches it: `--insecure-no-auth`. */
  | { readonly kind: "open" }
  /** With tokens: those of the cluster, and the node's own for a user that can read its data folder. */
  | { readonly kind: "tokens"; readonly admin: AdminToken };

/** A node's own token. The node keeps only the digest of its secret. */
export interface AdminToken {
  /** The node that the token belongs to. */
  readonly node: NodeId;
  /** SHA-256 of the secret, 32 bytes. */
  readonly secretDigest: Uint8Array;
}

/** The rights of the sender of a request. */
export interface Caller extends Pick<Token, "scopes" | "prefixes"> {
  /** The id of its token; absent for a node's own token, and without a token. */
  readonly id?: string;
  /** The node that the token belongs to, if it is a node's own. */
  readonly node?: NodeId;
}

/**
 * What a request needs: a token with this scope; any token, when the needed scope depends on the body; null
 * for public requests.
 */
export type Needs = TokenScope | "any" | null;

/** The holder of a token, which may have expired. */
type KnownCaller = Caller & Pick<Token, "expiresAtMs">;

/** A sender with all rights. */
const ANYONE: Caller = { scopes: ["admin"], prefixes: [] };

/** The settings of authorization. */
interface AuthorizerOptions {
  /** The node, which has the cluster's tokens. */
  readonly node: Pick<NodeApi, "token" | "tokenNamed">;
  /** How the API is reached. */
  readonly access: Access;
  /** The origins, besides the API's own, whose pages may use the API. */
  readonly origins?: readonly string[];
  /** The counters of refusals. */
  readonly counters?: ApiCounters;
  /** The time in milliseconds since 1970, by which tokens expire; by default this machine's. */
  readonly now?: () => number;
}

/**
 * Authorizes requests.
 *
 * Any page in a browser can send requests from the browser's machine and network. So a request with an
 * `Origin` other than the API's own is refused, even if a page may send it without a preflight (a POST of
 * text, for example). Otherwise every page that is opened on this machine could write to an API that needs
 * no token. A page can also give its own name the address of this machine (DNS rebinding), and so seem to
 * be of the same origin. So an API on loopback accepts only names for loopback.
 */
export class Authorizer {
  /** The origins, besides the API's own, whose pages may use the API. */
  readonly origins: readonly string[];
  /** The API's counters, including the refusals. */
  readonly counters: ApiCounters;
  readonly #options: AuthorizerOptions;
  /** The name that the last request used. */
  #accepted: { readonly ownOrigin: string | null; readonly host: string | null } = {
    ownOrigin: null,
    host: null,
  };

  /** Begins with counters at zero, unless `options` has counters. */
  constructor(options: AuthorizerOptions) {
    this.origins = options.origins ?? [];
    this.counters = options.counters ?? new ApiCounters();
    this.#options = options;
  }

  /** How the API is reached. */
  get access(): Access["kind"] {
    return this.#options.access.kind;
  }

  /** The time, in milliseconds since 1970. */
  now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** Whether requests need a token. */
  get isEnabled(): boolean {
    return this.access === "tokens";
  }

  /** The rights of a token; null for one that is unknown or has expired. */
  callerOf(token: string): Caller | null {
    const { access } = this.#options;
    if (access.kind !== "tokens") return ANYONE;
    return this.#unlessExpired(this.#findCaller(`Bearer ${token}`, access.admin));
  }

  /** The rights of a certificate with this common name; null if no token has the name. */
  callerNamed(name: string): Caller | null {
    if (!this.isEnabled) return ANYONE;
    return this.#unlessExpired(this.#options.node.tokenNamed(name));
  }

  #unlessExpired(caller: KnownCaller | null): Caller | null {
    if (caller !== null && !isExpired(caller, this.now())) return caller;
    this.counters.count("api.unauthorized");
    return null;
  }

  /**
   * Authorizes a request that `needs` a scope, or null for a public request. Returns the rights of its
   * sender.
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
   * The holder of a request's token, even if the token does not allow the request: a token's id, or `admin.` and a
   * node; null for none.
   */
  holderOf(request: Request): string | null {
    const { access, node } = this.#options;
    if (access.kind !== "tokens") return null;
    const authorization = request.headers.get("authorization");
    const name = certificateNameOf(request);
    if (authorization === null) return name === null ? null : node.tokenNamed(name)?.id ?? null;
    const caller = this.#findCaller(authorization, access.admin);
    return caller?.id ?? (caller?.node === undefined ? null : `admin.${caller.node}`);
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
   * Checks that a caller may read and change the keys of a transaction.
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

  /** Checks the name in the request's address. Nearly every request has the same name as the one before. */
  #checkName(ownOrigin: string, host: string | null): void {
    if (ownOrigin === this.#accepted.ownOrigin && host === this.#accepted.host) return;
    checkIsAuthority(ownOrigin.slice(ownOrigin.indexOf("://") + 3));
    checkIsAuthority(host);
    if (this.#options.access.kind === "local") checkIsLoopback(ownOrigin);
    this.#accepted = { ownOrigin, host };
  }

  #authorize(request: Request, needs: TokenScope | "any"): Caller {
    const { access } = this.#options;
    if (access.kind !== "tokens") return ANYONE;
    const authorization = request.headers.get("authorization");
    const caller = authorization === null
      ? this.#callerByCertificate(request)
      : this.#callerByToken(authorization, access.admin);
    if (needs === "any" || hasScope(caller, needs)) return caller;
    throw lacksScope(needs);
  }

  #callerByToken(authorization: string, admin: AdminToken): Caller {
    const caller = this.#findCaller(authorization, admin);
    if (caller !== null) {
      this.#checkExpiry(caller);
      return caller;
    }
    throw unauthorized(
      'Bearer error="invalid_token"',
      "This token is not known here: it was revoked, is of another cluster or node, or is no token",
    );
  }

  /** Only the holder of the secret, or of the certificate, learns that a token has expired. */
  #checkExpiry(caller: KnownCaller): void {
    if (!isExpired(caller, this.now())) return;
    const expiry = new Date(caller.expiresAtMs ?? 0).toISOString();
    throw unauthorized(
      'Bearer error="invalid_token", error_description="expired"',
      `This token expired at ${expiry}. Get another one: floe token create --expires 30d`,
    );
  }

  /** The rights of the token that has the same name as the client's certificate. */
  #callerByCertificate(request: Request): Caller {
    const name = certificateNameOf(request);
    if (name === null) {
      throw unauthorized("Bearer", "This needs a token: send it as Authorization: Bearer TOKEN");
    }
    const caller = this.#options.node.tokenNamed(name);
    if (caller !== null) {
      this.#checkExpiry(caller);
      return caller;
    }
    throw unauthorized(
      "Bearer",
      `No token has the name of this certificate, ${
        JSON.stringify(name.slice(0, NAME_SHOWN_MAX))
      }: ` +
        "create one with floe token create --name NAME --no-secret, or send another token",
    );
  }

  /**
   * The rights of this token's holder. Digests are compared in constant time, and for an unknown token a
   * digest is compared too. The time of the look-up can still show that an id exists, but ids are no
   * secrets.
   */
  #findCaller(authorization: string, admin: AdminToken): KnownCaller | null {
    const presented = readBearer(authorization);
    const digest = digestSecret(presented?.secret ?? NOBODYS_DIGEST);
    const known = presented === null ? null : this.#lookUp(presented.holder, admin);
    const isEqual = timingSafeEqual(digest, known?.secretDigest ?? NOBODYS_DIGEST);
    return isEqual ? known : null;
  }

  #lookUp(
    holder: TokenHolder,
    admin: AdminToken,
  ): KnownCaller & { readonly secretDigest: Uint8Array } | null {
    if (holder.kind === "token") return this.#options.node.token(holder.id);
    return holder.node === admin.node ? { ...ANYONE, ...admin, expiresAtMs: null } : null;
  }

  #countRefusal({ code }: Problem): void {
    if (code === "unauthorized") this.counters.count("api.unauthorized");
    else if (code === "forbidden") this.counters.count("api.forbidden");
    else this.counters.count("api.origin_refused");
  }
}

/** The digest to compare with for an unknown token. No secret is known to have it. */
const NOBODYS_DIGEST = new Uint8Array(SECRET_DIGEST_BYTES);

/** RFC 6750 §2.1. The name of the scheme may be in upper or lower case (RFC 9110 §11.1). */
const BEARER_PATTERN = /^Bearer +(.*)$/i;

function readBearer(authorization: string): SecretToken | null {
  const [, text] = BEARER_PATTERN.exec(authorization) ?? [];
  if (text === undefined) return null;
  return catching(InputError, () => parseToken(text), () => null);
}

/** The API's own origin, from the client's Host. It is not parsed, because Host can be invalid. */
function originOf(url: string): string {
  const end = url.indexOf("/", url.indexOf("://") + 3);
  return end < 0 ? url : url.slice(0, end);
}

/** A host, optionally with a port (RFC 9110 §7.2). Names have the characters of DNS and of container networks. */
const AUTHORITY_PATTERN = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$/;

/**
 * Refuses any other Host (RFC 9112 §3.2). Deno puts Host before the path, unchanged. With a slash in it, the
 * request would have another path than in its first line, and than a proxy before the API has allowed.
 */
function checkIsAuthority(host: string | null): void {
  // Deno replaces a missing or empty Host by its own address.
  if (host === null || host === "" || AUTHORITY_PATTERN.test(host)) return;
  throw new Problem(
    "invalid_header",
    `Cannot read Host: ${JSON.stringify(host.slice(0, HOST_SHOWN_LENGTH_MAX))} is not host[:port]`,
  );
}

const HOST_SHOWN_LENGTH_MAX = 80;
const NAME_SHOWN_MAX = 80;

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
