/**
 * The live screen of `floe cluster`: it collects the nodes' state, draws it, and acts on keys.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { decodeBase64, encodeHex } from "../../bytes.ts";
import { verifyCertificate } from "../../certificate/mod.ts";
import { type ApiClient, bodyOf, ClientError, StoreClient } from "../../client/mod.ts";
import { formatAddress, type PinnedClusterConfig } from "../../config/mod.ts";
import { pause } from "../../deadline.ts";
import type { NodeId } from "../../types.ts";
import { type StatusBody, statusSchema } from "../../wire/mod.ts";
import type { Terminal } from "../command.ts";
import { WriteLoad } from "./load.ts";
import type { LocalCluster, LocalNode } from "./local_cluster.ts";
import type { ClusterEvent } from "./reporter.ts";
import {
  type ElectionView,
  formatDuration,
  type NodeView,
  renderScreen,
  toTerminal,
  type VoterElsewhere,
  votersElsewhere,
} from "./screen.ts";

/** How often the screen is drawn. */
const FRAME_MS = 250;
/** How often every node is asked for its progress, and the load is counted. */
const SECOND_MS = 1_000;
/** A node that is paused does not answer; the others must not wait for it. */
const STATUS_TIMEOUT_MS = 800;
const WRITE_TIMEOUT_MS = 5_000;
/** How many of the last messages and elections are kept. */
const KEPT_MAX = 200;
/** The columns before a message: a space, the time, and two spaces. */
const MESSAGE_INDENT = 10;
/** The bytes before the signature itself in a note. */
const KEY_ID_BYTES = 4;

/** The cluster that a screen shows. */
interface LiveScreenOptions {
  readonly config: PinnedClusterConfig;
  readonly terminal: Terminal;
  /** Sends requests to these nodes. */
  readonly clientOf: (nodes: readonly LocalNode[], timeoutMs: number) => ApiClient;
  /** The founders that are members no more. */
  readonly removed: ReadonlySet<NodeId>;
  /** The page's address, for a cluster with this key. */
  readonly pageOf: (publicKey: string) => string;
  /** The nodes' processes. Called only after they were started. */
  readonly cluster: () => Controls;
}

/** The parts that keys act on. */
type Controls = Pick<
  LocalCluster,
  "nodes" | "states" | "group" | "kill" | "restart" | "pause" | "resume" | "cut" | "heal"
>;

interface ElectionSeen extends ElectionView {
  readonly note: string;
}

/** Takes the cluster's events, and draws until its user quits. */
export class LiveScreen {
  readonly #options: LiveScreenOptions;
  #status: ApiClient;
  readonly #load: WriteLoad;
  readonly #startedMs = performance.now();
  readonly #pids = new Map<string, number>();
  readonly #applied = new Map<string, number>();
  readonly #terms = new Map<string, number>();
  #elections: readonly ElectionSeen[] = [];
  #messages: readonly string[] = [];
  #elsewhere: readonly VoterElsewhere[] = [];
  #groupKey: string | null = null;
  /** How long the nodes took to make the key; the first election follows. */
  #keyMs = 0;
  /** How many must sign now. */
  #threshold: number;
  #selected: NodeId;
  #isHelpShown = false;

  /** Draws nothing yet. */
  constructor(options: LiveScreenOptions) {
    this.#options = options;
    const { config: { peers, threshold }, removed, clientOf } = options;
    this.#threshold = threshold;
    this.#status = clientOf(peers, STATUS_TIMEOUT_MS);
    this.#load = new WriteLoad(new StoreClient(clientOf(peers, WRITE_TIMEOUT_MS)));
    const [first] = peers.filter(({ id }) => !removed.has(id));
    this.#selected = assertDefined(first, "A cluster has nodes").id;
  }

  /** Takes an event of the cluster. */
  take(event: ClusterEvent): void {
    switch (event.event) {
      case "starting":
        return this.tell(`Starting ${event.nodes} nodes of ${event.cluster}`);
      case "group":
        this.#groupKey = event.publicKey;
        if (event.ms === null) return;
        this.#keyMs = event.ms;
        return this.tell(`All nodes have made the key together, ${event.ms} ms after the start`);
      case "node":
        return void this.#pids.set(event.id, event.pid);
      case "leader":
        return this.#elected(event);
      case "ready":
        return this.tell("Every node knows the leader");
      case "exit":
        return this.#exited(event);
      case "removed":
        return this.#removed(event.id);
      case "logFailed":
        return this.tell(`Cannot write ${event.path}: ${event.reason}. ${event.id} goes on.`);
      case "dropped":
      case "stopped":
        return;
      default:
        return event satisfies never;
    }
  }

  /** Draws and takes keys until its user quits, the input ends, or `stop` aborts. */
  async run(stop: AbortSignal): Promise<void> {
    const quit = new AbortController();
    const signal = AbortSignal.any([stop, quit.signal]);
    const drawing = [this.#drawFrames(signal), this.#countSeconds(signal)];
    void this.#takeKeys(quit);
    try {
      await Promise.all(drawing);
    } finally {
      quit.abort();
      this.#load.stop();
    }
  }

  async #drawFrames(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#draw();
      await pause(FRAME_MS, signal);
    }
  }

  async #countSeconds(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(SECOND_MS, signal);
      this.#load.secondPassed();
      await this.#askProgress();
    }
  }

  async #takeKeys(quit: AbortController): Promise<void> {
    for await (const key of this.#options.terminal.keys()) {
      if (key === "q") break;
      this.#press(key);
      await this.#draw();
    }
    quit.abort();
  }

  async #draw(): Promise<void> {
    const { terminal, config, cluster } = this.#options;
    const { nodes, states } = cluster();
    const view = {
      cluster: config.cluster,
      threshold: this.#threshold,
      groupKey: this.#groupKey,
      upMs: performance.now() - this.#startedMs,
      nodes: nodes.map(({ id, api }): NodeView => ({
        id,
        state: states.get(id) ?? "starting",
        term: this.#terms.get(id) ?? null,
        applied: this.#applied.get(id) ?? null,
        api: formatAddress(api),
        pid: this.#pids.get(id) ?? 0,
      })),
      elsewhere: this.#elsewhere,
      selected: this.#selected,
      elections: this.#elections,
      load: this.#load.view,
      messages: this.#messages,
      isHelpShown: this.#isHelpShown,
    };
    const lines = renderScreen(view, terminal.size());
    await terminal.draw(lines.map((line) => toTerminal(line, terminal)));
  }

  async #askProgress(): Promise<void> {
    const { nodes } = this.#options.cluster();
    if (nodes.length !== this.#status.endpoints.length) {
      this.#status = this.#options.clientOf(nodes, STATUS_TIMEOUT_MS);
    }
    const bodies: StatusBody[] = [];
    for (const result of await this.#status.askAll({ method: "GET", path: "/v1/status" })) {
      const id = result.kind === "answer" ? result.answer.endpoint.id : result.endpoint.id;
      if (id === null) continue;
      const body = result.kind === "answer" ? this.#bodyOf(result.answer) : null;
      if (body === null) {
        this.#applied.delete(id);
        continue;
      }
      this.#threshold = body.threshold;
      this.#applied.set(id, body.appliedIndex);
      this.#terms.set(id, body.term);
      bodies.push(body);
    }
    this.#elsewhere = votersElsewhere(bodies, nodes.map(({ id }) => id));
  }

  #bodyOf(answer: Parameters<typeof bodyOf>[0]): StatusBody | null {
    try {
      return bodyOf(answer, statusSchema);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      this.tell(error.message);
      return null;
    }
  }

  #press(key: string): void {
    const { nodes } = this.#options.cluster();
    const node = /^[1-9]$/.test(key) ? nodes[Number(key) - 1] : undefined;
    if (node !== undefined) return this.#killOrStart(node.id);
    switch (key) {
      case "up":
        return this.#choose(-1);
      case "down":
        return this.#choose(1);
      case "l":
        return this.#killLeader();
      case "p":
        return this.#pauseOrResume(this.#selected);
      case "x":
        return this.#cutOrHeal(this.#selected);
      case "h":
        return this.#heal();
      case "w":
        return this.#load.toggle();
      case "v":
        return this.#verifyAll();
      case "o":
        return this.#openPage();
      case "?":
        this.#isHelpShown = !this.#isHelpShown;
        return;
    }
  }

  #choose(step: number): void {
    const ids = this.#options.cluster().nodes.map(({ id }) => id);
    const at = ids.indexOf(this.#selected) + step;
    this.#selected = ids[at] ?? this.#selected;
  }

  #killOrStart(id: NodeId): void {
    const cluster = this.#options.cluster();
    if (cluster.states.get(id) === "down") {
      cluster.restart(id);
      this.tell(`${id} is started again`);
    } else {
      cluster.kill(id);
    }
  }

  #killLeader(): void {
    const cluster = this.#options.cluster();
    const [leader] = [...cluster.states].find(([, state]) => state === "leader") ?? [];
    if (leader === undefined) return this.tell("No node leads now");
    cluster.kill(leader);
  }

  #pauseOrResume(id: NodeId): void {
    const cluster = this.#options.cluster();
    const state = cluster.states.get(id);
    if (state === "down") return this.tell(`${id} is down: there is nothing to pause`);
    if (state === "paused") cluster.resume(id);
    else cluster.pause(id);
    this.tell(state === "paused" ? `${id} goes on` : `${id} is paused`);
  }

  #cutOrHeal(id: NodeId): void {
    const cluster = this.#options.cluster();
    const state = cluster.states.get(id);
    if (state === "down") return this.tell(`${id} is down: there is nothing to cut off`);
    if (state === "cut") cluster.heal(id);
    else cluster.cut(id);
    this.tell(state === "cut" ? `${id} is connected again` : `${id} is cut off from the others`);
  }

  #heal(): void {
    const cluster = this.#options.cluster();
    for (const [id, state] of cluster.states) {
      if (state === "paused") this.#pauseOrResume(id);
      else if (state === "cut") this.#cutOrHeal(id);
      else if (state === "down") this.#killOrStart(id);
    }
  }

  #verifyAll(): void {
    const { group } = this.#options.cluster();
    if (group === null) return this.tell("There is no key yet, and no certificate");
    for (const { note } of this.#elections) verifyCertificate(note, group);
    const count = this.#elections.length;
    this.tell(
      `${count} ${count === 1 ? "certificate" : "certificates"} verified under the group key`,
    );
  }

  #openPage(): void {
    if (this.#groupKey === null) return this.tell("There is no key yet to check leaders with");
    const address = this.#options.pageOf(this.#groupKey);
    const program = Deno.build.os === "darwin" ? "open" : "xdg-open";
    try {
      const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
      new Deno.Command(program, { args: [address], ...quiet }).spawn().unref();
      this.tell("A browser is asked to open the page, which is");
    } catch {
      this.tell(`${program} does not run here. The page is`);
    }
    // The whole address, on separate lines: with the key it is longer than most terminals are wide.
    const room = Math.max(1, this.#options.terminal.size().columns - MESSAGE_INDENT);
    for (let at = 0; at < address.length; at += room) this.tell(address.slice(at, at + room));
  }

  #elected(
    { id, term, ms, note }: Extract<ClusterEvent, { readonly event: "leader" }>,
  ): void {
    const tookMs = this.#elections.length === 0 ? Math.max(0, ms - this.#keyMs) : ms;
    const election = { term, leader: id, ms: tookMs, note, signature: signatureOf(note) };
    this.#elections = [election, ...this.#elections].slice(0, KEPT_MAX);
    this.tell(`${id} leads term ${term}`);
  }

  #exited({ id, code, signal, log }: Extract<ClusterEvent, { readonly event: "exit" }>): void {
    this.#applied.delete(id);
    this.tell(`${id} has ended: ${signal ?? `exit code ${code}`}`);
    if (signal === null) log.slice(-1).forEach((line) => this.tell(`  ${line}`));
  }

  #removed(id: string): void {
    for (const known of [this.#pids, this.#applied, this.#terms]) known.delete(id);
    const [first] = this.#options.cluster().nodes;
    if (this.#selected === id && first !== undefined) this.#selected = first.id;
    this.tell(`${id} was removed from the cluster`);
  }

  /** Shows a message, with the time since the start. */
  tell(text: string): void {
    const at = formatDuration(performance.now() - this.#startedMs);
    this.#messages = [...this.#messages, `${at}  ${text}`].slice(-KEPT_MAX);
  }
}

/** The 64 bytes of a note's signature in hex: they follow the 4 of the key's id. */
function signatureOf(note: string): string {
  const encoded = note.trimEnd().split(" ").at(-1) ?? "";
  return encodeHex(decodeBase64(encoded).subarray(KEY_ID_BYTES));
}
