/**
 * `/v1/leader`: who leads, with the proof.
 *
 * @module
 */

import type { LeaderAnswer, NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, type Application } from "./route.ts";
import type { LeaderBody } from "./wire.ts";

/** Adds `/v1/leader`. */
export function addLeaderRoute(app: Application, node: NodeApi): void {
  addRoute(app, "/v1/leader", {
    GET: (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(leaderBody(node.leader()));
    },
  });
}

function leaderBody(answer: LeaderAnswer): LeaderBody {
  const { leader, term, api, certificate } = answer;
  return { leader, term, api, certificate: certificate?.note ?? null };
}
