/**
 * A node's API on its port.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { type Access, Door } from "../http/door.ts";
import { startApiServer } from "../http/mod.ts";
import { formatAddress } from "../node/address.ts";
import type { NodeApi } from "../node/api.ts";
import type { NodeId } from "../types.ts";
import { removeAdminToken, writeAdminToken } from "./admin_token.ts";
import { type ApiSettings, apiWarning } from "./api_settings.ts";

/** What is served, and where. */
export interface ServedApiOptions {
  /** The node behind the API. */
  readonly node: NodeApi;
  /** Its id. */
  readonly id: NodeId;
  /** Its data folder, for its own token. */
  readonly dataDir: string;
  /** How it is served. */
  readonly settings: ApiSettings;
}

/** The API, once it has something to show. */
export class ServedApi {
  readonly #options: ServedApiOptions;
  readonly #stopping = new AbortController();
  #ended: Promise<void> = new Promise(() => {});
  #isStarted = false;

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
    if (this.#isStarted) return false;
    const { node, settings } = this.#options;
    const { listen, tls, origins } = settings;
    const logger = getLogger(["floe", "node"]);
    const door = new Door({ node, access: this.#openAccess(), origins });
    this.#ended = startApiServer({
      node,
      ...listen,
      ...(tls === null ? {} : { tls }),
      door,
      signal: this.#stopping.signal,
      onError: (error) => logger.error("api.failed", { error }),
    }).finished;
    this.#isStarted = true;
    const warning = apiWarning(settings);
    if (warning !== null) logger.warn("api.exposed", { warning });
    logger.info("api.started", {
      api: formatAddress(listen),
      access: settings.access,
      tls: tls !== null,
      pid: Deno.pid,
    });
    return true;
  }

  /** Lets the requests under way finish, gives the port back, and removes the node's own token. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#isStarted) await this.#ended;
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
