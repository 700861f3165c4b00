/**
 * `/v1/dkg`: how the node that is asked came, or is coming, by its key. It answers from the process's
 * start on, before there is anything else to ask for.
 *
 * @module
 */

import type { NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, type Application } from "./route.ts";
import type { DkgBody } from "./wire.ts";

/** Adds `/v1/dkg`. */
export function addKeyGenerationRoute(app: Application, node: NodeApi): void {
  addRoute(app, "/v1/dkg", {
    GET: (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(node.keyGeneration() satisfies DkgBody);
    },
  });
}
