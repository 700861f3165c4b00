/**
 * How a command changes the members: it shows the plan, asks, begins, and follows to the end. Once the change has
 * begun, the plan is in the log, so the command can be interrupted at any time.
 *
 * @module
 */

import { type ApiClient, ClientError, type FollowedEnd, MembersClient } from "../../client/mod.ts";
import type { MembersBody, MembersPlanBody, MembersRequestBody } from "../../wire/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { addToWholeHelp } from "../help.ts";
import { printable, printJson } from "../output.ts";
import { openClient } from "../session.ts";
import { ChangeReporter, describeEnd, planLines } from "./report.ts";

/** The options of every command that changes the members. */
export interface ChangeFlags {
  /** Whether to go on without asking. */
  readonly yes?: true;
  /** Whether a plan can use the last spare share. */
  readonly allowNoSpare?: true;
}

/** The parts that carry out a command. */
interface ChangeSession {
  readonly members: MembersClient;
  readonly context: CommandContext;
  /** How long the command waits while no node answers. */
  readonly silentMs: number;
}

/** Adds `--yes` and the other common options, and the common part of the help. */
export function addChangeOptions(command: Program): Program {
  addToWholeHelp(
    command,
    "The command prints the plan, asks, and shows how it goes. Reads and writes go on\n" +
      "meanwhile. Once it has begun, the plan is in the log and any leader goes on with it:\n" +
      "the command may be interrupted. floe member status shows the plan, floe member cancel\n" +
      "ends it. Exit code 4: the cluster refuses the change, or gave it up.\n",
  );
  return command
    .option("-y, --yes", "carry the plan out without asking")
    .option(
      "--allow-no-spare",
      "even if no spare share is left: the next lost one would lose the key",
    );
}

/** Plans a change, asks, and carries it out. */
export async function changeMembers(
  wanted: MembersRequestBody,
  { options, command, context }: {
    readonly options: ChangeFlags;
    readonly command: Program;
    readonly context: CommandContext;
  },
): Promise<void> {
  const { client, flags } = await openClient(command, context);
  const members = new MembersClient(client);
  const request = options.allowNoSpare === true ? { ...wanted, allowNoSpare: true } : wanted;
  const plan = await orTrouble(client, members.plan(request));
  if (plan.steps.length === 0) {
    if (flags.output === "json") return printJson(context.stdout, { plan, outcome: "nothing" });
    return context.stdout.write("Nothing to change: the members are as asked for already.\n");
  }
  for (const line of planLines(plan)) context.stderr.write(`${line}\n`);
  checkSpare(plan, options);
  await ask(options, context);
  const stop = context.stopSignal();
  const { id } = await members.change(request);
  const session = { members, context, silentMs: flags.timeout };
  const end = await follow(session, { id, stop, stepsTotal: plan.steps.length });
  if (flags.output === "json") {
    return printJson(context.stdout, { plan, change: id, ...outcomeOf(end), members: end.members });
  }
  context.stdout.write(`${describeEnd(end.members)}\n`);
  for (const { id } of request.update ?? []) context.stdout.write(`${restartAdvice(id)}\n`);
}

/** A node reads its addresses and its identity only at its start. */
function restartAdvice(id: string): string {
  return `Restart ${id} with a fresh cluster.json (floe members export): until then it listens at its old ` +
    "addresses, or stops because its identity is the old one.";
}

/** Follows a change that is under way. */
export async function followChange(
  { client, context, silentMs }: {
    readonly client: ApiClient;
    readonly context: CommandContext;
    readonly silentMs: number;
  },
  { id, stepsTotal }: { readonly id: number; readonly stepsTotal: number },
): Promise<MembersBody> {
  const session = { members: new MembersClient(client), context, silentMs };
  return (await follow(session, { id, stop: context.stopSignal(), stepsTotal })).members;
}

/** The answer to a request of an operator. If no node can do it, the error says what prevents it. */
export async function orTrouble<Answer>(
  client: ApiClient,
  answer: Promise<Answer>,
): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ClientError) || error.kind !== "unavailable") throw error;
    const trouble = await readTrouble(client);
    if (trouble === null) throw error;
    throw new CommandError(ExitCode.unavailable, `${error.message}\n${printable(trouble)}`, {
      cause: error,
    });
  }
}

async function readTrouble(client: ApiClient): Promise<string | null> {
  try {
    return (await new MembersClient(client).read()).trouble;
  } catch (error) {
    if (error instanceof ClientError) return null;
    throw error;
  }
}

/** `--yes` alone must not cost the last spare share. */
function checkSpare({ takesLastSpare }: MembersPlanBody, { allowNoSpare }: ChangeFlags): void {
  if (!takesLastSpare || allowNoSpare === true) return;
  throw new CommandError(
    ExitCode.preconditionFailed,
    "Nothing was changed: the plan leaves no spare share, and the next lost share would lose the key for " +
      "ever. Replace a voter instead of removing it, choose a lower threshold, or start the nodes that " +
      "are down. --allow-no-spare does it all the same.",
  );
}

async function ask({ yes }: ChangeFlags, context: CommandContext): Promise<void> {
  if (yes === true) return;
  if (context.askLine === undefined) {
    throw new CommandError(
      ExitCode.usage,
      "Nothing was changed: there is no terminal to ask at. --yes carries the plan out.",
    );
  }
  const answer = await context.askLine("Carry it out? [y/N] ");
  if (/^y(es)?$/i.test(answer)) return;
  throw new CommandError(ExitCode.failure, "Nothing was changed.");
}

async function follow(
  { members, context, silentMs }: ChangeSession,
  { id, stop, stepsTotal }: {
    readonly id: number;
    readonly stop: AbortSignal;
    readonly stepsTotal: number;
  },
): Promise<FollowedEnd> {
  const reporter = new ChangeReporter(context.stderr, stepsTotal);
  const options = {
    onProgress: reporter.progress,
    signal: stop,
    silentMs,
  };
  const end = await members.follow(id, options).catch((error) => {
    if (!(error instanceof ClientError)) throw error;
    throw new CommandError(
      ExitCode.unavailable,
      `${error.message}\nThe plan is in the log: the cluster goes on with it once it has a leader. ` +
        "floe member status shows it.",
      { cause: error },
    );
  });
  if (end === null) {
    throw new CommandError(
      ExitCode.failure,
      "Interrupted. The cluster goes on with the change: floe member status shows it, and floe member " +
        "cancel ends it.",
    );
  }
  checkOutcome(end);
  reporter.end();
  return end;
}

function outcomeOf({ ended }: FollowedEnd): { readonly outcome: string } {
  return { outcome: ended?.outcome ?? "unknown" };
}

function checkOutcome({ ended }: FollowedEnd): void {
  if (ended === null || ended.outcome === "completed") return;
  const what = ended.outcome === "cancelled" ? "was cancelled" : "was given up";
  throw new CommandError(
    ExitCode.preconditionFailed,
    `The change ${what}: ${
      printable(ended.reason ?? "nobody said why")
    }. What was done of it stays: ` +
      "floe member list shows it.",
  );
}
