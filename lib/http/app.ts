/**
 * The API as one application: its routes, and what happens to requests that none of them answers.
 *
 * @module
 */

import { Hono } from "hono";
import { cors } from "hono/cors";
import type { AnswerGate, EtcdChange } from "../etcd/mod.ts";
import { type KeyGenerationReport, type NodeApi, RequestError } from "../node/mod.ts";
import { type AuditSink, recordOfEtcd } from "./audit.ts";
import { Authorizer } from "./authorization.ts";
import {
  addDescriptionRoute,
  addElectionRoutes,
  addEvidenceRoute,
  addGroupRoute,
  addHealthRoutes,
  addKeyGenerationRoute,
  addLeaderRoute,
  addStatusRoute,
  whyNoKey,
  whyNotReady,
} from "./cluster_routes.ts";
import { addEtcdRoutes, type EtcdPlace } from "./etcd_gateway.ts";
import { EVENT_STREAMS_MAX, RANGES_ACTIVE_MAX, RequestGate, WATCHES_MAX } from "./connections.ts";
import { addEventsRoute } from "./events.ts";
import { addKeyValueRoutes } from "./kv.ts";
import { addLeaseRoutes } from "./leases.ts";
import { addMemberRoutes } from "./members.ts";
import { addMetricsRoute } from "./metrics.ts";
import { isForeseen, Problem, problemResponse } from "./problem.ts";
import { addPageRoutes } from "./page.ts";
import { addRangeRoutes } from "./ranges.ts";
import { type Application, type RequestContext, respond, type Router } from "./route.ts";
import { addSnapshotRoute } from "./snapshots.ts";
import { StreamGate } from "./streams.ts";
import { addTokenRoutes } from "./tokens.ts";
import { addTransactionRoutes } from "./transactions.ts";
import { addWatchRoutes } from "./watches.ts";

/** What an application may be given besides its node. */
export interface AppOptions {
  /** The bound on requests under way; by default one with the limits of `connections.ts`. */
  readonly gate?: RequestGate;
  /** Authorizes requests; by default those that come over loopback, without tokens. */
  readonly authorizer?: Authorizer;
  /** How long a value may take to arrive; by default as long as `connections.ts` says. */
  readonly bodyTimeoutMs?: number;
  /** Most watches at once; by default as many as `connections.ts` says. */
  readonly watchesMax?: number;
  /** How often a watch sends its progress; by default as often as `connections.ts` says. */
  readonly watchProgressMs?: number;
  /** Counts the answers that etcd's clients have not read. */
  readonly etcdAnswers?: AnswerGate;
  /** The node's place in its cluster, for etcd's clients. Without it, they are not served. */
  readonly etcd?: EtcdPlace;
  /** Called with a record of each request that could change something. It must neither throw nor wait. */
  readonly audit?: AuditSink;
  /** Called with every unexpected error; the client sees it as `internal_error`. */
  readonly onError?: (error: unknown) => void;
}

/** A node. While it has no key, it is a function that reports the progress of key generation. */
export type ServedNode = NodeApi | (() => KeyGenerationReport);

/** Builds the API of one node. Its only state is that of running requests. */
export function createApp(node: NodeApi, options: AppOptions = {}): Application {
  const authorizer = options.authorizer ?? new Authorizer({ node, access: { kind: "local" } });
  const router = createRouter({ ...options, authorizer });
  const { app } = router;
  const gate = options.gate ?? new RequestGate();
  addRangeRoutes(router, { node, gate, ranges: new StreamGate(RANGES_ACTIVE_MAX, tooManyRanges) });
  addKeyValueRoutes(router, { ...options, node, gate });
  addTransactionRoutes(router, { ...options, node, gate });
  addWatchRoutes(router, {
    ...options,
    node,
    watches: new StreamGate(options.watchesMax ?? WATCHES_MAX, tooManyWatches),
  });
  addLeaseRoutes(router, { node, gate });
  addTokenRoutes(router, { node, gate });
  addMemberRoutes(router, { node, gate });
  addSnapshotRoute(router, node);
  addStatusRoute(router, node);
  addMetricsRoute(router, node);
  addLeaderRoute(router, node);
  addElectionRoutes(router, node);
  addEvidenceRoute(router, node);
  addGroupRoute(router, node);
  addKeyGenerationRoute(router, () => node.keyGeneration());
  addDescriptionRoute(router);
  addHealthRoutes(router, () => whyNotReady(node.status()));
  addEventsRoute(router, { node, streams: new StreamGate(EVENT_STREAMS_MAX, tooManyStreams) });
  addPageRoutes(router);
  if (options.etcd !== undefined) {
    const { audit, ...others } = options;
    const sink = audit === undefined ? {} : {
      audit: (change: EtcdChange) => audit(recordOfEtcd(change)),
    };
    addEtcdRoutes(router, { ...others, ...options.etcd, ...sink, node, gate });
  }
  app.notFound((context) => {
    const answer = ({ req }: RequestContext) => {
      throw new Problem("not_found", `There is nothing at ${req.path}`);
    };
    return respond(router, { path: NO_ROUTE, answer }, context);
  });
  return app;
}

/** Builds the API of a node without a key: its progress, its health, and `no_key` for all other requests. */
export function createKeylessApp(
  report: () => KeyGenerationReport,
  options: AppOptions & { readonly authorizer: Authorizer },
): Application {
  const router = createRouter(options);
  const { app } = router;
  addKeyGenerationRoute(router, report);
  addDescriptionRoute(router);
  addHealthRoutes(router, () => whyNoKey(report()));
  addPageRoutes(router);
  app.all("*", (context) => {
    router.authorizer.admit(context.req.raw, null);
    throw noKey(report());
  });
  return app;
}

function noKey({ cluster, waitingFor }: KeyGenerationReport): RequestError {
  const names = waitingFor.map(({ id }) => id).join(", ");
  const wait = names === "" ? "" : ` This node waits for ${names}.`;
  const message = `${cluster} has no key yet: its nodes are making it.${wait} ` +
    "See floe dkg status, or GET /v1/dkg";
  return new RequestError("no_key", message, { maybeApplied: false });
}

/** The route of requests whose path is none of the API's. */
const NO_ROUTE = "none";

function createRouter(
  { authorizer, audit, onError }: AppOptions & { readonly authorizer: Authorizer },
): Router {
  const app = new Hono({ getPath: pathOf });
  const fail = (error: unknown, request: Request) => {
    if (!isForeseen(error)) onError?.(error);
    return problemResponse(error, request);
  };
  const router = { app, authorizer, fail, audit: audit ?? null };
  allowOrigins(router);
  app.onError((error, context) => fail(error, context.req.raw));
  return router;
}

function tooManyRanges(max: number): Problem {
  return new Problem(
    "overloaded",
    `Cannot send the range: ${max} are being sent, the most at once`,
  );
}

function tooManyStreams(max: number): Problem {
  return new Problem(
    "overloaded",
    `Cannot show the cluster: ${max} streams of events are open, the most at once`,
  );
}

function tooManyWatches(max: number): Problem {
  return new Problem(
    "too_many_watches",
    `Cannot watch: there are ${max} watches, the most at once`,
  );
}

/**
 * The path as the client sent it. Routes match it before it is decoded, and `readKey` decodes the key once.
 * So a key is never taken for another path.
 */
function pathOf(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const end = url.slice(start).search(/[?#]/);
  return end < 0 ? url.slice(start) : url.slice(start, start + end);
}

/** How long a browser may remember the answer to a preflight request. */
const ALLOWED_SECONDS = 600;

const REQUEST_HEADERS = [
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "last-event-id",
];

const RESPONSE_HEADERS = [
  "etag",
  "floe-create-revision",
  "floe-lease",
  "floe-mod-revision",
  "floe-revision",
  "floe-version",
  "idempotency-replayed",
  "retry-after",
];

/**
 * Answers browsers' preflight requests for the allowed origins, before any route. If no origin is allowed, no
 * header of the protocol is ever sent.
 */
function allowOrigins({ app, authorizer }: Router): void {
  if (authorizer.origins.length === 0) return;
  app.use(cors({
    origin: [...authorizer.origins],
    allowMethods: ["GET", "HEAD", "PUT", "POST", "DELETE"],
    allowHeaders: REQUEST_HEADERS,
    exposeHeaders: RESPONSE_HEADERS,
    maxAge: ALLOWED_SECONDS,
  }));
}
