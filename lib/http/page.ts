/**
 * `/ui/`: the page, for people. Its files are part of the program, and are read at the first request for them.
 *
 * Every client can load it, because it contains no data: it asks the API for what it shows, with the token that
 * its reader types. Its policy allows only what it needs: scripts, styles and requests of its own origin. It
 * forbids frames, forms, and text that becomes markup.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Problem } from "./problem.ts";
import { addRoute, forAnyone, type RequestContext, type Router } from "./route.ts";

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** Adds `/ui` and what is below it. */
export function addPageRoutes(router: Router): void {
  addRoute(router, "/ui", {
    GET: forAnyone(() => new Response(null, { status: 308, headers: { location: "/ui/" } })),
  });
  addRoute(router, "/ui/:file{.+}", { GET: forAnyone(showFile) });
  addRoute(router, "/ui/", { GET: forAnyone(showFile) });
}

async function showFile({ req }: RequestContext): Promise<Response> {
  const name = req.param("file") ?? "index.html";
  const { PAGE_FILES } = await import("../ui/mod.ts");
  const text = PAGE_FILES.get(name);
  if (text === undefined) throw new Problem("not_found", `There is nothing at ${req.path}`);
  const etag = `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"`;
  const headers = {
    "content-type": MEDIA_TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "text/plain",
    // Browsers keep it, and ask each time whether it has changed: a node of another version has another page.
    "cache-control": "no-cache",
    etag,
    ...SECURITY_HEADERS,
  };
  const isKnown = req.header("if-none-match") === etag;
  return new Response(isKnown ? null : text, { status: isKnown ? 304 : 200, headers });
}
