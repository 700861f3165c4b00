/**
 * `floe group` and `floe dkg`: the cluster's key, its voters, its genesis, and how it is made.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { type ApiClient, bodyOf, MembersClient } from "../../client/mod.ts";
import { marginsOf, marginWarnings, type Quorum } from "../../margins.ts";
import type { AwaitedStep } from "../../node/mod.ts";
import { type DkgBody, dkgSchema, type GroupBody, groupSchema } from "../../wire/mod.ts";
import type { CommandContext, OutputStream, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import {
  type Cell,
  marginFields,
  printable,
  printFields,
  printJson,
  printMarginWarnings,
  printTable,
} from "../output.ts";
import { openClient, toViewJson, type View, viewAll } from "../session.ts";

const VERIFY_GENESIS = "to verify: floe group --genesis | floe verify - --config FILE";
const NO_GENESIS = "none: a dealer made the key";

/** Adds `floe group`. */
export function registerGroup(program: Program, context: CommandContext): void {
  program
    .command("group")
    .summary("show the cluster's key, its voters and its genesis")
    .description(
      "Shows the cluster's group key, its voters, how many of them may fail, and the genesis " +
        "certificate, in which all nodes have signed the key that they made together. A key from a " +
        "dealer has no genesis. With --genesis: only that certificate, as `floe verify -` " +
        "reads it. Exit code 3: there is none. With --memberships: every membership that the voters " +
        "have signed since; nothing where the members never changed.",
    )
    .option("--genesis", "print only the genesis certificate")
    .option("--memberships", "print only the certificates of the memberships, in order")
    .action(async (options: GroupFlags, command: Program) => {
      const { client, flags } = await openClient(command, context);
      if (options.memberships === true) return await printMemberships(client, context);
      const group = bodyOf(await client.send({ method: "GET", path: "/v1/group" }), groupSchema);
      if (options.genesis === true) return context.stdout.write(genesisOf(group));
      if (flags.output === "json") {
        const warnings = marginWarnings(quorumOf(group));
        return printJson(context.stdout, { ...group, warnings });
      }
      printGroup(context.stdout, group);
      printMarginWarnings(context.stderr, quorumOf(group));
    });
}

interface GroupFlags {
  readonly genesis?: true;
  readonly memberships?: true;
}

/** The notes one after the other. The empty line between two belongs to neither. */
async function printMemberships(
  client: ApiClient,
  { stdout, stderr }: CommandContext,
): Promise<void> {
  const { memberships } = await new MembersClient(client).chain();
  const notes = memberships.flatMap(({ byOld, byNew }) =>
    byNew === null ? [byOld] : [byOld, byNew]
  );
  stdout.write(notes.map((note) => printable(note, { keepNewlines: true })).join("\n"));
  if (notes.length === 0) stderr.write("The members have never changed.\n");
}

function quorumOf({ threshold, voters }: GroupBody): Quorum {
  return { n: voters.length, threshold };
}

function genesisOf({ genesis }: GroupBody): string {
  if (genesis !== null) return genesis;
  throw new CommandError(ExitCode.notFound, `Cannot print the genesis certificate: ${NO_GENESIS}`);
}

function printGroup(stdout: OutputStream, group: GroupBody): void {
  const { cluster, epoch, threshold, voters, publicKey, verifierKey, genesis } = group;
  const rows = voters.map(({ id, identifier, verifyingShare }) => [id, identifier, verifyingShare]);
  printTable(stdout, ["VOTER", "IDENTIFIER", "VERIFYING SHARE"], rows);
  stdout.write("\n");
  printFields(stdout, [
    ["cluster", cluster],
    ["epoch", epoch],
    ["must sign", `${threshold} of ${voters.length}`],
    ...marginFields(quorumOf(group)),
    ["group key", publicKey],
    ["verifier key", verifierKey],
    ["genesis", genesis === null ? NO_GENESIS : VERIFY_GENESIS],
  ]);
  if (genesis !== null) stdout.write(`\n${printable(genesis, { keepNewlines: true })}`);
}

/** Adds `floe dkg` and `floe dkg status`. */
export function registerDkg(program: Program, context: CommandContext): void {
  program
    .command("dkg")
    .summary("follow how the nodes make their key")
    .description("Shows how all nodes of a new cluster make its key together.")
    .command("status")
    .summary("show how far key generation is, and which nodes it waits for")
    .description(
      "Asks every node for its progress. Then shows how the first unfinished node sees the other " +
        "nodes; --endpoints selects another node. Exit code 5: no node answered.",
    )
    .action(async (_options: unknown, command: Program) => {
      const { client, flags } = await openClient(command, context);
      const views = await viewAll(client, { path: "/v1/dkg", schema: dkgSchema });
      if (flags.output === "json") return printJson(context.stdout, jsonOf(views));
      printViews(context.stdout, views);
      printMarginWarnings(context.stderr, quorumOfAttempt(views));
    });
}

type DkgViews = readonly View<DkgBody>[];

function jsonOf(views: DkgViews): unknown {
  const quorum = quorumOfAttempt(views);
  const [margins, warnings] = [marginsOf(quorum), marginWarnings(quorum)];
  const { cluster } = firstBody(views);
  return { cluster, ...quorum, margins, warnings, nodes: views.map(toViewJson) };
}

function quorumOfAttempt(views: DkgViews): Quorum {
  const { threshold, voters } = firstBody(views);
  return { n: voters.length, threshold };
}

/** The first unfinished node, or else the first that answered. */
function firstBody(views: DkgViews): DkgBody {
  const bodies = bodiesOf(views);
  return assertDefined(bodies.find(isUnfinished) ?? bodies[0], "at least one node answered");
}

function bodiesOf(views: DkgViews): readonly DkgBody[] {
  return views.flatMap(({ body }) => body === null ? [] : [body]);
}

function printViews(stdout: OutputStream, views: DkgViews): void {
  const first = firstBody(views);
  const { cluster, threshold, voters } = first;
  stdout.write(
    `cluster ${printable(cluster)}: ${threshold} of ${voters.length} voters sign; ` +
      `${bodiesOf(views).length} of ${views.length} nodes answered\n`,
  );
  printFields(stdout, [...marginFields(quorumOfAttempt(views)), ...fingerprintFields(views)]);
  stdout.write("\n");
  printTable(stdout, ["NODE", "PHASE", "ATTEMPT", "WAITS FOR", "API", ""], views.map(rowOf));
  if (first.peers.length === 0) return;
  stdout.write(`\nAs ${printable(first.id)} sees the others:\n\n`);
  const header = [
    "PEER",
    "CONNECTED",
    "CONFIGURATION",
    "ROUND ONE",
    "ROUND TWO",
    "READY",
    "SIGNED",
  ];
  printTable(stdout, header, first.peers.map(peerRowOf));
}

/** One fingerprint of cluster.json if all nodes have the same, else each with its nodes. */
function fingerprintFields(views: DkgViews): readonly (readonly [string, string])[] {
  const nodes = new Map<string, string[]>();
  for (const { id, fingerprint } of bodiesOf(views)) {
    if (fingerprint === null) continue;
    nodes.set(fingerprint, [...nodes.get(fingerprint) ?? [], id]);
  }
  return [...nodes].map(([fingerprint, ids]) => {
    const whose = nodes.size === 1 ? "" : ` at ${ids.map((id) => printable(id)).join(", ")}`;
    return ["fingerprint", `${printable(fingerprint)}${whose}`];
  });
}

function isUnfinished({ phase }: DkgBody): boolean {
  return phase !== "finished" && phase !== "dealt";
}

function rowOf({ endpoint, body, error }: View<DkgBody>): readonly Cell[] {
  if (body === null) return [endpoint.id, null, null, null, endpoint.label, error];
  const { id, phase, attempt } = body;
  return [id, PHASES[phase], attempt, describeWaiting(body), endpoint.label, ""];
}

function peerRowOf(peer: DkgBody["peers"][number]): readonly Cell[] {
  const { id, connected, configuration, roundOne, roundTwo, ready, signed } = peer;
  const steps = [roundOne, roundTwo, ready, signed].map(yesOrNo);
  return [id, yesOrNo(connected), configuration, ...steps];
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}

/** `server_2, server_4 (round one); server_5 (to connect)`; null when it waits for no node. */
function describeWaiting({ waitingFor }: DkgBody): string | null {
  const bySteps = Map.groupBy(waitingFor, ({ step }) => step);
  const parts = [...bySteps].map(([step, peers]) =>
    `${peers.map(({ id }) => id).join(", ")} (${STEPS[step]})`
  );
  return parts.length === 0 ? null : parts.join("; ");
}

const STEPS: Readonly<Record<AwaitedStep, string>> = {
  connection: "to connect",
  configuration: "to have the same cluster.json",
  roundOne: "round one",
  roundTwo: "round two",
  ready: "to be ready",
  signature: "to sign",
  genesis: "to show the genesis",
};

const PHASES: Readonly<Record<DkgBody["phase"], string>> = {
  connecting: "connecting",
  betweenAttempts: "between attempts",
  roundOne: "round one",
  roundTwo: "round two",
  ready: "ready",
  signed: "signed",
  finished: "finished",
  shareLost: "share lost",
  exhausted: "no attempt left",
  dealt: "dealt",
};
