/**
 * Makes a client from addresses.
 *
 * @module
 */

import { formatAddress, parseAddress } from "../address.ts";
import { ApiClient, systemClock } from "./client.ts";
import { StoreClient } from "./store.ts";

/** The settings of {@linkcode connect}. */
export interface ConnectOptions {
  /** The token to send to every node. */
  readonly token?: string;
  /** How long to try each request; 5,000 ms by default. */
  readonly timeoutMs?: number;
  /** The function that makes requests; the runtime's own by default. */
  readonly fetch?: typeof fetch;
}

const TIMEOUT_MS_DEFAULT = 5_000;

/**
 * The store of a cluster, from the API addresses of its nodes. An address is `host:port`, optionally with
 * `https://` before it. No request is sent yet.
 *
 * @throws {InputError} when an address is invalid.
 */
export function connect(
  addresses: readonly string[],
  { token, timeoutMs = TIMEOUT_MS_DEFAULT, fetch: ask = fetch }: ConnectOptions = {},
): StoreClient {
  const endpoints = addresses.map((address) => {
    const [, scheme = "http", rest = address] = /^(https?):\/\/([^/]*)\/?$/.exec(address) ?? [];
    const label = formatAddress(parseAddress(rest));
    return { url: `${scheme}://${label}`, label, id: null };
  });
  return new StoreClient(
    new ApiClient({
      endpoints,
      timeoutMs,
      fetch: ask,
      clock: systemClock,
      tokenFor: () => token ?? null,
    }),
  );
}
