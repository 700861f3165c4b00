/**
 * The `floe` program: its commands, and how each way to end becomes an exit code.
 *
 * @module
 */

import { Command, CommanderError } from "commander";
import { CertificateError } from "../certificate/mod.ts";
import { EnvironmentError, InputError } from "../errors.ts";
import { RequestError } from "../node/mod.ts";
import type { CommandContext, Program, RegisterCommand } from "./command.ts";
import { registerCluster } from "./commands/cluster.ts";
import { registerDkg, registerGroup } from "./commands/group.ts";
import { registerInit } from "./commands/init.ts";
import { registerKeygen } from "./commands/keygen.ts";
import { registerKeys } from "./commands/keys.ts";
import { registerDel, registerGet, registerPut } from "./commands/kv.ts";
import { registerElections, registerLeader } from "./commands/leader.ts";
import { registerNode } from "./commands/node.ts";
import { registerStatus } from "./commands/status.ts";
import { registerToken } from "./commands/token.ts";
import { registerVerify } from "./commands/verify.ts";
import { CommandError, ExitCode } from "./failure.ts";
import { addGlobalOptions, globalFlags } from "./options.ts";
import { printable, printFields, printJson } from "./output.ts";
import { processContext } from "./process_context.ts";

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

/** The version of this source tree. */
const FLOE_VERSION = "0.1.0";

/** Adds `floe version`. */
function registerVersion(program: Program, context: CommandContext): void {
  program
    .command("version")
    .summary("print the versions of Floe and of what it runs on")
    .action((_options: unknown, command: Program) => {
      const versions = {
        floe: FLOE_VERSION,
        deno: Deno.version.deno,
        v8: Deno.version.v8,
        target: Deno.build.target,
      };
      if (globalFlags(command).output === "json") return printJson(context.stdout, versions);
      printFields(context.stdout, Object.entries(versions));
    });
}
