/**
 * The page of a cluster that runs on this machine, with buttons: it stands in front of the nodes, so it stays
 * when one of them is killed from it.
 *
 * It listens on loopback only. What it shows, the nodes show without a token as well. A request that changes
 * something needs a secret, and must come from a page of this very server. The secret is in the address that
 * `floe cluster` prints, behind the `#`: browsers do not send that part.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";
import { encodeUtf8 } from "../../bytes.ts";
import { formatAddress, type PinnedClusterConfig } from "../../config/mod.ts";
import { pause } from "../../deadline.ts";
import type { NodeId } from "../../types.ts";
import type { LocalCluster, NodeState } from "./local_cluster.ts";

/** What the buttons act on. */
type DemoControls = Pick<
  LocalCluster,
  "states" | "kill" | "restart" | "pause" | "resume" | "cut" | "heal"
>;

interface DemoServerOptions {
  readonly config: PinnedClusterConfig;
  /** The nodes' processes; asked for only after they were started. */
  readonly cluster: () => DemoControls;
  /** How the nodes are asked. */
  readonly fetch: typeof fetch;
}

/** What can be done to a node. */
const ACTIONS: Readonly<Record<string, (cluster: DemoControls, id: NodeId) => void>> = {
  kill: (cluster, id) => cluster.kill(id),
  start: (cluster, id) => cluster.restart(id),
  pause: (cluster, id) => cluster.pause(id),
  resume: (cluster, id) => cluster.resume(id),
  cut: (cluster, id) => cluster.cut(id),
  heal: (cluster, id) => cluster.heal(id),
};

/** The request header with the secret. */
const SECRET_HEADER = "floe-demo";
const SECRET_BYTES = 16;
/** How long the end of requests is waited for. */
const CLOSE_TIMEOUT_MS = 500;

/** A node that answers, best one that does not lead: it lives on when the leader is killed. */
const PREFERENCE: readonly NodeState[] = ["follower", "preCandidate", "candidate", "leader"];

/** See the module. */
export class DemoServer implements AsyncDisposable {
  readonly #options: DemoServerOptions;
  readonly #secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toHex();
  readonly #closing = new AbortController();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** Listens on a port that is free. */
  constructor(options: DemoServerOptions) {
    this.#options = options;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: this.#closing.signal },
      (request) => this.#answer(request),
    );
  }

  /** Where the page is, with the cluster's key and the secret for its buttons. */
  address(publicKey: string): string {
    return `${this.#origin}/ui/#key=${publicKey}&demo=${this.#secret}`;
  }

  /** Ends every request and gives the port up. A page that stays open is not waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const waited = new AbortController();
    const ended = this.#server.finished.then(() => waited.abort());
    await Promise.race([ended, pause(CLOSE_TIMEOUT_MS, waited.signal)]);
  }

  get #origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #answer(request: Request): Promise<Response> {
    const { origin, pathname } = new URL(request.url);
    // A page that gives its own name this machine's address would pass for this server's else.
    if (origin !== this.#origin) return refuse(421, "This is another server's address");
    const [, action] = /^\/demo\/([a-z]+)$/.exec(pathname) ?? [];
    if (action !== undefined) return this.#act(request, action);
    if (request.method !== "GET") return refuse(405, "Only GET goes to the nodes");
    return await this.#handOn(request);
  }

  #act(request: Request, name: string): Response {
    const origin = request.headers.get("origin");
    if (origin !== null && origin !== this.#origin) return refuse(403, "Another origin's page");
    if (!this.#hasSecret(request)) return refuse(401, "The secret in the address is needed");
    const { config, cluster } = this.#options;
    if (name === "state" && request.method === "GET") {
      return Response.json(Object.fromEntries(cluster().states));
    }
    const node = config.peers.find(({ id }) =>
      id === new URL(request.url).searchParams.get("node")
    );
    const act = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (request.method !== "POST" || node === undefined || act === undefined) {
      return refuse(404, "There is no such action, or no such node");
    }
    act(cluster(), node.id);
    return Response.json(Object.fromEntries(cluster().states));
  }

  #hasSecret({ headers }: Request): boolean {
    const given = encodeUtf8(headers.get(SECRET_HEADER) ?? "");
    const wanted = encodeUtf8(this.#secret);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  async #handOn(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const api = this.#findApi();
    if (api === null) return refuse(503, "No node answers now");
    try {
      const headers = pick(request.headers, ["accept", "if-none-match"]);
      const init = { headers, signal: this.#closing.signal };
      return await this.#options.fetch(`http://${api}${pathname}${search}`, init);
    } catch {
      return refuse(503, "The node did not answer");
    }
  }

  #findApi(): string | null {
    const { config, cluster } = this.#options;
    const { states } = cluster();
    for (const wanted of PREFERENCE) {
      const found = config.peers.find(({ id }) => states.get(id) === wanted);
      if (found !== undefined) return formatAddress(found.api);
    }
    return null;
  }
}

function pick(headers: Headers, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
}

/** In the form in which the page reads the nodes' refusals. */
function refuse(status: number, detail: string): Response {
  return Response.json({ code: "demo_refused", detail }, { status });
}
