/**
 * What the log says of key generation: every event, who is at fault, and whom this node waits for.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { unreachable } from "../../assert.ts";
import type { Genesis } from "../../certificate/mod.ts";
import type { KeyGenerationEvent } from "../../keygen/mod.ts";
import { LogLimiter } from "../../transport/log_limiter.ts";
import type { NodeId } from "../../types.ts";
import type { AwaitedStep, KeyGenerationReport } from "./report.ts";

/** Whom a node waits for is told this often at most, however much changes. */
export const WAITING_CHANGED_MS = 1_000;
/** And this often while nothing changes. */
export const WAITING_REPEATED_MS = 5_000;

const RUNNING_ADVICE =
  "They run with a key already and do not show its genesis certificate. If a " +
  "dealer made the key, put this node's share.json and group.json into its data folder.";

const LOST_ADVICE =
  "A node signs when every share is durable, or when another has signed. So either this node's disk " +
  "was lost: put its data folder back as it was; or one of the others lies, and likely the one whose " +
  "step this node waits for (floe dkg status): start over without it.";

/** Writes the log of one key generation. What a peer can bring about at will is written so often. */
export class Journal {
  readonly #logger = getLogger(["floe", "keygen"]);
  readonly #nowMs: () => number;
  readonly #limiter: LogLimiter;
  /** When it was last told whom this node waits for, and what was told. */
  #told: { readonly atMs: number; readonly text: string };

  /** `nowMs` is a monotonic clock in milliseconds. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#limiter = new LogLimiter(nowMs);
    this.#told = { atMs: nowMs(), text: "" };
  }

  /** Writes one event. */
  event(event: KeyGenerationEvent): void {
    switch (event.kind) {
      case "attemptStarted":
        return this.#limited("info", "keygen.attempt", event);
      case "faultFound":
        return this.#limited("error", "keygen.fault", event);
      case "faultReported":
        return this.#limited("warn", "keygen.accused", event);
      case "shareMade":
        return this.#limited("info", "keygen.share", event);
      case "signed":
        return this.#limited("info", "keygen.signed", event);
      case "shareMissing":
        return this.#limited("error", "keygen.share_missing", { ...event, advice: LOST_ADVICE });
      case "messageRefused":
        return this.#limited("warn", "keygen.refused", event);
      case "configurationDiffers":
        return this.#limited("warn", "keygen.configuration", event);
      case "finished":
        return this.#limited("info", "keygen.finished", describe(event.genesis));
      case "shareLost":
        return this.#limited("error", "keygen.share_lost", describe(event.genesis));
      case "attemptsExhausted":
        return this.#limited("error", "keygen.exhausted", event);
      default:
        return unreachable(event);
    }
  }

  /**
   * Says whom this node waits for, if that is news or has not been said for a while. Called often.
   */
  waiting({ phase, waitingFor }: KeyGenerationReport): void {
    if (waitingFor.length === 0) return;
    const bySteps = groupBySteps(waitingFor);
    const text = JSON.stringify([phase, bySteps]);
    const pauseMs = text === this.#told.text ? WAITING_REPEATED_MS : WAITING_CHANGED_MS;
    const nowMs = this.#nowMs();
    if (nowMs - this.#told.atMs < pauseMs) return;
    this.#told = { atMs: nowMs, text };
    const advice = bySteps.genesis === undefined ? {} : { advice: RUNNING_ADVICE };
    this.#logger.info("keygen.waiting", { phase, ...bySteps, ...advice });
  }

  #limited(
    level: "info" | "warn" | "error",
    name: string,
    { kind: _, ...properties }: Readonly<Record<string, unknown>>,
  ): void {
    // Each culprit and each accuser by itself: one that floods hides no other, and all are voters.
    const { voter, by = voter } = properties;
    const admitted = this.#limiter.admit(`${name} by ${by}`);
    if (admitted === null) return;
    const suppressed = admitted.suppressed === 0 ? {} : admitted;
    this.#logger[level](name, { ...properties, ...suppressed });
  }
}

type Steps = Partial<Record<AwaitedStep, NodeId[]>>;

/** Who is waited for, by what to do: as many peers do the same. */
function groupBySteps(waitingFor: KeyGenerationReport["waitingFor"]): Steps {
  const steps: Steps = {};
  for (const { id, step } of waitingFor) (steps[step] ??= []).push(id);
  return steps;
}

function describe({ publicKey, threshold, voters }: Genesis): Record<string, unknown> {
  return { publicKey, threshold, voters: voters.length };
}
