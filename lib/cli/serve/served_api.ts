/**
 * The API of a node: its server, the renewal of its certificate, and the node's own token.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { formatAddress, type PeerConfig } from "../../config/mod.ts";
import { messageOf } from "../../errors.ts";
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
import { writeFileAtomically } from "../../keys/mod.ts";
import type { NodeApi } from "../../node/mod.ts";
import { digestSecret } from "../../token_digest.ts";
import { LogLimiter } from "../../transport/mod.ts";
import type { NodeId } from "../../types.ts";
import { drawToken, formatToken } from "../../wire/mod.ts";
import { ADMIN_TOKEN_FILE } from "../token_source.ts";
import { type ApiSettings, apiWarning } from "./api_settings.ts";
import { type AuditLog, openAuditLog } from "./audit_log.ts";
import { memberAddresses, ServedEtcd } from "./served_etcd.ts";

/** A node's API, and how to serve it. */
interface ServedApiOptions {
  readonly id: NodeId;
  /** Every node of the cluster, as etcd's clients see them. */
  readonly peers: readonly PeerConfig[];
  /** Its data folder, for its own token. */
  readonly dataDir: string;
  /** The address, the access and TLS. */
  readonly settings: ApiSettings;
}

/** How often the files of HTTPS are checked for a change. */
const TLS_CHECK_MS = 5_000;

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
  /** The certificate and key in use. */
  #tls: TlsKeys | null;
  #tlsTimer: ReturnType<typeof setInterval> | null = null;
  readonly #audit: AuditLog | null;

  /** Opens nothing yet. */
  constructor(options: ServedApiOptions) {
    this.#options = options;
    const { tls, auditLog } = options.settings;
    this.#tls = tls?.keys ?? null;
    this.#audit = auditLog === null ? null : openAuditLog(auditLog);
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
    const { id, peers, settings: { listen, origins, connectionsMax } } = this.#options;
    const tls = this.#tls;
    const members = memberAddresses(peers);
    const tokens = {
      token: (id: string) => this.#node?.token(id) ?? null,
      tokenNamed: (name: string) => this.#node?.tokenNamed(name) ?? null,
    };
    const authorizer = new Authorizer({ node: tokens, access: this.#openAccess(), origins });
    const server = startApiServer({
      node,
      ...listen,
      ...(tls === null ? {} : { tls }),
      ...(connectionsMax === null ? {} : { limits: { connectionsMax } }),
      authorizer,
      ...(this.#audit === null ? {} : { audit: this.#audit.record }),
      etcd: { self: id, members: () => members, isTls: tls !== null },
      signal: this.#stopping.signal,
      onError: (error) => this.#logger.error("api.failed", { error }),
      onCrowded: (reason) => this.#warnCrowded(reason),
    });
    this.#log(server);
    if (tls !== null) this.#tlsTimer = setInterval(() => void this.checkTls(), TLS_CHECK_MS);
    return { server, authorizer };
  }

  #serveWithKey(node: NodeApi, authorizer: Authorizer): void {
    this.#node = node;
    const { id, peers, settings: { etcd } } = this.#options;
    if (etcd === null) return;
    const audit = this.#audit?.record ?? null;
    const served = { node, id, peers, listen: etcd, tls: this.#tls, authorizer, audit };
    this.#etcd = new ServedEtcd(served);
    this.#ended = Promise.race([this.#ended, this.#etcd.failed]);
    this.#ended.catch(() => {});
  }

  #log({ connectionsMax }: ApiServer): void {
    const { settings } = this.#options;
    const warning = apiWarning(settings);
    if (warning !== null) this.#logger.warn("api.exposed", { warning });
    if (this.#tls !== null) this.#checkDates(this.#tls);
    if (connectionsMax === null) this.#logger.warn("api.unbounded", { warning: UNBOUNDED_WARNING });
    this.#logger.info("api.started", {
      api: formatAddress(settings.listen),
      access: settings.access,
      tls: this.#tls !== null,
      clientCertificates: describeClients(this.#tls),
      audit: settings.auditLog,
      connectionsMax,
      pid: Deno.pid,
    });
  }

  /** Reads the certificate and its key again if their files have changed. Says once if that fails. */
  async checkTls(): Promise<void> {
    if (this.#options.settings.tls?.files.hasChanged() === true) await this.reloadTls();
  }

  /** Reads the certificate and its key again, for new connections. If that fails, the old ones stay. */
  async reloadTls(): Promise<void> {
    const { tls } = this.#options.settings;
    if (tls === null) return this.#logger.info("api.reload_ignored", { reason: "no TLS here" });
    try {
      const keys = await tls.files.read();
      // It refuses keys that cannot be used, so the other port gets none of them.
      this.#started?.server.replaceTlsKeys(keys);
      this.#tls = keys;
      await this.#etcd?.replaceTlsKeys(keys);
      this.#logger.info("api.tls_reloaded");
      this.#checkDates(keys);
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
    if (this.#tlsTimer !== null) clearInterval(this.#tlsTimer);
    await Promise.all([this.#started?.server.finished, this.#etcd?.stop()]);
    await this.#audit?.close();
    removeAdminToken(this.#options.dataDir);
  }

  #openAccess(): Access {
    const { id, dataDir, settings: { access } } = this.#options;
    // A killed process leaves an invalid token behind.
    removeAdminToken(dataDir);
    return access === "tokens"
      ? { kind: access, admin: writeAdminToken(dataDir, id) }
      : { kind: access };
  }
}

function describeClients(tls: TlsKeys | null): string | null {
  if (tls?.clients === undefined) return null;
  return tls.clients.isRequired ? "required" : "optional";
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

/** Removes an invalid token. */
export function removeAdminToken(dataDir: string): void {
  try {
    Deno.removeSync(`${dataDir}/${ADMIN_TOKEN_FILE}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
