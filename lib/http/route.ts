/**
 * Adds routes to the application: a path with its methods.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { type AuditSink, isChange, recordRequest } from "./audit.ts";
import type { Authorizer, Caller, Needs } from "./authorization.ts";
import { REQUEST_BYTES_MAX } from "./connections.ts";
import { declaredLength } from "./parameters.ts";
import { Problem } from "./problem.ts";

/**
 * Hono's own classes; `deno doc --lint` would check their documentation as if it were Floe's.
 *
 * @internal
 */
type HonoApplication = Hono;
/** @internal */
type HonoContext = Context;

/** The application that routes are added to: a Hono application. */
export type Application = HonoApplication;
/** One running request: Hono's context. */
export type RequestContext = HonoContext;

/** An application for routes, and the authorization of its requests. */
export interface Router {
  /** The application. */
  readonly app: Application;
  /** Authorizes requests. */
  readonly authorizer: Authorizer;
  /** The answer to an error. */
  readonly fail: (error: unknown, request: Request) => Response;
  /** Takes a record of each request that could change something; null for none. */
  readonly audit: AuditSink | null;
}

/** Answers an authorized request, or throws a `Problem`, a `RequestError` or an `InputError`. */
type Handler = (context: RequestContext, caller: Caller) => Response | Promise<Response>;

/** The handler of one method of a path, and the scope that it needs. */
interface Endpoint {
  readonly needs: Needs;
  readonly answer: Handler;
  /** Whether the handler reads the body itself, up to a limit of its own. */
  readonly readsBody: boolean;
}

/** The methods that a path can have. HEAD comes with GET. */
type Method = "GET" | "PUT" | "POST" | "DELETE";

/** An endpoint that needs no token, because its content is public. */
export function forAnyone(answer: Handler): Endpoint {
  return { needs: null, answer, readsBody: false };
}

/** An endpoint that needs a token with this scope. */
export function needs(scope: Exclude<Needs, null>, answer: Handler): Endpoint {
  return { needs: scope, answer, readsBody: false };
}

/** As {@linkcode needs}, but the handler reads a body, up to its own limit. */
export function needsWithBody(scope: Exclude<Needs, null>, answer: Handler): Endpoint {
  return { needs: scope, answer, readsBody: true };
}

/**
 * Adds a path. A request with a method that is not in `endpoints` is answered with 405 and the list of
 * allowed methods (RFC 9110 §15.5.6).
 */
export function addRoute(
  router: Router,
  path: string,
  endpoints: Readonly<Partial<Record<Method, Endpoint>>>,
): void {
  const { app, authorizer } = router;
  const allowed: string[] = [];
  for (const [method, { needs, answer, readsBody }] of Object.entries(endpoints)) {
    const answerOne = readsBody ? answer : withoutBody(answer);
    const admitted = (context: RequestContext) =>
      answerOne(context, authorizer.admit(context.req.raw, needs));
    app.on(method, path, (context) => respond(router, { path, answer: admitted }, context));
    allowed.push(method);
    // Hono answers HEAD with GET's handler and drops the body.
    if (method === "GET") allowed.push("HEAD");
  }
  const allow = allowed.join(", ");
  const refuse = ({ req }: RequestContext) => {
    throw new Problem(
      "method_not_allowed",
      `Cannot ${req.method} ${req.path}: allowed are ${allow}`,
      { headers: { allow } },
    );
  };
  app.all(path, (context) => respond(router, { path, answer: refuse }, context));
}

/** Answers a request, also when its route throws. Counts it, and records it if it could change something. */
export async function respond(
  { authorizer, audit, fail }: Router,
  { path, answer }: {
    readonly path: string;
    readonly answer: (context: RequestContext) => Response | Promise<Response>;
  },
  context: RequestContext,
): Promise<Response> {
  const request = context.req.raw;
  let response: Response;
  try {
    response = await answer(context);
  } catch (error) {
    response = fail(error, request);
  }
  authorizer.counters.byRoute.count(request.method, path, response.status);
  if (audit === null || !isChange(request.method, path)) return response;
  const token = authorizer.holderOf(request);
  return await recordRequest(audit, { request, route: path, token, response });
}

/** Refuses a large body when the route does not read it. */
function withoutBody(answer: Handler): Handler {
  return (context, caller) => {
    const length = declaredLength(context.req.raw);
    if (length === null || length <= REQUEST_BYTES_MAX) return answer(context, caller);
    throw new Problem(
      "request_too_large",
      `Cannot take the request: its body of ${length} bytes is above ${REQUEST_BYTES_MAX}`,
    );
  };
}
