/**
 * `/v1/elections` and `/v1/elections/{term}`: every election that the node holds a certificate of.
 *
 * @module
 */

import { accepts } from "hono/accepts";
import { encodeUtf8 } from "../bytes.ts";
import type { Certificate } from "../certificate/certifier.ts";
import type { NodeApi } from "../node/api.ts";
import { toTerm } from "../types.ts";
import { jsonResponse, lengthHeader, NO_STORE } from "./json.ts";
import { ELECTIONS_LIMIT_DEFAULT, ELECTIONS_LIMIT_MAX } from "./limits.ts";
import { readCount, readQuery } from "./parameters.ts";
import { Problem } from "./problem.ts";
import { addRoute, forAnyone, type RequestContext, type Router } from "./route.ts";
import type { ElectionBody, ElectionsBody } from "./wire.ts";

/** Adds `/v1/elections` and `/v1/elections/{term}`. */
export function addElectionRoutes(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/elections", { GET: forAnyone((context) => listElections(node, context)) });
  addRoute(router, "/v1/elections/:term", {
    GET: forAnyone((context) => showElection(node, context)),
  });
}

function listElections(node: NodeApi, context: RequestContext): Response {
  const query = readQuery(context.req.url, ["limit", "before"]);
  const limit = readCount(query, "limit", { least: 1, most: ELECTIONS_LIMIT_MAX }) ??
    ELECTIONS_LIMIT_DEFAULT;
  const before = readCount(query, "before", { least: 0, most: Number.MAX_SAFE_INTEGER });
  // One more than asked for tells whether another page follows.
  const found = node.elections({
    limit: limit + 1,
    ...(before === null ? {} : { before: toTerm(before) }),
  });
  const elections = found.slice(0, limit).map(electionBody);
  const nextBefore = found.length > limit ? elections.at(-1)?.term ?? null : null;
  return jsonResponse({ elections, nextBefore } satisfies ElectionsBody);
}

function showElection(node: NodeApi, context: RequestContext): Response {
  const query = { ...readQuery(context.req.url, []), term: context.req.param("term") ?? "" };
  const range = { least: 0, most: Number.MAX_SAFE_INTEGER };
  const term = toTerm(readCount(query, "term", range));
  const certificate = node.election(term);
  if (certificate === null) {
    throw new Problem("election_not_found", `This node holds no certificate of term ${term}`);
  }
  return wantsNote(context)
    ? noteResponse(certificate.note)
    : jsonResponse(electionBody(certificate), { headers: { vary: "accept" } });
}

function wantsNote(context: RequestContext): boolean {
  const supports = ["application/json", "text/plain"];
  return accepts(context, { header: "Accept", supports, default: "application/json" }) ===
    "text/plain";
}

/** The bare signed note, byte for byte what was signed and by whom. */
function noteResponse(note: string): Response {
  const bytes = encodeUtf8(note);
  return new Response(bytes, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "vary": "accept",
      ...lengthHeader(bytes),
      ...NO_STORE,
    },
  });
}

function electionBody(certificate: Certificate): ElectionBody {
  const { term, leader, epoch, lastLogIndex, lastLogTerm, note } = certificate;
  return { term, leader, epoch, lastLogIndex, lastLogTerm, certificate: note };
}
