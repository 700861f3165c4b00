/**
 * What pages of other origins may do (the Fetch Standard's CORS protocol): nothing, unless an operator
 * has named their origin.
 *
 * @module
 */

import { cors } from "hono/cors";
import type { Router } from "./route.ts";

/** How long a browser may remember what it was allowed. */
const ALLOWED_SECONDS = 600;

const REQUEST_HEADERS = [
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-none-match",
];

const RESPONSE_HEADERS = [
  "etag",
  "floe-create-revision",
  "floe-mod-revision",
  "floe-revision",
  "floe-version",
  "idempotency-replayed",
  "retry-after",
];

/**
 * Answers the browsers' questions on behalf of the origins that the door lets in, before any route.
 * Where there are none, no header of the protocol is ever sent.
 */
export function allowOrigins({ app, door }: Router): void {
  if (door.origins.length === 0) return;
  app.use(cors({
    origin: [...door.origins],
    allowMethods: ["GET", "HEAD", "PUT", "POST", "DELETE"],
    allowHeaders: REQUEST_HEADERS,
    exposeHeaders: RESPONSE_HEADERS,
    maxAge: ALLOWED_SECONDS,
  }));
}
