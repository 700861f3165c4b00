/**
 * The `floe` command line.
 *
 * **The frame** stands in this folder: `cli.ts` loads the command that runs and no other, and turns an
 * error into an exit code and one message; `command.ts`, `options.ts`, `input.ts` and `output.ts` are
 * what commands share. **The rooms**: `commands/` has the commands, each with a `register<Name>`
 * function that adds it to the program; `secrets/` asks people; `serve/` runs a
 * node; `local_cluster/` runs many as processes. A client command loads no node.
 *
 * **Data on stdout, messages on stderr.** A command prints its data as a table for people or, with
 * `-o json`, as JSON for programs; a certificate (`leader --cert`, `group --genesis`) and a value
 * (`get`) come out byte for byte, ready for a pipe. Text from elsewhere cannot drive the terminal that
 * shows it.
 *
 * **Output costs nothing but itself.** A node and a cluster write through `output_queue.ts`: a full disk,
 * a closed pipe or a reader that stops costs lines, which are counted and reported. It never ends the
 * program and never holds it up.
 *
 * **Exit codes are an interface** (`failure.ts`): a script tells "there is no such key" from "no node
 * answered" without reading a message. A person reads what failed, where, and what to do; never a
 * stack trace.
 *
 * **Clients never guess.** Commands ask through `lib/client`; `session.ts` makes a client of the options.
 * When the time is up and an attempt may have taken effect, the command ends with exit code 5 and says
 * how to find out. Where nothing listens at any address, it does not wait for the timeout.
 *
 * **Tokens** come from a file, a variable or a node's data folder (`token_source.ts`), never from
 * an argument. A node's own token is sent to that node alone.
 *
 * **Commands get their surroundings as arguments** (`command.ts`): streams, environment, fetch, clock and
 * stop signal. Only `process_context.ts` touches the process, so every test runs in one process.
 *
 * @module
 */

export { run } from "./cli.ts";
export { ExitCode } from "./failure.ts";
export type { ByteSink, CommandContext, OutputStream } from "./command.ts";
export type { Clock } from "../client/mod.ts";
