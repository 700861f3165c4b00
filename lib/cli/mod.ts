/**
 * The `floe` command line.
 *
 * **The frame** is in this folder: `cli.ts` loads only the command that runs, and turns an error into an
 * exit code and one message. Commands share `command.ts`, `options.ts`, `input.ts` and `output.ts`.
 * **The rooms**: `commands/` has the commands, each with a `register<Name>` function that adds it to the
 * program; `members/` plans changes of the members, asks, and follows them; `audit/` checks notes offline;
 * `secrets/` asks for passphrases; `serve/` runs a node; `local_cluster/` runs several nodes as processes. A
 * client command does not load the code of a node.
 *
 * **Data on stdout, messages on stderr.** A command prints its data as a table for people or, with
 * `-o json`, as JSON for programs; a certificate (`leader --cert`, `group --genesis`, `group --memberships`)
 * and a value (`get`) are printed byte for byte, ready for a pipe. Control characters in keys and answers are
 * escaped before they reach a terminal.
 *
 * **Output never stops a node.** A node and a cluster write through `output_queue.ts`. When the disk is
 * full, the pipe is closed or the reader stops, lines are dropped, counted and reported. The program
 * neither ends nor waits.
 *
 * **Exit codes are an interface** (`failure.ts`): a script can distinguish "no such key" from "no node
 * answered" without reading a message. A message says what failed, where, and what to do, without a stack
 * trace.
 *
 * **Clients never guess.** Commands send requests through `lib/client`; `session.ts` makes a client from
 * the options. When the timeout has passed and a write may have been applied, the command ends with exit
 * code 5 and says how to find out. When nothing listens at any address, it does not wait for the timeout.
 *
 * **Tokens** come from a file, a variable or a node's data folder (`token_source.ts`), never from
 * an argument. A node's own token is sent to that node alone.
 *
 * **Commands get their environment as an argument** (`command.ts`): streams, variables, fetch, clock and
 * stop signal. Only `process_context.ts` uses the process itself, so tests run commands in one process.
 *
 * @module
 */

export type { ChildOptions, ChildProcess } from "./child.ts";
export { run } from "./cli.ts";
export { ExitCode } from "./failure.ts";
export type { ByteSink, ClientTls, CommandContext, OutputStream, Terminal } from "./command.ts";
export type { Clock } from "../client/mod.ts";
