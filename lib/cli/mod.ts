/**
 * The `floe` command line.
 *
 * **One file a command**, each with one `register<Name>` function that adds it to the program.
 * `cli.ts` puts them together and turns whatever they throw into an exit code and one message.
 *
 * **Data on stdout, messages on stderr.** A command prints its data as a table for people or, with
 * `-o json`, as JSON for programs; a certificate (`leader --cert`, `group --genesis`) and a value
 * (`get`) come out byte for byte, ready for a pipe. Text from elsewhere cannot drive the terminal that
 * shows it.
 *
 * **Exit codes are an interface** (`failure.ts`): scripts tell "there is no such key" from "no one
 * could tell me" without reading a message. A person reads what failed, where, and what to do;
 * never a stack trace.
 *
 * **Clients never guess.** `client.ts` asks one node after the other and moves on at any trouble that
 * passes, until the time is up. Reads may be asked of anyone; a write carries an idempotency key
 * (`kv.ts`), so that it takes effect once however often it is sent, and every attempt is answered as
 * the one that did. A write without such a key would move on only when a node has said that it
 * was not applied, or when no connection came about. When the time is up and an attempt may have had its
 * effect, the command ends with exit code 5 and says how to find out. Where nothing listens at any
 * address it does not wait for the timeout.
 *
 * **Tokens** come from a file, a variable or a node's data folder (`token_source.ts`), never from an
 * argument, and a node's own token is sent to that node alone.
 *
 * **Commands get their surroundings handed in** (`command.ts`): streams, environment, fetch, clock and
 * stop signal. Only `process_context.ts` touches the process, so that every test runs in-process.
 *
 * @module
 */

export { run } from "./cli.ts";
export { ExitCode } from "./failure.ts";
export type { ByteSink, CommandContext, OutputStream } from "./command.ts";
export type { Clock } from "./process_context.ts";
