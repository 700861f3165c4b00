/**
 * Evidence of lying voters: valid certificates of two different leaders of one term. At least 2t - n voters
 * must have lied together to make them, so the node keeps them for ever, in a file of its data folder, and
 * shows them to every client. It also keeps the last claim to lead that it refused because it was not proven.
 *
 * A node compares every certificate that it verifies with the one that it keeps for that term. It does so for
 * the certificates in its log and in messages, even in messages that it otherwise ignores.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import * as z from "zod";
import type { Certificate, Certifier } from "../certificate/mod.ts";
import { InputError, messageOf } from "../errors.ts";
import { parseStrictJson } from "../json.ts";
import { writeFileAtomically } from "../keys/mod.ts";
import type { RaftEvent } from "../raft/mod.ts";
import type { RaftStore } from "../storage/mod.ts";
import { LogLimiter } from "../transport/mod.ts";
import type { NodeId, Term } from "../types.ts";

/** The file in the data folder; it exists only once there is evidence. */
export const EVIDENCE_FILE = "evidence.json";
/** Most second certificates that are kept. Further ones prove nothing more, and are only counted. */
export const EVIDENCE_MAX = 32;

/** The evidence that a node has. */
export interface EvidenceReport {
  /** Pairs of certificates of one term that name different leaders, in order of arrival. */
  readonly twoLeaders: readonly {
    readonly term: Term;
    /** The one that this node had before. */
    readonly first: Certificate;
    readonly second: Certificate;
    /** When the second one arrived, in milliseconds since 1970. */
    readonly noticedAt: number;
  }[];
  /** How many claims to lead this node has refused since its start. */
  readonly refusedCount: number;
  /** The last of them; null if there was none. */
  readonly lastRefused: {
    readonly from: NodeId;
    readonly term: Term;
    readonly reason: string;
    /** In milliseconds since 1970. */
    readonly refusedAt: number;
  } | null;
}

type TwoLeaders = EvidenceReport["twoLeaders"][number];

/** The parts that certificates are compared with and checked by. */
interface EvidenceParts {
  /** The data folder. */
  readonly folder: string;
  readonly certificates: Pick<RaftStore, "election">;
  readonly certifier: Pick<Certifier, "verify">;
  /** The time in milliseconds since 1970. */
  readonly now?: () => number;
}

const kept = z.array(
  z.strictObject({
    noticedAt: z.number().int().nonnegative(),
    first: z.string(),
    second: z.string(),
  }),
).max(EVIDENCE_MAX);

/** See the module. */
export class Evidence {
  readonly #parts: EvidenceParts;
  readonly #path: string;
  readonly #logger = getLogger(["floe", "node"]);
  readonly #limiter = new LogLimiter(() => performance.now());
  #twoLeaders: readonly TwoLeaders[];
  #secondCount: number;
  #refusedCount = 0;
  #lastRefused: EvidenceReport["lastRefused"] = null;

  /**
   * Reads the evidence of earlier runs.
   *
   * @throws {InputError} when the file cannot be read, or its certificates do not verify. The message says
   * what to do.
   */
  constructor(parts: EvidenceParts) {
    this.#parts = parts;
    this.#path = join(parts.folder, EVIDENCE_FILE);
    this.#twoLeaders = readEvidence(this.#path, parts.certifier);
    this.#secondCount = this.#twoLeaders.length;
    for (const { term, first, second } of this.#twoLeaders) this.#shout(term, first, second);
  }

  /** The evidence so far. */
  get report(): EvidenceReport {
    return {
      twoLeaders: this.#twoLeaders,
      refusedCount: this.#refusedCount,
      lastRefused: this.#lastRefused,
    };
  }

  /** How many second certificates there are, including those of earlier runs. */
  get counts(): Readonly<Record<string, number>> {
    return { "certificate.second": this.#secondCount };
  }

  /** Records a claim to lead that was refused, and compares a certificate that the core has verified. */
  observe(event: RaftEvent): void {
    if (event.kind === "certificateSeen") return this.compare([event.certificate]);
    if (event.kind !== "certificateRefused") return;
    const { from, term, reason } = event;
    this.#refusedCount += 1;
    this.#lastRefused = { from, term, reason, refusedAt: this.#now() };
  }

  /**
   * Compares verified certificates with those that this node keeps, before it keeps these.
   *
   * @throws {EnvironmentError} when a second one cannot be made durable.
   */
  compare(certificates: readonly Certificate[]): void {
    for (const certificate of certificates) {
      const note = this.#parts.certificates.election(certificate.term);
      if (note === null || note === certificate.note) continue;
      const first = this.#parts.certifier.verify(note);
      if (first.leader !== certificate.leader) this.#take(first, certificate);
    }
  }

  #take(first: Certificate, second: Certificate): void {
    const { term } = second;
    this.#secondCount += 1;
    this.#shout(term, first, second);
    const isKept = this.#twoLeaders.some((known) =>
      known.term === term && known.second.leader === second.leader
    );
    if (isKept || this.#twoLeaders.length >= EVIDENCE_MAX) return;
    this.#twoLeaders = [...this.#twoLeaders, { term, first, second, noticedAt: this.#now() }];
    const text = JSON.stringify(this.#twoLeaders.map(toKept), null, 2) + "\n";
    writeFileAtomically({ path: this.#path, text, mode: 0o644 });
  }

  #shout(term: Term, first: Certificate, second: Certificate): void {
    const admitted = this.#limiter.admit("certificate.second");
    if (admitted === null) return;
    this.#logger.error("certificate.second", {
      term,
      leaders: [first.leader, second.leader],
      advice: TWO_LEADERS_ADVICE,
      ...admitted,
    });
  }

  #now(): number {
    return (this.#parts.now ?? Date.now)();
  }
}

const TWO_LEADERS_ADVICE =
  "The group key signed two leaders of one term: more voters lied, or lost their shares, than this cluster " +
  "withstands. Keep the certificates (floe audit export) and find out who has the shares.";

function toKept({ first, second, noticedAt }: TwoLeaders): z.infer<typeof kept>[number] {
  return { noticedAt, first: first.note, second: second.note };
}

function readEvidence(
  path: string,
  certifier: Pick<Certifier, "verify">,
): readonly TwoLeaders[] {
  const text = readIfThere(path);
  if (text === null) return [];
  try {
    return kept.parse(parseStrictJson(text)).map(({ noticedAt, ...notes }) => {
      const [first, second] = [certifier.verify(notes.first), certifier.verify(notes.second)];
      if (first.term === second.term && first.leader !== second.leader) {
        return { term: first.term, first, second, noticedAt };
      }
      throw new InputError("two of its certificates do not contradict each other");
    });
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : messageOf(cause);
    const advice = "Move the file to another folder and keep it, then start the node again.";
    throw new InputError(`Cannot use ${path}: ${reason}. ${advice}`, { cause });
  }
}

function readIfThere(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
