/**
 * What a node shows of itself to those who watch the cluster: one shape for the nodes, who tell each other,
 * for the API, which hands it on, and for the page.
 *
 * A view is the word of the node that it comes from. Nothing in it is proof: that a node leads, only its
 * certificate shows.
 *
 * @module
 */

import * as z from "zod";

/** Most candidacies in a view, the newest last. */
export const CANDIDACIES_MAX = 6;
/** Most runs of entries of one term in a view, the newest last. */
export const TERM_RUNS_MAX = 12;
/** Most nodes that a view tells of. */
const NODES_MAX = 64;

/** The kinds of messages that are told apart: those of an election, those of the log, and the rest. */
export const MESSAGE_KINDS = [
  /** Asks for a pre-vote or a vote, or refuses one. */
  "vote",
  /** Grants a pre-vote, with the commitment of FROST's round one. */
  "roundOne",
  /** Votes, with the signature share of FROST's round two. */
  "roundTwo",
  /** A leader's heartbeat, or the answer to one. */
  "heartbeat",
  /** Entries. */
  "append",
  /** A part of a snapshot, or the answer to one. */
  "snapshot",
  /** What a client asked, on its way to the leader, and the answer. */
  "forward",
  /** A part of a change of members. */
  "members",
] as const;

/** What a message is for. */
export type MessageKind = typeof MESSAGE_KINDS[number];

const count = z.number().int().nonnegative();
const ms = z.number().nonnegative();
const id = z.string().max(64);
const idOrNull = id.nullable();
const nodes = <Item extends z.ZodType>(item: Item) => z.array(item).max(NODES_MAX).readonly();
/** A voter's answer, and how long after the beginning it came. */
const answer = z.object({ id, ms }).readonly();

const candidacy = z.object({
  term: count,
  candidate: id,
  /** When it began, in milliseconds since 1970 by the candidate's clock. */
  startedAt: count,
  /** How often the candidate asked for pre-votes for this term; all times are those of the last attempt. */
  attempts: count,
  /** Who granted a pre-vote, which carries the commitment of round one. */
  granted: nodes(answer),
  /** Who was asked to sign; empty before the term was proven. */
  signers: nodes(id),
  /** Who voted, with a share of the signature. */
  voted: nodes(answer),
  refused: nodes(answer),
  /** Signing sessions that were begun. */
  sessions: count,
  /** Voters whose share was wrong. */
  cheaters: nodes(id),
  /** How long FROST's round one took, with the pre-votes; null while it goes on, or when it failed. */
  roundOneMs: ms.nullable(),
  roundTwoMs: ms.nullable(),
  outcome: z.enum(["running", "won", "lost"]),
}).readonly();

const nodeView = z.object({
  id,
  role: z.enum(["follower", "preCandidate", "candidate", "leader"]),
  term: count,
  leader: idOrNull,
  votedFor: idOrNull,
  /** How long no leader was heard, and after how long the node stands for election. */
  timer: z.object({ elapsedMs: ms, timeoutMs: ms }).readonly(),
  /** Whether it holds a share of the group's key. */
  canSign: z.boolean(),
  commitIndex: count,
  appliedIndex: count,
  durableIndex: count,
  lastLogIndex: count,
  revision: count,
  /** The log as runs of entries of one term. */
  runs: z.array(z.object({ term: count, from: count, to: count }).readonly())
    .max(TERM_RUNS_MAX).readonly(),
  peers: nodes(
    z.object({ id, connected: z.boolean(), matchIndex: count.nullable() }).readonly(),
  ),
  /** The messages that it has sent to each peer since it was watched: one number for each of the kinds. */
  sent: nodes(
    z.object({ to: id, counts: z.array(count).length(MESSAGE_KINDS.length).readonly() }).readonly(),
  ),
  /** Its own candidacies since its start. */
  candidacies: z.array(candidacy).max(CANDIDACIES_MAX).readonly(),
  /** Its clients' writes since its start: how many were answered, and their time in all. */
  writes: z.object({ count, totalMs: ms }).readonly(),
  trouble: z.string().max(1024).nullable(),
  uptimeMs: ms,
}).readonly();

/**
 * Zod's own types; `deno doc --lint` would check their documentation as if it were Floe's.
 *
 * @internal
 */
type View = z.infer<typeof nodeView>;
/** @internal */
type OneCandidacy = z.infer<typeof candidacy>;
/** @internal */
type ViewSchema = typeof nodeView;

/** One node as it sees itself. */
export type NodeView = View;
/** One time that a node stood for election. */
export type Candidacy = OneCandidacy;

/** Reads a node's view of itself. */
export const nodeViewSchema: ViewSchema = nodeView;
