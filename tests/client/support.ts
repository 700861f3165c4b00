/**
 * Clients of nodes that are in this process.
 *
 * @module
 */

import { ApiClient, type Clock } from "../../lib/client/client.ts";
import { StoreClient } from "../../lib/client/store.ts";
import type { NodeApi } from "../../lib/node/api.ts";
import { openApp } from "../http/fake_node.ts";

/** A node, or what answers in its place. */
export type Host = NodeApi | ((request: Request) => Response | Promise<Response>);

/** A client of these hosts, with what it asked, and a clock for which nobody waits. */
export function openStore(...hosts: readonly Host[]): {
  readonly store: StoreClient;
  readonly requests: readonly Request[];
} {
  const answers = hosts.map((host) => {
    if (typeof host === "function") return host;
    const app = openApp(host);
    return (request: Request) => app.fetch(request);
  });
  const requests: Request[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    delay: (milliseconds) => {
      now += milliseconds;
      return Promise.resolve();
    },
  };
  const client = new ApiClient({
    endpoints: hosts.map((_, at) => ({ url: `http://${at}.test`, label: `${at}`, id: null })),
    timeoutMs: 5_000,
    clock,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      requests.push(request);
      const at = Number(new URL(request.url).hostname.split(".")[0]);
      const answer = answers[at];
      if (answer === undefined) throw new TypeError("client error (Connect): nobody");
      return await answer(request);
    },
  });
  return { store: new StoreClient(client), requests };
}

/** Everything that comes. */
export async function all<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}
