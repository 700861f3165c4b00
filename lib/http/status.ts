/**
 * `/v1/status`: how the node that is asked sees itself and its cluster.
 *
 * @module
 */

import { marginsOf } from "../margins.ts";
import type { NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, needs, type Router } from "./route.ts";
import type { StatusBody } from "./wire.ts";

/** Adds `/v1/status`. */
export function addStatusRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/status", {
    GET: needs("read", (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(statusBody(node, router.door.counters.counts));
    }),
  });
}

function statusBody(node: NodeApi, apiCounters: StatusBody["counters"]): StatusBody {
  const { cluster, epoch, threshold, voters } = node.group;
  const n = voters.length;
  const { counters, ...status } = node.status();
  return {
    cluster,
    epoch,
    threshold,
    n,
    margins: marginsOf({ n, threshold }),
    ...status,
    counters: { ...counters, ...apiCounters },
  };
}
