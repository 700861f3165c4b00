/**
 * `GET /v1/snapshot`: the whole state as one file, as `floe snapshot` saves it.
 *
 * @module
 */

import type { NodeApi, SnapshotInMaking } from "../node/mod.ts";
import { STREAM_STALLED_MS } from "./connections.ts";
import { readQuery, readTimeoutMs } from "./parameters.ts";
import { NO_STORE, Problem } from "./problem.ts";
import { addRoute, needs, type Router } from "./route.ts";
import { type PartSource, streamResponse } from "./streams.ts";

/** Needs the scope `admin`, which can read everything, even if the token has prefixes. */
export function addSnapshotRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/snapshot", {
    GET: needs("admin", async ({ req: { raw, url } }) => {
      const timeoutMs = readTimeoutMs(readQuery(url, ["timeoutMs"]));
      const headers = { "content-type": "application/octet-stream", ...NO_STORE };
      if (raw.method === "HEAD") return new Response(null, { headers });
      const snapshot = await node.saveSnapshot({ timeoutMs });
      return streamResponse(raw, new SnapshotSource(snapshot), headers);
    }),
  });
}

/** The answer begins before the snapshot is made, because making it can take longer than a client waits. */
class SnapshotSource implements PartSource {
  readonly stalledMsMax = STREAM_STALLED_MS;
  readonly #snapshot: SnapshotInMaking;
  #isStopped = false;

  constructor(snapshot: SnapshotInMaking) {
    this.#snapshot = snapshot;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const snapshot = await this.#snapshot.made;
    if (this.#isStopped) throw new Problem("stopping", "The node is stopping");
    return await snapshot.next();
  }

  stop(): void {
    this.#isStopped = true;
  }

  end(): void {
    // A snapshot that could not be made does not need to be closed.
    this.#snapshot.made.then((snapshot) => snapshot.close(), () => {});
  }
}
