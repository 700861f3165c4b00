/**
 * `/v1/status`: how the node that is asked sees itself and its cluster.
 *
 * @module
 */

import type { Group } from "../certificate/group.ts";
import type { NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, type Application } from "./route.ts";
import type { Margins, StatusBody } from "./wire.ts";

/** Adds `/v1/status`. */
export function addStatusRoute(app: Application, node: NodeApi): void {
  addRoute(app, "/v1/status", {
    GET: (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(statusBody(node));
    },
  });
}

/** What may go wrong in a cluster of n voters of whom t must sign; n/2 < t <= n. */
export function margins(group: Pick<Group, "threshold" | "voters">): Margins {
  const n = group.voters.length;
  // Any two sets of t voters share at least 2t - n: one honest voter among them is enough.
  return { crashed: n - group.threshold, lying: 2 * group.threshold - n - 1 };
}

function statusBody(node: NodeApi): StatusBody {
  const { cluster, epoch, threshold, voters } = node.group;
  return {
    cluster,
    epoch,
    threshold,
    n: voters.length,
    margins: margins(node.group),
    ...node.status(),
  };
}
