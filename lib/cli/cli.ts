/**
 * The `floe` program: its commands, and how each way to end becomes an exit code.
 *
 * @module
 */

import { Command, CommanderError } from "commander";
import { ChildEnded } from "./child.ts";
import type { ClientError } from "../client/mod.ts";
import { EnvironmentError, InputError } from "../errors.ts";
import { FLOE_VERSION } from "../version.ts";
import type { CommandContext, Program, RegisterCommand } from "./command.ts";
import { CommandError, EXIT_CODE_OF, ExitCode } from "./failure.ts";
import { configureHelp, optionsPage, wholeHelp } from "./help.ts";
import { addGlobalOptions, globalFlags } from "./options.ts";
import { JsonLines, printable, printFields, printJson } from "./output.ts";
import { OutputQueue } from "./output_queue.ts";
import { processContext } from "./process_context.ts";

/** A command, and how its code is loaded. */
interface CommandEntry {
  readonly name: string;
  load(): Promise<RegisterCommand>;
}

/**
 * Every command, in the order in which help lists them. Each is loaded only when it runs or when help
 * lists it: a client must not wait for the code of a node.
 */
const COMMANDS: readonly CommandEntry[] = [
  { name: "cluster", load: async () => (await import("./commands/cluster.ts")).registerCluster },
  { name: "node", load: async () => (await import("./commands/node.ts")).registerNode },
  { name: "join", load: async () => (await import("./commands/join.ts")).registerJoin },
  { name: "keygen", load: async () => (await import("./commands/keygen.ts")).registerKeygen },
  { name: "keys", load: async () => (await import("./commands/keys.ts")).registerKeys },
  { name: "init", load: async () => (await import("./commands/init.ts")).registerInit },
  { name: "dkg", load: async () => (await import("./commands/group.ts")).registerDkg },
  { name: "status", load: async () => (await import("./commands/status.ts")).registerStatus },
  { name: "doctor", load: async () => (await import("./commands/doctor.ts")).registerDoctor },
  { name: "leader", load: async () => (await import("./commands/leader.ts")).registerLeader },
  { name: "elections", load: async () => (await import("./commands/leader.ts")).registerElections },
  { name: "group", load: async () => (await import("./commands/group.ts")).registerGroup },
  { name: "member", load: async () => (await import("./commands/member.ts")).registerMember },
  { name: "members", load: async () => (await import("./commands/members.ts")).registerMembers },
  { name: "reshare", load: async () => (await import("./commands/member.ts")).registerReshare },
  { name: "put", load: async () => (await import("./commands/kv.ts")).registerPut },
  { name: "get", load: async () => (await import("./commands/kv.ts")).registerGet },
  { name: "del", load: async () => (await import("./commands/kv.ts")).registerDel },
  { name: "ls", load: async () => (await import("./commands/range.ts")).registerLs },
  { name: "txn", load: async () => (await import("./commands/txn.ts")).registerTxn },
  { name: "watch", load: async () => (await import("./commands/watch.ts")).registerWatch },
  { name: "lease", load: async () => (await import("./commands/lease.ts")).registerLease },
  { name: "lock", load: async () => (await import("./commands/lock.ts")).registerLock },
  { name: "elect", load: async () => (await import("./commands/lock.ts")).registerElect },
  { name: "export", load: async () => (await import("./commands/data.ts")).registerExport },
  { name: "import", load: async () => (await import("./commands/data.ts")).registerImport },
  { name: "snapshot", load: async () => (await import("./commands/snapshot.ts")).registerSnapshot },
  { name: "token", load: async () => (await import("./commands/token.ts")).registerToken },
  { name: "audit", load: async () => (await import("./commands/audit.ts")).registerAudit },
  { name: "verify", load: async () => (await import("./commands/verify.ts")).registerVerify },
  {
    name: "completion",
    load: async () => (await import("./commands/completion.ts")).registerCompletion,
  },
  { name: "version", load: () => Promise.resolve(registerVersion) },
  { name: "help", load: () => Promise.resolve(registerHelp) },
];

/** How long a failed program waits for a slow reader of stderr. */
const MESSAGE_TIMEOUT_MS = 5_000;

/** Runs `floe` with the arguments after its name, and returns the exit code. Never throws. */
export async function run(
  args: readonly string[],
  context: CommandContext = processContext(),
): Promise<number> {
  try {
    checkArguments(args);
    const program = await createProgram(context, args);
    await program.parseAsync(args, { from: "user" });
    return ExitCode.ok;
  } catch (error) {
    return await report(error, context);
  }
}

/** The runtime replaces bytes that are not UTF-8 by this character, so the argument is lost. */
const REPLACEMENT_CHARACTER = "\ufffd";

function checkArguments(args: readonly string[]): void {
  const index = args.findIndex((arg) => arg.includes(REPLACEMENT_CHARACTER));
  if (index < 0) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot use argument ${
      index + 1
    }: it has bytes that are not UTF-8, or U+FFFD, which stands for ` +
      "such bytes. Give such a value with --file PATH, or with - on standard input.",
  );
}

/**
 * The program with the command in `args`, or with all commands for help and when `args` have none.
 * {@linkcode run} reports how a command ends.
 */
export async function createProgram(
  context: CommandContext,
  args: readonly string[] = [],
): Promise<Program> {
  const { wanted, hasJsonLines } = readArguments(context, args);
  if (hasJsonLines) context = { ...context, stdout: new JsonLines(context.stdout) };
  const program = createFrame(context);
  const named = COMMANDS.filter(({ name }) => name === wanted);
  const isHelp = named.some(({ name }) => name === "help");
  const entries = named.length === 0 || isHelp ? COMMANDS : named;
  const registers = await Promise.all(entries.map((entry) => entry.load()));
  for (const register of registers) register(program, context);
  return program;
}

/** The first argument that is neither a global option nor its value, and whether JSON is wanted line by line. */
function readArguments(
  context: CommandContext,
  args: readonly string[],
): { readonly wanted: string | undefined; readonly hasJsonLines: boolean } {
  const frame = createFrame(context).configureOutput({ writeOut: () => {}, writeErr: () => {} });
  try {
    const [wanted] = frame.parseOptions([...args]).operands;
    return { wanted, hasJsonLines: frame.opts()["output"] === "jsonl" };
  } catch (error) {
    // The program finds the same fault again, and reports it.
    if (error instanceof CommanderError) return { wanted: undefined, hasJsonLines: false };
    throw error;
  }
}

/** The program without its commands. */
function createFrame(context: CommandContext): Program {
  const program = new Command("floe")
    .description("A Raft cluster whose leaders carry FROST election certificates.")
    .version(FLOE_VERSION, "-V, --version", "print the version of Floe")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .showHelpAfterError("(--help lists commands and options)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "floe: ")),
      // Help has no colours: to detect them takes variables that Floe has no permission to read.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  configureHelp(program);
  addGlobalOptions(program);
  return program;
}

/** Reports an error on stderr, and returns the exit code. */
async function report(error: unknown, context: CommandContext): Promise<number> {
  // The program that it ran has printed its own message.
  if (error instanceof ChildEnded) return error.exitCode;
  // Commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  // The reader has closed the pipe, as `head` does.
  if (error instanceof Deno.errors.BrokenPipe) return ExitCode.ok;
  const { exitCode, message } = describe(error, context);
  const stderr = new OutputQueue(context.stderr, () => "");
  stderr.write(`floe: ${printable(message, { keepNewlines: true })}\n`);
  await stderr.drain(MESSAGE_TIMEOUT_MS);
  return exitCode;
}

function describe(
  error: unknown,
  context: CommandContext,
): { readonly exitCode: ExitCode; readonly message: string } {
  if (error instanceof CommandError) return error;
  if (!(error instanceof Error)) return { exitCode: ExitCode.failure, message: String(error) };
  const { message } = error;
  // By their names: their classes would load the client, or all of the node's cryptography, into every command.
  if (isClientError(error)) return { exitCode: EXIT_CODE_OF[error.kind], message };
  if (error.name === "CertificateError") return { exitCode: ExitCode.verificationFailed, message };
  if (error.name === "RemovedError") return { exitCode: ExitCode.removed, message };
  if (error instanceof InputError) return { exitCode: ExitCode.usage, message };
  if (error instanceof EnvironmentError) return { exitCode: ExitCode.failure, message };
  return { exitCode: ExitCode.failure, message: unforeseen(error, context) };
}

function isClientError(error: Error): error is ClientError {
  return error.name === "ClientError" && "kind" in error;
}

/** The message for a bug: a sentence, and with FLOE_DEBUG the stack. */
function unforeseen(error: Error, context: CommandContext): string {
  const summary = `${error.name}: ${error.message}`;
  if (context.env("FLOE_DEBUG") !== undefined) return error.stack ?? summary;
  return `${summary}\nThis is a bug in Floe. FLOE_DEBUG=1 shows where it happened.`;
}

/** Adds `floe version`. */
function registerVersion(program: Program, context: CommandContext): void {
  program
    .command("version")
    .summary("print the versions of Floe, Deno and the system")
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

/** Adds `floe help`. */
function registerHelp(program: Program, context: CommandContext): void {
  program
    .command("help")
    .summary("show the help of a command, or the options of all")
    .description(
      "Shows the help of a command; without one, lists all commands. floe help options shows the options " +
        "that every command has, and what exit codes mean.",
    )
    .argument("[command...]", "the command, or options")
    .option("--all", "the whole help, not only 20 lines")
    .action((names: readonly string[], options: { readonly all?: true }) => {
      if (names.length === 1 && names[0] === OPTIONS_PAGE) {
        return context.stdout.write(optionsPage(program));
      }
      const found = names.reduce<Program>(findCommand, program);
      if (options.all === true && names.length > 0) return context.stdout.write(wholeHelp(found));
      found.outputHelp();
    });
}

/** Names no command, but the page of the options that all have. */
const OPTIONS_PAGE = "options";

function findCommand(parent: Program, name: string): Program {
  const found = parent.commands.find((command) => command.name() === name);
  if (found !== undefined) return found;
  const path = [parent.parent === null ? "" : `${parent.name()} `, name].join("");
  const list = parent.parent === null ? "floe help" : `floe help ${parent.name()}`;
  throw new CommandError(
    ExitCode.usage,
    `There is no command ${JSON.stringify(path)}. ${list} lists the commands.`,
  );
}
