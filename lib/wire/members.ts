/**
 * The bodies about the members of the cluster and their changes, each as one schema.
 *
 * @module
 */

import * as z from "zod";
import type { Schema } from "./store.ts";

/** Most members that one request names for one purpose: as many as a cluster has. */
export const REQUESTED_MEMBERS_MAX = 101;
/** Most characters of the reason for which a change is cancelled. */
export const CANCEL_REASON_LENGTH_MAX = 200;

const count = z.number().int().nonnegative();
const text = z.string();
const textOrNull = text.nullable();
const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();
const names = list(text);

const margins = z.object({
  crashed: count,
  lying: count,
  lyingFollowers: count,
  sharesLost: count,
  sharesToForge: count,
}).readonly();

const member = z.object({
  id: text,
  role: z.enum(["voter", "learner", "removed"]),
  identifier: count.nullable(),
  hasShare: z.boolean(),
  signingKey: textOrNull,
  channelKey: textOrNull,
  peer: textOrNull,
  api: textOrNull,
  reachable: z.boolean(),
  matchIndex: count.nullable(),
  caughtUp: z.boolean().nullable(),
}).readonly();

const step = z.object({
  kind: z.enum(["statement", "resharing"]),
  text,
  voters: names,
  learners: names,
  threshold: count,
  absent: names,
  margins,
  sparesDuring: count,
}).readonly();

const plan = z.object({
  steps: list(step),
  lying: count,
  sparesAfter: count,
  takesLastSpare: z.boolean(),
}).readonly();

const change = z.object({
  id: count,
  stepsDone: count,
  steps: list(step),
  stage: z.enum(["between", "catchingUp", "dealing", "combining", "proving", "authorizing"]),
  waitingFor: names,
  attemptsFailed: count,
  lastFailure: textOrNull,
  cancellable: z.boolean(),
}).readonly();

const endedChange = z.object({
  id: count,
  outcome: z.enum(["completed", "cancelled", "failed"]),
  reason: textOrNull,
}).readonly();

const members = z.object({
  cluster: text,
  id: text,
  leader: textOrNull,
  sequence: count,
  epoch: count,
  threshold: count,
  margins,
  members: list(member),
  change: change.nullable(),
  lastChange: endedChange.nullable(),
  trouble: textOrNull,
}).readonly();

const certificate = z.object({ byOld: text, byNew: textOrNull }).readonly();

const settings = z.object({
  timing: z.object({ heartbeatMs: count, electionTimeoutMs: count, signingTimeoutMs: count })
    .readonly(),
  log: z.object({ entriesMax: count, bytesMax: count }).readonly(),
  history: z.object({ changesMax: count, bytesMax: count, ageSecondsMax: count.nullable() })
    .readonly(),
}).readonly();

const chain = z.object({
  genesis: textOrNull,
  founding: text,
  memberships: list(certificate),
  settings,
}).readonly();

const requested = <Item extends z.ZodType>(item: Item) =>
  z.array(item).max(REQUESTED_MEMBERS_MAX).readonly().optional();

const card = z.strictObject({
  id: text,
  peer: text,
  api: text,
  etcd: text.optional(),
  signingKey: text,
  channelKey: text,
  signature: text,
}).readonly();

const update = z.strictObject({ id: text, peer: text.optional(), api: text.optional() }).readonly();

const request = z.strictObject({
  add: requested(z.strictObject({ card, learner: z.boolean().optional() }).readonly()),
  remove: requested(text),
  promote: requested(text),
  demote: requested(text),
  update: requested(z.union([card, update])),
  threshold: count.optional(),
  refresh: z.boolean().optional(),
  allowNoSpare: z.boolean().optional(),
}).readonly();

/** One member, or a former one, in `GET /v1/members`. */
export type MemberBody = z.infer<typeof member>;
/**
 * `GET /v1/members`: as the node that is asked knows the members.
 *
 * @internal
 */
export type MembersBody = z.infer<typeof members>;
/**
 * The request's body of `POST /v1/members` and `POST /v1/members/plan`.
 *
 * @internal
 */
export type MembersRequestBody = z.infer<typeof request>;
/**
 * `POST /v1/members/plan`.
 *
 * @internal
 */
export type MembersPlanBody = z.infer<typeof plan>;
/** One step of a plan. */
export type MembersStepBody = z.infer<typeof step>;
/**
 * A plan that is under way: `POST /v1/members`, and in `GET /v1/members`.
 *
 * @internal
 */
export type MembersChangeBody = z.infer<typeof change>;
/**
 * How a plan ended: `DELETE /v1/members/change`, and in `GET /v1/members`.
 *
 * @internal
 */
export type EndedMembersChangeBody = z.infer<typeof endedChange>;
/**
 * `GET /v1/members/chain`: all that the group key verifies of who belonged to the cluster.
 *
 * @internal
 */
export type MembersChainBody = z.infer<typeof chain>;

/** Reads the members and the change that is under way. */
export const membersSchema: Schema<MembersBody> = members;
/** Reads what is to be changed. */
export const membersRequestSchema: Schema<MembersRequestBody> = request;
/** Reads a plan. */
export const membersPlanSchema: Schema<MembersPlanBody> = plan;
/** Reads a plan that is under way. */
export const membersChangeSchema: Schema<MembersChangeBody> = change;
/** Reads how a plan ended. */
export const endedMembersChangeSchema: Schema<EndedMembersChangeBody> = endedChange;
/** Reads the chain of memberships. */
export const membersChainSchema: Schema<MembersChainBody> = chain;
