/**
 * `/v1/dkg`: how the node that is asked came, or is coming, by its key. It answers from the process's
 * start on, before there is anything else to ask for.
 *
 * @module
 */

import type { NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, forAnyone, type Router } from "./route.ts";
import type { DkgBody } from "./wire.ts";

/** Adds `/v1/dkg`. */
export function addKeyGenerationRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/dkg", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      return jsonResponse(node.keyGeneration() satisfies DkgBody);
    }),
  });
}
