/**
 * `GET /v1/events`: the cluster as it changes, as Server-Sent Events. The page draws only what this one stream of
 * one node sends.
 *
 * `start` names the cluster and the node. `view`, a few times a second, has the nodes as they see themselves
 * (`lib/node_view.ts`), this one first. `problem` ends the stream, and says why. There is nothing to resume: each
 * view is complete, so a client that reads slowly gets fewer views.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { type ClusterWatch, type NodeApi, VIEW_INTERVAL_MS } from "../node/mod.ts";
import { EVENTS_MEDIA_TYPE, type EventsStartBody, type EventsViewBody } from "../wire/mod.ts";
import { STREAM_STALLED_MS } from "./connections.ts";
import { readQuery } from "./parameters.ts";
import { NO_STORE, Problem, problemOf } from "./problem.ts";
import { addRoute, needs, type RequestContext, type Router } from "./route.ts";
import { type PartSource, type StreamGate, streamResponse } from "./streams.ts";

/** How often a stream's token is checked again. */
const ADMIT_INTERVAL_MS = 5_000;

/** One stream shows the whole cluster, so a page needs only one. */
export function addEventsRoute(
  router: Router,
  { node, streams }: { readonly node: NodeApi; readonly streams: StreamGate },
): void {
  addRoute(router, "/v1/events", {
    GET: needs("status", (context) => {
      readQuery(context.req.url, []);
      const admit = () => void router.authorizer.admit(context.req.raw, "status");
      return openEvents(node, { streams, admit }, context);
    }),
  });
}

function openEvents(
  node: NodeApi,
  { streams, admit }: { readonly streams: StreamGate; readonly admit: () => void },
  { req }: RequestContext,
): Response {
  const start: EventsStartBody = {
    cluster: node.group.cluster,
    id: node.status().id,
    intervalMs: VIEW_INTERVAL_MS,
  };
  const headers = { "content-type": EVENTS_MEDIA_TYPE, "x-accel-buffering": "no", ...NO_STORE };
  if (req.raw.method === "HEAD") return new Response(null, { headers });
  const leave = streams.enter();
  const source = new EventsSource({ start, watch: node.watchCluster(), admit, onEnd: leave });
  return streamResponse(req.raw, source, headers);
}

/** The settings of one stream. */
interface SourceOptions {
  readonly start: EventsStartBody;
  readonly watch: ClusterWatch;
  /** Throws when the client has lost the right to look. */
  readonly admit: () => void;
  /** Called at its end. */
  readonly onEnd: () => void;
}

class EventsSource implements PartSource {
  readonly stalledMsMax = STREAM_STALLED_MS;
  readonly #options: SourceOptions;
  #wake = Promise.withResolvers<void>();
  #viewDueMs = 0;
  #admitDueMs = performance.now() + ADMIT_INTERVAL_MS;
  #isStopped = false;
  #isOver = false;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake.resolve();
  }

  end(): void {
    this.#wake.resolve();
    this.#options.watch.end();
    this.#options.onEnd();
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#isOver) return null;
    if (this.#viewDueMs === 0) {
      this.#viewDueMs = performance.now();
      return encodeUtf8(eventText("start", this.#options.start));
    }
    await this.#rest(this.#viewDueMs - performance.now());
    // Counted from now on: a slow client does not get the views that it missed.
    this.#viewDueMs = performance.now() + VIEW_INTERVAL_MS;
    return encodeUtf8(this.#view());
  }

  #view(): string {
    try {
      if (this.#isStopped) throw new Problem("stopping", "The node is stopping");
      this.#admit();
      const body: EventsViewBody = { nodes: this.#options.watch.read() };
      return eventText("view", body);
    } catch (error) {
      this.#isOver = true;
      return eventText("problem", problemOf(error, { isWrite: false }).body);
    }
  }

  #admit(): void {
    if (performance.now() < this.#admitDueMs) return;
    this.#admitDueMs = performance.now() + ADMIT_INTERVAL_MS;
    this.#options.admit();
  }

  async #rest(ms: number): Promise<void> {
    if (ms <= 0 || this.#isStopped) return;
    const timer = setTimeout(() => this.#wake.resolve(), ms);
    await this.#wake.promise;
    clearTimeout(timer);
    this.#wake = Promise.withResolvers<void>();
  }
}

/** JSON has no line breaks, so one line of data holds the whole body. */
function eventText(event: "start" | "view" | "problem", body: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(body)}\n\n`;
}
