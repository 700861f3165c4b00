/**
 * The `floe` program: its commands, and how each way to end becomes an exit code.
 *
 * @module
 */

import { Command, CommanderError } from "commander";
import { CertificateError } from "../certificate/error.ts";
import { EnvironmentError, InputError } from "../errors.ts";
import { RequestError } from "../node/api.ts";
import { registerCluster } from "./cluster.ts";
import type { CommandContext, Program, RegisterCommand } from "./command.ts";
import { registerDel } from "./del.ts";
import { registerDkg } from "./dkg.ts";
import { registerElections } from "./elections.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { registerGet } from "./get.ts";
import { registerGroup } from "./group.ts";
import { registerInit } from "./init.ts";
import { registerKeygen } from "./keygen.ts";
import { registerKeys } from "./keys.ts";
import { registerLeader } from "./leader.ts";
import { registerNode } from "./node.ts";
import { addGlobalOptions } from "./options.ts";
import { printable } from "./output.ts";
import { processContext } from "./process_context.ts";
import { registerPut } from "./put.ts";
import { registerStatus } from "./status.ts";
import { registerToken } from "./token.ts";
import { registerVerify } from "./verify.ts";
import { FLOE_VERSION, registerVersion } from "./version.ts";

/** Every command, in the order in which help lists them. */
const COMMANDS: readonly RegisterCommand[] = [
  registerCluster,
  registerNode,
  registerKeygen,
  registerKeys,
  registerInit,
  registerDkg,
  registerStatus,
  registerLeader,
  registerElections,
  registerGroup,
  registerPut,
  registerGet,
  registerDel,
  registerToken,
  registerVerify,
  registerVersion,
];

const EXIT_CODES_HELP = `
Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 precondition failed,
5 unavailable or timed out, 6 not allowed, 7 verification failed.`;

/** Runs `floe` with the arguments after its name, and returns the exit code. Never throws. */
export async function run(
  args: readonly string[],
  context: CommandContext = processContext(),
): Promise<number> {
  try {
    await createProgram(context).parseAsync(args, { from: "user" });
    return ExitCode.ok;
  } catch (error) {
    return report(error, context);
  }
}

/** The program with all its commands. {@linkcode run} says how each way to end is told. */
export function createProgram(context: CommandContext): Program {
  const program = new Command("floe")
    .description("A Raft cluster whose leaders carry FROST election certificates.")
    .version(FLOE_VERSION, "-V, --version", "print the version of Floe")
    .helpOption("-h, --help", "show this help")
    .showHelpAfterError("(add --help for what there is)")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "floe: ")),
      // Help has no colours; to learn whether a terminal has them takes variables that Floe may not read.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText("after", EXIT_CODES_HELP);
  addGlobalOptions(program);
  for (const register of COMMANDS) register(program, context);
  return program;
}

/** Says on stderr what went wrong, and how the process shall end. */
function report(error: unknown, context: CommandContext): ExitCode {
  // Commander has already said what it had to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  // Whoever read our output has had enough of it, as `head` does.
  if (error instanceof Deno.errors.BrokenPipe) return ExitCode.ok;
  const { exitCode, message } = describe(error, context);
  context.stderr.write(`floe: ${printable(message, { keepNewlines: true })}\n`);
  return exitCode;
}

function describe(
  error: unknown,
  context: CommandContext,
): { readonly exitCode: ExitCode; readonly message: string } {
  if (error instanceof CommandError) return error;
  if (!(error instanceof Error)) return { exitCode: ExitCode.failure, message: String(error) };
  const { message } = error;
  if (error instanceof CertificateError) return { exitCode: ExitCode.verificationFailed, message };
  if (error instanceof InputError) return { exitCode: ExitCode.usage, message };
  if (error instanceof EnvironmentError) return { exitCode: ExitCode.failure, message };
  if (error instanceof RequestError) return { exitCode: ExitCode.unavailable, message };
  return { exitCode: ExitCode.failure, message: unforeseen(error, context) };
}

/** A bug: a person gets a sentence, whoever looks for it gets the stack. */
function unforeseen(error: Error, context: CommandContext): string {
  const summary = `${error.name}: ${error.message}`;
  if (context.env("FLOE_DEBUG") !== undefined) return error.stack ?? summary;
  return `${summary}\nThis is a bug in Floe. FLOE_DEBUG=1 shows where it happened.`;
}
