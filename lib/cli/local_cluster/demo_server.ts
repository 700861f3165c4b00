/**
 * The page of a cluster on this machine, with buttons. It is served in front of the nodes, so it stays up when a
 * button kills a node.
 *
 * It listens on loopback only. It shows only what the nodes show without a token. A request that changes something
 * needs a secret, and must come from a page of this same server. The secret is in the address that `floe cluster`
 * prints, behind the `#`: browsers do not send that part.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";
import { encodeUtf8 } from "../../bytes.ts";
import { ClientError } from "../../client/mod.ts";
import { formatAddress } from "../../config/mod.ts";
import { pause } from "../../deadline.ts";
import { EnvironmentError, InputError } from "../../errors.ts";
import type { NodeId } from "../../types.ts";
import type { Forger } from "./forger.ts";
import type { LocalCluster, NodeState } from "./local_cluster.ts";
import type { Newcomers } from "./newcomers.ts";

/** The parts that the buttons use. */
type DemoControls = Pick<
  LocalCluster,
  "nodes" | "states" | "kill" | "restart" | "pause" | "resume" | "cut" | "heal"
>;

interface DemoServerOptions {
  /** The nodes' processes. Called only after they were started. */
  readonly cluster: () => DemoControls;
  /** Adds nodes. */
  readonly newcomers: Pick<Newcomers, "add">;
  /** Forges certificates. */
  readonly forger: Pick<Forger, "forge">;
  /** Sends requests to the nodes. */
  readonly fetch: typeof fetch;
}

/** The actions on a node, and the words for them. */
type Action = (options: DemoServerOptions, id: NodeId) => string | Promise<string>;

const ACTIONS: Readonly<Record<string, Action>> = {
  kill: onProcess("kill", "is killed"),
  start: onProcess("restart", "is started again"),
  pause: onProcess("pause", "is paused"),
  resume: onProcess("resume", "goes on"),
  cut: onProcess("cut", "is cut off from the others"),
  heal: onProcess("heal", "is connected again"),
  add: ({ newcomers }) => newcomers.add(null),
  replace: ({ newcomers }, id) => newcomers.add(id),
  forge: ({ forger }, id) => forger.forge(id),
};

function onProcess(
  what: "kill" | "restart" | "pause" | "resume" | "cut" | "heal",
  words: string,
): Action {
  return ({ cluster }, id) => {
    cluster()[what](id);
    return `${id} ${words}`;
  };
}

/** The request header with the secret. */
const SECRET_HEADER = "floe-demo";
const SECRET_BYTES = 16;
/** How long the server waits for the end of requests. */
const CLOSE_TIMEOUT_MS = 500;

/** A node that answers, if possible not the leader: so it still runs when the leader is killed. */
const PREFERENCE: readonly NodeState[] = ["follower", "preCandidate", "candidate", "leader"];

/** See the module. */
export class DemoServer implements AsyncDisposable {
  readonly #options: DemoServerOptions;
  readonly #secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toHex();
  readonly #closing = new AbortController();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #host: Host | null = null;

  /** Listens on a port that is free. */
  constructor(options: DemoServerOptions) {
    this.#options = options;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: this.#closing.signal },
      (request) => this.#answer(request),
    );
  }

  /** The page's address, with the cluster's key and the secret for its buttons. */
  address(publicKey: string): string {
    return `${this.#origin}/ui/#key=${publicKey}&demo=${this.#secret}`;
  }

  /** Ends every request and gives up the port. It does not wait for open pages. */
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
    // Otherwise a page that gives its own name this machine's address could pass for this server's.
    if (origin !== this.#origin) return refuse(421, "This is another server's address");
    const [, action] = /^\/demo\/([a-z]+)$/.exec(pathname) ?? [];
    if (action !== undefined) return await this.#act(request, action);
    if (request.method !== "GET") return refuse(405, "Only GET goes to the nodes");
    return await this.#handOn(request);
  }

  async #act(request: Request, name: string): Promise<Response> {
    const origin = request.headers.get("origin");
    if (origin !== null && origin !== this.#origin) return refuse(403, "Another origin's page");
    if (!this.#hasSecret(request)) return refuse(401, "The secret in the address is needed");
    if (name === "state" && request.method === "GET") return this.#tell("");
    const wanted = new URL(request.url).searchParams.get("node");
    const node = this.#options.cluster().nodes.find(({ id }) => id === wanted);
    const act = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (request.method !== "POST" || node === undefined || act === undefined) {
      return refuse(404, "There is no such action, or no such node");
    }
    try {
      const said = await act(this.#options, node.id);
      // Otherwise a stream of a node that is paused, or that is cut off, would show an old state for ever.
      this.#findHost();
      return this.#tell(said);
    } catch (error) {
      const isForeseen = error instanceof InputError || error instanceof ClientError ||
        error instanceof EnvironmentError;
      if (isForeseen) return refuse(409, error.message);
      throw error;
    }
  }

  /** The message, and the states of all nodes. */
  #tell(said: string): Response {
    return Response.json({ said, states: Object.fromEntries(this.#options.cluster().states) });
  }

  #hasSecret({ headers }: Request): boolean {
    const given = encodeUtf8(headers.get(SECRET_HEADER) ?? "");
    const wanted = encodeUtf8(this.#secret);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  async #handOn(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const host = this.#findHost();
    if (host === null) return refuse(503, "No node answers now");
    try {
      const headers = pick(request.headers, ["accept", "if-none-match"]);
      const signal = AbortSignal.any([this.#closing.signal, host.left.signal]);
      const init = { headers, signal };
      const answer = await this.#options.fetch(`http://${host.api}${pathname}${search}`, init);
      return endingWith(signal, answer);
    } catch {
      return refuse(503, "The node did not answer");
    }
  }

  /** The node to ask from now on. Requests that wait for another node end, because that node may be out of reach. */
  #findHost(): Host | null {
    const { nodes, states } = this.#options.cluster();
    const isFit = (id: NodeId) => PREFERENCE.includes(states.get(id) ?? "down");
    if (this.#host !== null && isFit(this.#host.id)) return this.#host;
    this.#leaveHost();
    for (const wanted of PREFERENCE) {
      const found = nodes.find(({ id }) => states.get(id) === wanted);
      if (found === undefined) continue;
      const { id, api } = found;
      return this.#host = { id, api: formatAddress(api), left: new AbortController() };
    }
    return null;
  }

  #leaveHost(): void {
    this.#host?.left.abort();
    this.#host = null;
  }
}

/** The same answer, with a body that ends when `signal` aborts. */
function endingWith(signal: AbortSignal, answer: Response): Response {
  if (answer.body === null) return answer;
  return new Response(answer.body.pipeThrough(new TransformStream(), { signal }), answer);
}

/** The node that the page is from. */
interface Host {
  readonly id: NodeId;
  readonly api: string;
  /** Aborts when another node takes its place. */
  readonly left: AbortController;
}

function pick(headers: Headers, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
}

/** A refusal in the form that the page also gets from nodes. */
function refuse(status: number, detail: string): Response {
  return Response.json({ code: "demo_refused", detail }, { status });
}
