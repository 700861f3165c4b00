/**
 * Shows the members, a plan and its progress.
 *
 * @module
 */

import type {
  MemberBody,
  MembersBody,
  MembersChangeBody,
  MembersPlanBody,
  MembersStepBody,
} from "../../wire/mod.ts";
import type { OutputStream } from "../command.ts";
import { type Cell, marginFields, printable, printFields, printTable, wrap } from "../output.ts";

/** Most characters in a line of a plan: the width of a terminal without the indent. */
const LINE_LENGTH = 72;
const INDENT = "        ";

/** A plan, for a person to agree to. */
export function planLines({ steps, lying, sparesAfter }: MembersPlanBody): readonly string[] {
  const count = steps.length === 1 ? "one step" : `${steps.length} steps`;
  const spares = sparesAfter === 0
    ? "no share may be lost"
    : `${sparesAfter} ${sparesAfter === 1 ? "share" : "shares"} may be lost`;
  return [
    `The plan has ${count}. All the way, ${lying} ${lying === 1 ? "voter" : "voters"} may lie.`,
    ...steps.flatMap((step, at) => stepLines(step, at)),
    `Afterwards ${spares} before the key is.`,
  ];
}

function stepLines({ text }: MembersStepBody, at: number): string[] {
  const [first = "", ...more] = wrap(printable(text), LINE_LENGTH);
  return [`step ${at + 1}  ${first}`, ...more.map((line) => `${INDENT}${line}`)];
}

const STAGES: Readonly<Record<MembersChangeBody["stage"], string>> = {
  between: "begins",
  catchingUp: "the new nodes copy the log",
  dealing: "the voters deal new shares",
  combining: "the new voters store their shares",
  proving: "the new shares sign",
  authorizing: "the old shares sign",
};

/** Prints each new step of a change once, on its own line. */
export class ChangeReporter {
  readonly #stderr: OutputStream;
  readonly #stepsTotal: number;
  #done = 0;
  #shown = "";
  #failures = 0;

  /** For a plan of this many steps. */
  constructor(stderr: OutputStream, stepsTotal: number) {
    this.#stderr = stderr;
    this.#stepsTotal = stepsTotal;
  }

  /** Shows the progress of the change. */
  readonly progress = (change: MembersChangeBody): void => {
    const { stepsDone, attemptsFailed, lastFailure } = change;
    this.#finish(stepsDone);
    if (attemptsFailed > this.#failures) {
      this.#say(`failed, and is tried again: ${printable(lastFailure ?? "nobody said why")}`);
    }
    this.#failures = attemptsFailed;
    this.#say(describeStage(change));
  };

  /** The change is completed. */
  end(): void {
    this.#finish(this.#stepsTotal);
  }

  #finish(stepsDone: number): void {
    for (; this.#done < Math.min(stepsDone, this.#stepsTotal); this.#done++) {
      this.#say("done");
      this.#failures = 0;
    }
  }

  #say(text: string): void {
    const line = `step ${
      Math.min(this.#done + 1, this.#stepsTotal)
    } of ${this.#stepsTotal}: ${text}`;
    if (line !== this.#shown) this.#stderr.write(`${line}\n`);
    this.#shown = line;
  }
}

/** Most nodes that a line names. If the change waits for all nodes, no node in particular holds it up. */
const WAITING_SHOWN_MAX = 2;

/** The stage of a change, and the nodes that it waits for. */
function describeStage({ stage, waitingFor }: MembersChangeBody): string {
  if (waitingFor.length === 0 || waitingFor.length > WAITING_SHOWN_MAX) return STAGES[stage];
  const names = waitingFor.map((id) => printable(id)).join(", ");
  // A joining node is only started by its operator.
  const advice = stage === "catchingUp" ? " (floe join runs it)" : "";
  return `${STAGES[stage]}; waits for ${names}${advice}`;
}

/** The margins after a change is completed. */
export function describeEnd({ epoch, sequence, threshold, members }: MembersBody): string {
  return `Done: ${threshold} of ${
    votersOf(members)
  } sign, in epoch ${epoch}, membership ${sequence}.`;
}

/** Prints the members of the cluster. */
export function printMembers(stdout: OutputStream, body: MembersBody): void {
  const { cluster, epoch, sequence, threshold, members } = body;
  const n = votersOf(members);
  stdout.write(
    `cluster ${printable(cluster)}, epoch ${epoch}, membership ${sequence}: ${threshold} of ${n} ` +
      "voters sign\n",
  );
  printFields(stdout, marginFields({ n, threshold }));
  stdout.write("\n");
  const header = ["MEMBER", "ROLE", "SHARE", "LOG", "REACHABLE", "PEER", "API"];
  printTable(stdout, header, members.map((member) => memberRow(member, body)));
}

function memberRow(member: MemberBody, { id: here, leader }: MembersBody): readonly Cell[] {
  const { id, role, hasShare, reachable, caughtUp, peer, api } = member;
  if (role === "removed") return [id, role, null, null, null, null, null];
  const log = caughtUp === null ? null : caughtUp ? "current" : "behind";
  const isHere = id === here;
  return [
    id,
    id === leader ? "leader" : role,
    role === "learner" ? null : hasShare ? "yes" : "none",
    isHere && id === leader ? "current" : log,
    reachable ? "yes" : "no",
    peer,
    api,
  ];
}

/** Prints the change that is under way, or the outcome of the last one. */
export function printChange(stdout: OutputStream, { change, lastChange }: MembersBody): void {
  if (change !== null) {
    const total = change.stepsDone + change.steps.length;
    const step = `step ${change.stepsDone + 1} of ${total}`;
    stdout.write(`Change ${change.id} is under way: ${step}, ${describeStage(change)}.\n`);
    if (change.lastFailure !== null) {
      stdout.write(
        `It has failed ${change.attemptsFailed} times, lately: ${printable(change.lastFailure)}\n`,
      );
    }
    change.steps.forEach((left, at) => {
      for (const line of stepLines(left, change.stepsDone + at)) stdout.write(`${line}\n`);
    });
    if (!change.cancellable) stdout.write("It can only be completed.\n");
    return;
  }
  stdout.write("No change of the members is under way.\n");
  if (lastChange === null) return;
  const reason = lastChange.reason === null ? "" : `: ${printable(lastChange.reason)}`;
  stdout.write(`The last one, ${lastChange.id}, was ${OUTCOMES[lastChange.outcome]}${reason}.\n`);
}

const OUTCOMES = { completed: "completed", cancelled: "cancelled", failed: "given up" } as const;

function votersOf(members: readonly MemberBody[]): number {
  return members.filter(({ role }) => role === "voter").length;
}
