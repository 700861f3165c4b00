/**
 * The bodies about the cluster and its tokens, each as one schema.
 *
 * @module
 */

import * as z from "zod";
import { TOKEN_SCOPES } from "../kv/mod.ts";
import { nodeViewSchema } from "../node_view.ts";
import type { Schema } from "./store.ts";

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

const status = z.object({
  cluster: text,
  epoch: count,
  threshold: count,
  n: count,
  margins,
  id: text,
  role: z.enum(["follower", "preCandidate", "candidate", "leader"]),
  term: count,
  leader: textOrNull,
  commitIndex: count,
  leaderCommitIndex: count.nullable(),
  appliedIndex: count,
  revision: count,
  compactedRevision: count,
  lastLogIndex: count,
  trouble: textOrNull,
  uptimeMs: z.number().nonnegative(),
  peers: list(
    z.object({ id: text, connected: z.boolean(), matchIndex: count.nullable() }).readonly(),
  ),
  counters: z.record(text, z.number()).readonly(),
}).readonly();

const leader = z.object({
  leader: textOrNull,
  term: count,
  api: textOrNull,
  certificate: textOrNull,
})
  .readonly();

const transfer = z.object({ from: textOrNull, leader: text }).readonly();

const election = z.object({
  term: count,
  leader: text,
  epoch: count,
  lastLogIndex: count,
  lastLogTerm: count,
  certificate: text,
}).readonly();

const elections = z.object({ elections: list(election), nextBefore: count.nullable() }).readonly();

const signedLeader = z.object({ leader: text, epoch: count, certificate: text }).readonly();

const evidence = z.object({
  twoLeaders: list(
    z.object({ term: count, first: signedLeader, second: signedLeader, noticedAt: count })
      .readonly(),
  ),
  refused: z.object({
    count,
    last: z.object({ from: text, term: count, reason: text, refusedAt: count }).readonly()
      .nullable(),
  }).readonly(),
}).readonly();

const group = z.object({
  cluster: text,
  epoch: count,
  threshold: count,
  voters: list(z.object({ id: text, identifier: count, verifyingShare: text }).readonly()),
  margins,
  publicKey: text,
  verifierKey: text,
  pem: text,
  genesis: textOrNull,
}).readonly();

const KEY_PHASES = [
  "connecting",
  "betweenAttempts",
  "roundOne",
  "roundTwo",
  "ready",
  "signed",
  "finished",
  "shareLost",
  "exhausted",
  "dealt",
] as const;

const AWAITED_STEPS = [
  "connection",
  "configuration",
  "roundOne",
  "roundTwo",
  "ready",
  "signature",
  "genesis",
] as const;

const dkg = z.object({
  cluster: text,
  id: text,
  // A node of an earlier version does not tell.
  fingerprint: textOrNull.default(null),
  phase: z.enum(KEY_PHASES),
  attempt: count.nullable(),
  threshold: count,
  voters: names,
  peers: list(
    z.object({
      id: text,
      connected: z.boolean(),
      configuration: z.enum(["unknown", "equal", "different"]),
      roundOne: z.boolean(),
      roundTwo: z.boolean(),
      ready: z.boolean(),
      signed: z.boolean(),
    }).readonly(),
  ),
  waitingFor: list(z.object({ id: text, step: z.enum(AWAITED_STEPS) }).readonly()),
  genesis: textOrNull,
}).readonly();

const health = z.object({ status: z.literal("ok") }).readonly();

const eventsStart = z.object({ cluster: text, id: text, intervalMs: count }).readonly();

const eventsView = z.object({ nodes: list(nodeViewSchema) }).readonly();

/** A time in UTC, as JavaScript writes it. */
const time = text.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, "2026-01-31T12:00:00.000Z");

const newToken = z.strictObject({
  secretSha256: text.regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits"),
  name: text.default(""),
  scopes: list(z.enum(TOKEN_SCOPES)),
  prefixes: names.default([]),
  expiresAt: time.nullable().default(null),
}).readonly();

const token = z.object({
  id: text,
  name: text,
  scopes: list(z.enum(TOKEN_SCOPES)),
  prefixes: names,
  // A node of an earlier version knows no expiry.
  expiresAt: time.nullable().default(null),
  createRevision: count,
}).readonly();

const tokens = z.object({ tokens: list(token) }).readonly();

const revokedToken = z.object({ id: text, revoked: z.boolean(), revision: count }).readonly();

/** `GET /v1/status`. */
export type StatusBody = z.infer<typeof status>;
/** `GET /v1/leader`. */
export type LeaderBody = z.infer<typeof leader>;
/** `POST /v1/leader/transfer`. */
export type TransferBody = z.infer<typeof transfer>;
/** One election, in `GET /v1/elections` and as `GET /v1/elections/{term}`. */
export type ElectionBody = z.infer<typeof election>;
/** `GET /v1/elections`, the newest term first. */
export type ElectionsBody = z.infer<typeof elections>;
/** Two leaders of one term, and refused claims to lead: `GET /v1/evidence`. */
export type EvidenceBody = z.infer<typeof evidence>;
/** `GET /v1/group`. */
export type GroupBody = z.infer<typeof group>;
/** `GET /v1/dkg`: how the node that is asked came, or is coming, by its key. */
export type DkgBody = z.infer<typeof dkg>;
/** `GET /livez` and `GET /readyz` when all is well; everything else is a problem. */
export type HealthBody = z.infer<typeof health>;
/** The first event of `GET /v1/events`. */
export type EventsStartBody = z.infer<typeof eventsStart>;
/** The `view` event of `GET /v1/events`. */
export type EventsViewBody = z.infer<typeof eventsView>;
/** The request's body of `PUT /v1/tokens/{id}`. */
export type NewTokenBody = z.infer<typeof newToken>;
/** One token, in `GET /v1/tokens` and as `PUT /v1/tokens/{id}`. */
export type TokenBody = z.infer<typeof token>;
/** `GET /v1/tokens`, by rising id. */
export type TokensBody = z.infer<typeof tokens>;
/** `DELETE /v1/tokens/{id}`. Revoking what is not there succeeds: the token is gone, as asked. */
export type RevokedTokenBody = z.infer<typeof revokedToken>;

/** Reads a node's status. */
export const statusSchema: Schema<StatusBody> = status;
/** Reads who leads. */
export const leaderSchema: Schema<LeaderBody> = leader;
/** Reads who leads after a transfer. */
export const transferSchema: Schema<TransferBody> = transfer;
/** Reads one election. */
export const electionSchema: Schema<ElectionBody> = election;
/** Reads a page of elections. */
export const electionsSchema: Schema<ElectionsBody> = elections;
/** Reads a node's evidence of lying voters. */
export const evidenceSchema: Schema<EvidenceBody> = evidence;
/** Reads the cluster's public key. */
export const groupSchema: Schema<GroupBody> = group;
/** Reads how far a node is with its key. */
export const dkgSchema: Schema<DkgBody> = dkg;
/** Reads that all is well. */
export const healthSchema: Schema<HealthBody> = health;
/** Reads the cluster as its nodes see themselves. */
export const eventsViewSchema: Schema<EventsViewBody> = eventsView;
/** Reads the description of a token to create, with the defaults of what is left out. */
export const newTokenSchema: Schema<NewTokenBody> = newToken;
/** Reads one token. */
export const tokenSchema: Schema<TokenBody> = token;
/** Reads all tokens. */
export const tokensSchema: Schema<TokensBody> = tokens;
/** Reads what became of a revocation. */
export const revokedTokenSchema: Schema<RevokedTokenBody> = revokedToken;
