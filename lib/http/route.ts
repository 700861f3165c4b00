/**
 * How routes are added to the application: a path with the methods it knows.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { declaredLength } from "./body.ts";
import { REQUEST_BYTES_MAX } from "./limits.ts";
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
/** One request on its way: Hono's context. */
export type RequestContext = HonoContext;

/** Answers one request, or throws a `Problem`, a `RequestError` or an `InputError`. */
export type Handler = (context: RequestContext) => Response | Promise<Response>;

/** The methods that a path can know. HEAD comes with GET. */
export type Method = "GET" | "PUT" | "POST" | "DELETE";

/**
 * Adds a path. Every method that is not in `handlers` is answered with 405 and the list of those
 * that are (RFC 9110 §15.5.6).
 */
export function addRoute(
  app: Application,
  path: string,
  handlers: Readonly<Partial<Record<Method, Handler>>>,
): void {
  const allowed: string[] = [];
  for (const [method, handler] of Object.entries(handlers)) {
    app.on(method, path, readsBody(method) ? handler : withoutBody(handler));
    allowed.push(method);
    // Hono answers HEAD with GET's handler and drops the body.
    if (method === "GET") allowed.push("HEAD");
  }
  const allow = allowed.join(", ");
  app.all(path, (context) => {
    throw new Problem(
      "method_not_allowed",
      `Cannot ${context.req.method} ${path}: allowed are ${allow}`,
      { headers: { allow } },
    );
  });
}

/** Handlers of these methods read the body themselves, up to a limit of their own. */
function readsBody(method: string): boolean {
  return method === "PUT" || method === "POST";
}

/** A body that no one will read is let pass only while it is small. */
function withoutBody(handler: Handler): Handler {
  return (context) => {
    const length = declaredLength(context.req.raw);
    if (length === null || length <= REQUEST_BYTES_MAX) return handler(context);
    throw new Problem(
      "request_too_large",
      `Cannot take the request: its body of ${length} bytes is above ${REQUEST_BYTES_MAX}`,
    );
  };
}
