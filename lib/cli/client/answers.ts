/**
 * Reading what nodes answer. An endpoint may be anything: each answer is checked before it is used.
 *
 * @module
 */

import * as z from "zod";
import { decodeUtf8 } from "../../bytes.ts";
import type {
  DeleteBody,
  DkgBody,
  ElectionsBody,
  GroupBody,
  KeyValueBody,
  LeaderBody,
  PutBody,
  RevokedTokenBody,
  StatusBody,
  TokenBody,
  TokensBody,
  TransferBody,
} from "../../http/mod.ts";
import { TOKEN_SCOPES } from "../../kv/mod.ts";
import { CommandError, ExitCode } from "../failure.ts";
import type { ClientAnswer } from "./client.ts";

const count = z.number().int().nonnegative();

const keyValueSchema = z.object({
  key: z.string(),
  value: z.string(),
  encoding: z.enum(["utf8", "base64"]),
  createRevision: count,
  modRevision: count,
  version: count,
});

const putSchema = keyValueSchema.omit({ value: true, encoding: true });

const deleteSchema = z.object({ key: z.string(), deleted: z.boolean(), revision: count });

const leaderSchema = z.object({
  leader: z.string().nullable(),
  term: count,
  api: z.string().nullable(),
  certificate: z.string().nullable(),
});

const transferSchema = z.object({ from: z.string().nullable(), leader: z.string() });

const electionsSchema = z.object({
  elections: z.array(z.object({
    term: count,
    leader: z.string(),
    epoch: count,
    lastLogIndex: count,
    lastLogTerm: count,
    certificate: z.string(),
  })),
  nextBefore: count.nullable(),
});

const marginsSchema = z.object({
  crashed: count,
  lying: count,
  lyingFollowers: count,
  sharesLost: count,
  sharesToForge: count,
});

const statusSchema = z.object({
  cluster: z.string(),
  epoch: count,
  threshold: count,
  n: count,
  margins: marginsSchema,
  id: z.string(),
  role: z.enum(["follower", "preCandidate", "candidate", "leader"]),
  term: count,
  leader: z.string().nullable(),
  commitIndex: count,
  appliedIndex: count,
  lastLogIndex: count,
  uptimeMs: z.number().nonnegative(),
  peers: z.array(z.object({
    id: z.string(),
    connected: z.boolean(),
    matchIndex: count.nullable(),
  })),
  counters: z.record(z.string(), z.number()),
});

const groupSchema = z.object({
  cluster: z.string(),
  epoch: count,
  threshold: count,
  voters: z.array(z.object({ id: z.string(), identifier: count, verifyingShare: z.string() })),
  margins: marginsSchema,
  publicKey: z.string(),
  verifierKey: z.string(),
  pem: z.string(),
  genesis: z.string().nullable(),
});

const dkgSchema = z.object({
  cluster: z.string(),
  id: z.string(),
  phase: z.enum([
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
  ]),
  attempt: count.nullable(),
  threshold: count,
  voters: z.array(z.string()),
  peers: z.array(z.object({
    id: z.string(),
    connected: z.boolean(),
    configuration: z.enum(["unknown", "equal", "different"]),
    roundOne: z.boolean(),
    roundTwo: z.boolean(),
    ready: z.boolean(),
    signed: z.boolean(),
  })),
  waitingFor: z.array(z.object({
    id: z.string(),
    step: z.enum([
      "connection",
      "configuration",
      "roundOne",
      "roundTwo",
      "ready",
      "signature",
      "genesis",
    ]),
  })),
  genesis: z.string().nullable(),
});

const tokenSchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(TOKEN_SCOPES)),
  prefixes: z.array(z.string()),
  createRevision: count,
});

const revokedTokenSchema = z.object({ id: z.string(), revoked: z.boolean(), revision: count });

/** Reads the answer to a get. @throws {CommandError} when it is not one. */
export function readKeyValue(answer: ClientAnswer): KeyValueBody {
  return read(answer, keyValueSchema);
}

/** Reads the answer to a put. @throws {CommandError} when it is not one. */
export function readPut(answer: ClientAnswer): PutBody {
  return read(answer, putSchema);
}

/** Reads the answer to a delete. @throws {CommandError} when it is not one. */
export function readDelete(answer: ClientAnswer): DeleteBody {
  return read(answer, deleteSchema);
}

/** Reads who leads. @throws {CommandError} when it is not that. */
export function readLeader(answer: ClientAnswer): LeaderBody {
  return read(answer, leaderSchema);
}

/** Reads who leads after a transfer. @throws {CommandError} when it is not that. */
export function readTransfer(answer: ClientAnswer): TransferBody {
  return read(answer, transferSchema);
}

/** Reads one token. @throws {CommandError} when it is not one. */
export function readToken(answer: ClientAnswer): TokenBody {
  return read(answer, tokenSchema);
}

/** Reads all tokens. @throws {CommandError} when it is not that. */
export function readTokens(answer: ClientAnswer): TokensBody {
  return read(answer, z.object({ tokens: z.array(tokenSchema) }));
}

/** Reads what became of a revocation. @throws {CommandError} when it is not that. */
export function readRevokedToken(answer: ClientAnswer): RevokedTokenBody {
  return read(answer, revokedTokenSchema);
}

/** Reads a page of elections. @throws {CommandError} when it is not one. */
export function readElections(answer: ClientAnswer): ElectionsBody {
  return read(answer, electionsSchema);
}

/** Reads the cluster's public key. @throws {CommandError} when it is not that. */
export function readGroup(answer: ClientAnswer): GroupBody {
  return read(answer, groupSchema);
}

/** Reads a node's status. @throws {CommandError} when it is not one. */
export function readStatus(answer: ClientAnswer): StatusBody {
  return read(answer, statusSchema);
}

/** Reads how far a node is with its key. @throws {CommandError} when it is not that. */
export function readDkg(answer: ClientAnswer): DkgBody {
  return read(answer, dkgSchema);
}

function read<Body>(answer: ClientAnswer, schema: z.ZodType<Body>): Body {
  try {
    return schema.parse(JSON.parse(decodeUtf8(answer.body)));
  } catch (cause) {
    const message = `${answer.endpoint.label} answered, but not as Floe's API does. ` +
      "Is it a node, and of this version?";
    throw new CommandError(ExitCode.failure, message, { cause });
  }
}
