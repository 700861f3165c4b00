/**
 * `/v1/group`: the cluster's public key in every form that a verifier asks for, and where it came from.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";
import { encodePem, encodeVerifierKey } from "../certificate/group_key.ts";
import { marginsOf } from "../margins.ts";
import type { NodeApi } from "../node/api.ts";
import { jsonResponse } from "./json.ts";
import { readQuery } from "./parameters.ts";
import { addRoute, forAnyone, type Router } from "./route.ts";
import type { GroupBody } from "./wire.ts";

/** Adds `/v1/group`. */
export function addGroupRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/group", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      return jsonResponse(groupBody(node));
    }),
  });
}

function groupBody({ group, genesis }: NodeApi): GroupBody {
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
    margins: marginsOf({ n: voters.length, threshold }),
    publicKey: encodeHex(publicKey),
    verifierKey: encodeVerifierKey(cluster, publicKey),
    pem: encodePem(publicKey),
    genesis,
  };
}
