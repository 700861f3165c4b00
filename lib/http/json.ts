/**
 * JSON responses.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";

/**
 * Most answers are true only now; none may come out of a cache between the node and its client.
 */
export const NO_STORE = { "cache-control": "no-store" } as const;

const JSON_HEADERS = { "content-type": "application/json", ...NO_STORE } as const;

/** `body` as JSON that ends in a newline, so that it is kind to terminals and to line tools. */
export function jsonResponse(
  body: unknown,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): Response {
  const bytes = encodeUtf8(JSON.stringify(body) + "\n");
  return new Response(bytes, {
    status: options.status ?? 200,
    headers: { ...JSON_HEADERS, ...lengthHeader(bytes), ...options.headers },
  });
}

/** Said outright, because an answer to HEAD has no body left to count (RFC 9110 §8.6). */
export function lengthHeader(bytes: Uint8Array): Readonly<Record<string, string>> {
  return { "content-length": String(bytes.length) };
}
