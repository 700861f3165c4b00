/**
 * `floe group`: the cluster's key, who shares it, and where it came from.
 *
 * @module
 */

import type { GroupBody } from "../http/wire.ts";
import { marginWarnings, type Quorum } from "../margins.ts";
import { readGroup } from "./answers.ts";
import type { CommandContext, OutputStream, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { marginFields, printMarginWarnings } from "./margins.ts";
import { printable, printFields, printJson, printTable } from "./output.ts";
import { openSession } from "./session.ts";

const VERIFY_GENESIS = "to verify: floe group --genesis | floe verify - --config FILE";
const NO_GENESIS = "none: a dealer made the key";

/** Adds `floe group`. */
export function registerGroup(program: Program, context: CommandContext): void {
  program
    .command("group")
    .summary("show the cluster's key, its voters and its genesis")
    .description(
      "Shows the cluster's group key as a node tells it, who shares it, what may go wrong, and " +
        "the genesis certificate, by which all nodes sign for the key that they made together; a " +
        "key from a dealer has none. With --genesis: that certificate and nothing else, as " +
        "`floe verify -` reads it. Exit code 3: there is none.",
    )
    .option("--genesis", "print only the genesis certificate")
    .action(async (options: GroupFlags, command: Program) => {
      const { client, flags } = await openSession(command, context);
      const group = readGroup(await client.send({ method: "GET", path: "/v1/group" }));
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
