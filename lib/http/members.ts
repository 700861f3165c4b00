/**
 * `/v1/members`: the members of the cluster, their changes, and the certificates that prove them.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";
import { parseAddress, type PeerCard, readPeerCard } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import { marginsOf } from "../margins.ts";
import type {
  EndedMembersChange,
  MemberCard,
  MembersChange,
  MembersRequest,
  MembersStep,
  MemberStatus,
  NodeApi,
} from "../node/mod.ts";
import { type NodeId, toNodeId } from "../types.ts";
import {
  CANCEL_REASON_LENGTH_MAX,
  type EndedMembersChangeBody,
  type MemberBody,
  type MembersBody,
  type MembersChainBody,
  type MembersChangeBody,
  type MembersPlanBody,
  type MembersRequestBody,
  membersRequestSchema,
  type MembersStepBody,
} from "../wire/mod.ts";
import { MEMBERS_BODY_BYTES_MAX, type RequestGate, throughGate } from "./connections.ts";
import { respondWithNotes } from "./notes.ts";
import { readJson, readQuery, readTimeoutMs } from "./parameters.ts";
import { jsonResponse, Problem } from "./problem.ts";
import {
  addRoute,
  forAnyone,
  needs,
  needsWithBody,
  type RequestContext,
  type Router,
} from "./route.ts";

/** Adds the routes of the members. Changes need the scope `admin`; the chain is public. */
export function addMemberRoutes(
  router: Router,
  { node, gate }: { readonly node: NodeApi; readonly gate: RequestGate },
): void {
  const gated = (answer: (context: RequestContext) => Promise<Response>) =>
  (
    context: RequestContext,
  ) => throughGate(gate, MEMBERS_BODY_BYTES_MAX, () => answer(context));
  addRoute(router, "/v1/members", {
    GET: needs("status", (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(membersBody(node));
    }),
    POST: needsWithBody("admin", gated((context) => change(node, context))),
  });
  addRoute(router, "/v1/members/plan", {
    POST: needsWithBody("admin", gated((context) => plan(node, context))),
  });
  addRoute(router, "/v1/members/change", {
    DELETE: needs("admin", gated((context) => cancel(node, context))),
  });
  addRoute(router, "/v1/members/chain", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      const body: MembersChainBody = node.membershipChain();
      const none = "There is no genesis and no membership yet: a dealer made the key";
      return respondWithNotes(context, { body, notes: notesOf(body), none });
    }),
  });
}

/** The genesis, then each membership with both its signatures. */
function notesOf({ genesis, memberships }: MembersChainBody): readonly string[] {
  const notes = [genesis, ...memberships.flatMap(({ byOld, byNew }) => [byOld, byNew])];
  return notes.filter((note) => note !== null);
}

async function change(node: NodeApi, context: RequestContext): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const request = await readRequest(node, context);
  return jsonResponse(changeBody(await node.changeMembers(request, { timeoutMs })));
}

async function plan(node: NodeApi, context: RequestContext): Promise<Response> {
  readQuery(context.req.url, []);
  const { steps, ...margins } = node.planMembers(await readRequest(node, context));
  return jsonResponse({ steps: steps.map(stepBody), ...margins } satisfies MembersPlanBody);
}

const REASON_PATTERN = new RegExp(`^[ -~]{1,${CANCEL_REASON_LENGTH_MAX}}$`);

async function cancel(node: NodeApi, context: RequestContext): Promise<Response> {
  const query = readQuery(context.req.url, ["reason", "timeoutMs"]);
  const { reason = "an operator cancelled it" } = query;
  if (!REASON_PATTERN.test(reason)) {
    throw new Problem(
      "invalid_parameter",
      `Cannot read reason: it is not 1 to ${CANCEL_REASON_LENGTH_MAX} printable ASCII characters`,
    );
  }
  const ended = await node.cancelMembers(reason, { timeoutMs: readTimeoutMs(query) });
  return jsonResponse(ended satisfies EndedMembersChangeBody);
}

const REQUEST = {
  what: "change of the members",
  schema: membersRequestSchema,
  bytesMax: MEMBERS_BODY_BYTES_MAX,
};

/** @throws {InputError} for a body that asks for no change, or for an impossible one. */
async function readRequest(node: NodeApi, { req }: RequestContext): Promise<MembersRequest> {
  const body = await readJson(req.raw, REQUEST);
  const { add, remove, promote, demote, update, threshold, refresh, allowNoSpare } = body;
  const request = {
    ...(add === undefined ? {} : {
      add: add.map(({ card, learner }) => ({
        card: readCard(card),
        isLearner: learner === true,
      })),
    }),
    ...toIds({ remove, promote, demote }),
    ...(update === undefined ? {} : { update: update.map((one) => toUpdate(node, one)) }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(refresh === undefined ? {} : { refresh }),
  };
  if (Object.keys(request).length > 0) {
    return allowNoSpare === undefined ? request : { ...request, allowNoSpare };
  }
  throw new InputError("Cannot read change of the members: it asks for nothing");
}

function readCard(card: NonNullable<MembersRequestBody["add"]>[number]["card"]): PeerCard {
  return readPeerCard(card, card.id);
}

function toIds(
  lists: Readonly<Record<"remove" | "promote" | "demote", readonly string[] | undefined>>,
): Readonly<Partial<Record<"remove" | "promote" | "demote", readonly NodeId[]>>> {
  const given = Object.entries(lists).flatMap(([name, ids]) =>
    ids === undefined ? [] : [[name, ids.map(toNodeId)]]
  );
  return Object.fromEntries(given);
}

/** A member as its new card says, or as it is but with other addresses. */
function toUpdate(
  node: NodeApi,
  update: NonNullable<MembersRequestBody["update"]>[number],
): MemberCard {
  if ("signature" in update) return readCard(update);
  const { id, peer, api } = update;
  const member = node.members().members.find((known) => known.id === id);
  if (member === undefined) {
    throw new Problem("members_refused", `Cannot update ${id}: no such member`);
  }
  if (peer === undefined && api === undefined) {
    throw new InputError(`Cannot update ${id}: there is neither a peer nor an api address`);
  }
  return withAddresses(member, { peer, api });
}

function withAddresses(
  { id, identityKey, channelKey, peerAddress, apiAddress }: MemberStatus,
  { peer = peerAddress, api = apiAddress }: {
    readonly peer: string | null | undefined;
    readonly api: string | null | undefined;
  },
): MemberCard {
  if (identityKey === null || channelKey === null) {
    throw new Problem("members_refused", `Cannot update ${id}: it was removed`);
  }
  if (peer === null || api === null) {
    throw new Problem("members_refused", `Cannot update ${id}: give both its addresses`);
  }
  const keys = { signingKey: identityKey, channelKey };
  return { id, keys, peer: readAddress("peer", peer), api: readAddress("api", api) };
}

function readAddress(name: string, address: string): MemberCard["peer"] {
  return catching(InputError, () => parseAddress(address), (cause) => {
    throw new InputError(`Cannot read ${name}: ${cause.message}`, { cause });
  });
}

function membersBody(node: NodeApi): MembersBody {
  const { cluster } = node.group;
  const { members, change: current, lastChange, ...status } = node.members();
  const n = members.filter(({ role }) => role === "voter").length;
  return {
    cluster,
    id: node.status().id,
    leader: node.leader().leader,
    ...status,
    margins: marginsOf({ n, threshold: status.threshold }),
    members: members.map(memberBody),
    change: current === null ? null : changeBody(current),
    lastChange: lastChange satisfies EndedMembersChange | null,
  };
}

function memberBody(member: MemberStatus): MemberBody {
  const { id, role, identifier, hasShare, identityKey, channelKey, matchIndex } = member;
  return {
    ...{ id, role, identifier, hasShare },
    signingKey: identityKey === null ? null : encodeHex(identityKey),
    channelKey: channelKey === null ? null : encodeHex(channelKey),
    peer: member.peerAddress,
    api: member.apiAddress,
    reachable: member.isReachable,
    matchIndex,
    caughtUp: member.isCaughtUp,
  };
}

function changeBody({ steps, isCancellable, ...change }: MembersChange): MembersChangeBody {
  return { ...change, steps: steps.map(stepBody), cancellable: isCancellable };
}

function stepBody({ kind, text, ...step }: MembersStep): MembersStepBody {
  return { kind, text, ...step };
}
