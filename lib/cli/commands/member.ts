/**
 * `floe member` and `floe reshare`: the members of the cluster, and their changes.
 *
 * @module
 */

import { MembersClient } from "../../client/mod.ts";
import { type PeerCard, PEERS_MAX, toPeerCardJson } from "../../config/mod.ts";
import type { MembersBody, MembersRequestBody } from "../../wire/mod.ts";
import { readCard } from "../cards.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import {
  addChangeOptions,
  type ChangeFlags,
  changeMembers,
  followChange,
  orTrouble,
} from "../members/carry_out.ts";
import { describeEnd, printChange, printMembers } from "../members/report.ts";
import { wholeNumberUpTo } from "../options.ts";
import { printable, printJson } from "../output.ts";
import { openClient } from "../session.ts";

/** Adds `floe member` and its commands. */
export function registerMember(program: Program, context: CommandContext): void {
  const member = program
    .command("member")
    .summary("show and change the members of the cluster")
    .description(
      "Shows the members of the cluster, and changes them while it serves. The group key stays the same, " +
        "and the voters sign each change: floe verify follows them.",
    );
  registerList(member, context);
  registerAdd(member, context);
  registerRemove(member, context);
  registerReplace(member, context);
  registerRoles(member, context);
  registerUpdate(member, context);
  registerStatus(member, context);
  registerCancel(member, context);
}

function registerList(member: Program, context: CommandContext): void {
  member
    .command("list")
    .summary("show the members")
    .description(
      "Shows each member as the leader knows it: its role, whether it has a share of the group's key, " +
        "whether its log is current, and whether it can be reached. Former members are shown as removed.",
    )
    .action(async (_options: unknown, command: Program) => {
      const { body, isJson } = await readMembers(command, context);
      if (isJson) return printJson(context.stdout, body);
      printMembers(context.stdout, body);
      if (body.change === null) return;
      context.stdout.write("\n");
      printChange(context.stdout, body);
    });
}

interface AddFlags extends ChangeFlags {
  readonly learner?: true;
  readonly threshold?: number;
}

function registerAdd(member: Program, context: CommandContext): void {
  const add = member
    .command("add")
    .summary("add a node")
    .description(
      "Adds the node that waits in floe join with this card: first as a learner, which copies the log, " +
        "then, once it has caught up, as a voter with a share. With --learner it stays a learner.",
    )
    .argument("<card>", "the file with its card; - for standard input")
    .option("--learner", "it only replicates, until floe member promote");
  addThreshold(add);
  addChangeOptions(add).action(async (file: string, options: AddFlags, command: Program) => {
    const card = toPeerCardJson(await readCard(file, context));
    const learner = options.learner === true ? { learner: true } : {};
    const request = { add: [{ card, ...learner }], ...thresholdOf(options) };
    await changeMembers(request, { options, command, context });
  });
}

function registerRemove(member: Program, context: CommandContext): void {
  const remove = member
    .command("remove")
    .summary("remove a member")
    .description(
      "Removes a member, up or down. Its share is useless afterwards, and its id is never used again. " +
        "Delete its folder then.",
    )
    .argument("<id>", "the member");
  addThreshold(remove);
  addChangeOptions(remove).action(async (id: string, options: AddFlags, command: Program) => {
    const request = { remove: [id], ...thresholdOf(options) };
    await changeMembers(request, { options, command, context });
  });
}

function registerReplace(member: Program, context: CommandContext): void {
  const replace = member
    .command("replace")
    .summary("put a new node in a member's place, also for a lost disk")
    .description(
      "Removes a member and adds the node that waits in floe join with this card, in one change. The " +
        "member may be dead. The new node has another id.",
    )
    .argument("<id>", "the member that leaves")
    .argument("<card>", "the file with the new node's card; - for standard input");
  addChangeOptions(replace).action(
    async (id: string, file: string, options: ChangeFlags, command: Program) => {
      const card = await readCard(file, context);
      checkOtherId(id, card);
      const request = { remove: [id], add: [{ card: toPeerCardJson(card) }] };
      await changeMembers(request, { options, command, context });
    },
  );
}

function checkOtherId(id: string, card: PeerCard): void {
  if (card.id !== id) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot replace ${
      printable(id)
    } by a node of the same id: a member that leaves never comes back. ` +
      "Start the new node under another id (floe join --id). A member that lost nothing but its " +
      `identity keeps its place: floe member update ${printable(id)} --card CARD.`,
  );
}

function registerRoles(member: Program, context: CommandContext): void {
  const promote = member
    .command("promote")
    .summary("make a learner a voter")
    .description("Gives a learner a share and a vote, once its log has caught up.")
    .argument("<id>", "the learner");
  const demote = member
    .command("demote")
    .summary("make a voter a learner")
    .description("Takes a voter's vote and share away. The member still replicates.")
    .argument("<id>", "the voter");
  for (const [command, name] of [[promote, "promote"], [demote, "demote"]] as const) {
    addThreshold(command);
    addChangeOptions(command).action(async (id: string, options: AddFlags, self: Program) => {
      const request = { [name]: [id], ...thresholdOf(options) };
      await changeMembers(request, { options, command: self, context });
    });
  }
}

interface UpdateFlags extends ChangeFlags {
  readonly peer?: string;
  readonly api?: string;
  readonly card?: string;
}

function registerUpdate(member: Program, context: CommandContext): void {
  const update = member
    .command("update")
    .summary("change a member's addresses or identity")
    .description(
      "Changes where a member is reached, or the keys of its identity. Its share stays. Give either " +
        "--card, with a card that the node's operator made with floe keygen, or the addresses. Restart " +
        "the node afterwards, with a fresh cluster.json: floe members export.",
    )
    .argument("<id>", "the member")
    .option("--peer <address>", "where other nodes reach it, host:port")
    .option("--api <address>", "where clients reach it, host:port")
    .option("--card <file>", "the member's new card; - for standard input");
  addChangeOptions(update).action(async (id: string, options: UpdateFlags, command: Program) => {
    const request = { update: [await readUpdate(id, options, context)] };
    await changeMembers(request, { options, command, context });
  });
}

async function readUpdate(
  id: string,
  { peer, api, card: file }: UpdateFlags,
  context: CommandContext,
): Promise<NonNullable<MembersRequestBody["update"]>[number]> {
  const addresses = {
    ...(peer === undefined ? {} : { peer }),
    ...(api === undefined ? {} : { api }),
  };
  const hasAddresses = Object.keys(addresses).length > 0;
  if (file === undefined && hasAddresses) return { id, ...addresses };
  if (file === undefined || hasAddresses) {
    throw new CommandError(
      ExitCode.usage,
      "Give either --card, or --peer or --api or both: a card has addresses of its own",
    );
  }
  const card = await readCard(file, context);
  if (card.id === id) return toPeerCardJson(card);
  throw new CommandError(
    ExitCode.usage,
    `Cannot update ${
      printable(id)
    }: the card is ${card.id}'s. floe member replace puts another node in ` +
      "its place.",
  );
}

function registerStatus(member: Program, context: CommandContext): void {
  member
    .command("status")
    .summary("show the change that is under way")
    .description(
      "Shows the change of the members that is under way, step by step, or how the last one ended. With " +
        "--follow: until it ends.",
    )
    .option("--follow", "go on until the change ends")
    .action(async (options: { readonly follow?: true }, command: Program) => {
      const { body, isJson, ...session } = await readMembers(command, context);
      const { change, lastChange, trouble } = body;
      if (isJson && options.follow !== true) {
        return printJson(context.stdout, { change, lastChange, trouble });
      }
      if (!isJson) printChange(context.stdout, body);
      if (change === null || options.follow !== true) return;
      const stepsTotal = change.stepsDone + change.steps.length;
      const members = await followChange({ ...session, context }, { id: change.id, stepsTotal });
      if (isJson) {
        return printJson(context.stdout, { change: null, lastChange: members.lastChange });
      }
      context.stdout.write(`${describeEnd(members)}\n`);
    });
}

function registerCancel(member: Program, context: CommandContext): void {
  member
    .command("cancel")
    .summary("end the change that is under way")
    .description(
      "Ends the change that is under way. Steps that are done stay done. A step whose new shares have " +
        "signed already is completed first. Exit code 4: no change is under way.",
    )
    .option("--reason <text>", "why, for the other operators")
    .action(async (options: { readonly reason?: string }, command: Program) => {
      const { client, flags } = await openClient(command, context);
      const ended = await orTrouble(client, new MembersClient(client).cancel(options.reason));
      if (flags.output === "json") return printJson(context.stdout, ended);
      context.stdout.write(
        `Change ${ended.id} is cancelled. floe member list shows what it did.\n`,
      );
    });
}

/** Adds `floe reshare`. */
export function registerReshare(program: Program, context: CommandContext): void {
  const reshare = program
    .command("reshare")
    .summary("give all voters new shares, or change how many must sign")
    .description(
      "Deals new shares to all voters, under the same group key. Old shares are useless " +
        "afterwards, unless a thief has as many of one epoch as must sign: do it every month, and after a " +
        "node's folder may have been read. With --threshold, another number of voters must sign afterwards.",
    );
  addThreshold(reshare);
  addChangeOptions(reshare).action(async (options: AddFlags, command: Program) => {
    await changeMembers({ refresh: true, ...thresholdOf(options) }, { options, command, context });
  });
}

function addThreshold(command: Program): void {
  command.option(
    "--threshold <number>",
    "how many voters must sign afterwards; by default as many as keep the margins",
    wholeNumberUpTo(PEERS_MAX),
  );
}

function thresholdOf({ threshold }: AddFlags): { readonly threshold?: number } {
  return threshold === undefined ? {} : { threshold };
}

/** Prints the members, and a warning if something prevents every change. */
async function readMembers(command: Program, context: CommandContext): Promise<{
  readonly body: MembersBody;
  readonly isJson: boolean;
  readonly client: Awaited<ReturnType<typeof openClient>>["client"];
  readonly silentMs: number;
}> {
  const { client, flags } = await openClient(command, context);
  const body = await new MembersClient(client).read();
  if (body.trouble !== null) {
    context.stderr.write(`warning: ${printable(body.trouble)}\n`);
  }
  return { body, isJson: flags.output === "json", client, silentMs: flags.timeout };
}
