/**
 * The statement: the exact text that voters sign. A person can read it, and any language can
 * rebuild it.
 *
 * ```text
 * floe/election/v1
 * cluster <cluster name>
 * epoch <epoch>
 * term <term>
 * leader <node id>
 * log <last log index> <last log term>
 * ```
 *
 * Every line ends in a newline, numbers are decimal without leading zeros, and nothing else is
 * there. One set of fields has one text, and one text one set of fields.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import {
  type ClusterName,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../types.ts";
import type { ElectionFields } from "./certifier.ts";
import { CertificateError } from "./error.ts";

/** The first line: which kind of statement this is. Nothing else is signed under it. */
export const STATEMENT_KIND = "floe/election/v1";
/** Most characters in a statement; the longest possible one is shorter. */
export const STATEMENT_LENGTH_MAX = 512;

/** Everything that a statement says. */
export interface Statement extends ElectionFields {
  /** The cluster that elects. */
  readonly cluster: ClusterName;
}

const STATEMENT_PATTERN = new RegExp(
  `^${STATEMENT_KIND}\n` +
    "cluster (?<cluster>[^ \n]+)\n" +
    "epoch (?<epoch>[0-9]+)\n" +
    "term (?<term>[0-9]+)\n" +
    "leader (?<leader>[^ \n]+)\n" +
    "log (?<lastLogIndex>[0-9]+) (?<lastLogTerm>[0-9]+)\n$",
);

/** Writes a statement: ASCII text, six lines, each ending in a newline. */
export function encodeStatement(statement: Statement): string {
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = statement;
  return `${STATEMENT_KIND}\n` +
    `cluster ${cluster}\n` +
    `epoch ${epoch}\n` +
    `term ${term}\n` +
    `leader ${leader}\n` +
    `log ${lastLogIndex} ${lastLogTerm}\n`;
}

/**
 * Reads a statement strictly: only a text that {@linkcode encodeStatement} can write.
 *
 * @throws {CertificateError} `malformed` for anything else.
 */
export function parseStatement(text: string): Statement {
  if (text.length > STATEMENT_LENGTH_MAX) {
    throw malformed(`length ${text.length} is above ${STATEMENT_LENGTH_MAX}`);
  }
  const fields = STATEMENT_PATTERN.exec(text)?.groups;
  if (fields === undefined) throw malformed(`not the six lines of ${STATEMENT_KIND}`);
  const statement = readFields(fields);
  // Catches leading zeros, and any other second way to write the same fields.
  if (encodeStatement(statement) !== text) throw malformed("not in its one exact form");
  return statement;
}

function readFields(fields: Readonly<Record<string, string>>): Statement {
  try {
    return {
      cluster: toClusterName(fields.cluster),
      epoch: toEpoch(Number(fields.epoch)),
      term: toTerm(Number(fields.term)),
      leader: toNodeId(fields.leader),
      lastLogIndex: toLogIndex(Number(fields.lastLogIndex)),
      lastLogTerm: toTerm(Number(fields.lastLogTerm)),
    };
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw malformed(cause.message, cause);
  }
}

function malformed(why: string, cause?: unknown): CertificateError {
  return new CertificateError("malformed", `Cannot read statement: ${why}`, { cause });
}
