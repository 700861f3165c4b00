/**
 * `/v1/group`: the cluster's public key in every form that a verifier asks for.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";
import type { Group } from "../certificate/group.ts";
import { encodePem, encodeVerifierKey } from "../certificate/group_key.ts";
import type { NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, type Application } from "./route.ts";
import type { GroupBody } from "./wire.ts";

/** Adds `/v1/group`. */
export function addGroupRoute(app: Application, node: NodeApi): void {
  addRoute(app, "/v1/group", {
    GET: (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(groupBody(node.group));
    },
  });
}

function groupBody(group: Group): GroupBody {
  const { cluster, epoch, threshold, publicKey } = group;
  const voters = group.voters.map(({ id, identifier, verifyingShare }) => ({
    id,
    identifier,
    verifyingShare: encodeHex(verifyingShare),
  }));
  return {
    cluster,
    epoch,
    threshold,
    voters,
    publicKey: encodeHex(publicKey),
    verifierKey: encodeVerifierKey(cluster, publicKey),
    pem: encodePem(publicKey),
  };
}
