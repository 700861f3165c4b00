/**
 * `/v1/leader`: who leads, with the proof.
 *
 * @module
 */

import type { LeaderAnswer, NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readNodeId, readQuery } from "./parameters.ts";
import { addRoute, forAnyone, needs, type RequestContext, type Router } from "./route.ts";
import type { LeaderBody, TransferBody } from "./wire.ts";

/** Adds `/v1/leader` and `/v1/leader/transfer`. */
export function addLeaderRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/leader", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      return jsonResponse(leaderBody(node.leader()));
    }),
  });
  addRoute(router, "/v1/leader/transfer", {
    POST: needs("admin", (context) => transfer(node, context)),
  });
}

/** `?target=ID`, or none for the follower whose log is furthest. */
async function transfer(node: NodeApi, context: RequestContext): Promise<Response> {
  const { target } = readQuery(context.req.url, ["target"]);
  const from = node.leader().leader;
  const leader = await node.transferLeadership(target === undefined ? null : readNodeId(target));
  return jsonResponse({ from, leader } satisfies TransferBody);
}

function leaderBody(answer: LeaderAnswer): LeaderBody {
  const { leader, term, api, certificate } = answer;
  return { leader, term, api, certificate: certificate?.note ?? null };
}
