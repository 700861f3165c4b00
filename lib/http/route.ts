/**
 * Adds routes to the application: a path with its methods.
 *
 * @module
 */

import type { Context, Hono } from "hono";
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
  { app, authorizer }: Router,
  path: string,
  endpoints: Readonly<Partial<Record<Method, Endpoint>>>,
): void {
  const allowed: string[] = [];
  for (const [method, { needs, answer, readsBody }] of Object.entries(endpoints)) {
    const answerOne = readsBody ? answer : withoutBody(answer);
    app.on(method, path, (context) => answerOne(context, authorizer.admit(context.req.raw, needs)));
    allowed.push(method);
    // Hono answers HEAD with GET's handler and drops the body.
    if (method === "GET") allowed.push("HEAD");
  }
  const allow = allowed.join(", ");
  app.all(path, (context) => {
    throw new Problem(
      "method_not_allowed",
      `Cannot ${context.req.method} ${context.req.path}: allowed are ${allow}`,
      { headers: { allow } },
    );
  });
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
