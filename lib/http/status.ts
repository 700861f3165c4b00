/**
 * `/v1/status`: how the node that is asked sees itself and its cluster.
 *
 * @module
 */

import { marginsOf } from "../margins.ts";
import type { NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, type Application } from "./route.ts";
import type { StatusBody } from "./wire.ts";

/** Adds `/v1/status`. */
export function addStatusRoute(app: Application, node: NodeApi): void {
  addRoute(app, "/v1/status", {
    GET: (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(statusBody(node));
    },
  });
}

function statusBody(node: NodeApi): StatusBody {
  const { cluster, epoch, threshold, voters } = node.group;
  const n = voters.length;
  return {
    cluster,
    epoch,
    threshold,
    n,
    margins: marginsOf({ n, threshold }),
    ...node.status(),
  };
}
