/**
 * A client of addresses.
 *
 * @module
 */

import { formatAddress, parseAddress } from "../address.ts";
import { ApiClient, systemClock } from "./client.ts";
import { StoreClient } from "./store.ts";

/** How a cluster is reached. */
export interface ConnectOptions {
  /** The token to send to every node. */
  readonly token?: string;
  /** How long to try each request; 5,000 ms by default. */
  readonly timeoutMs?: number;
  /** How requests are made; the runtime's own by default. */
  readonly fetch?: typeof fetch;
}

const TIMEOUT_MS_DEFAULT = 5_000;

/**
 * The store of the cluster whose nodes have their API at these addresses: `host:port`, which may have
 * `https://` before it. It asks nothing yet.
 *
 * @throws {InputError} when one of them is no address.
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
