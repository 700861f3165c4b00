/**
 * JSON responses.
 *
 * @module
 */

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
  return new Response(JSON.stringify(body) + "\n", {
    status: options.status ?? 200,
    headers: options.headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...options.headers },
  });
}
