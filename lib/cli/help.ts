/**
 * The form of help: a page of at most 20 lines for each command, with one example; a page with the options of
 * every command; and, with `--all`, the whole description of a command.
 *
 * @module
 */

import { type Command, Help } from "commander";
import type { Program } from "./command.ts";
import { EXAMPLES } from "./examples.ts";
import { TEXT_WIDTH as WIDTH, wrap } from "./output.ts";

/** Most lines of a command's help. */
const HELP_LINES_MAX = 20;
/** Most lines of the description that are shown. */
const DESCRIPTION_LINES_MAX = 4;
/** Before the text of an argument or option. */
const TERM_WIDTH_MAX = 30;

/** Sets the form of help for a program and all its commands, which are to be added afterwards. */
export function configureHelp(program: Program): void {
  program.configureHelp({
    formatHelp: (command, helper) =>
      command.parent === null ? overview(command, helper) : shortHelp(command, helper),
  });
}

/** The names of `floe` up to a command, without its own: `member add`. */
function pathOf(command: Program): string {
  return command.parent === null ? "" : `${pathOf(command.parent)} ${command.name()}`.trimStart();
}

/** Every command, a line each. */
function overview(program: Program, helper: Help): string {
  const commands = helper.visibleCommands(program);
  const lines = columns(commands.map((command) => [command.name(), command.summary()])).short;
  return [
    "Usage: floe COMMAND [options]",
    "",
    program.description(),
    "",
    ...lines,
    "",
    "A command's help: floe help COMMAND. Options of every command, and exit codes:",
    "floe help options",
    "",
  ].join("\n");
}

function shortHelp(command: Program, helper: Help): string {
  const path = pathOf(command);
  const head = [
    cut(`Usage: ${helper.commandUsage(command)}`),
    "",
    ...wrap(beginningOf(command.description())),
    "",
  ];
  const example = EXAMPLES[path];
  const foot = [
    ...(example === undefined ? [] : ["", `Example: ${example}`]),
    "",
    cut(`More: floe help --all ${path}. For every command: floe help options`),
  ];
  const room = HELP_LINES_MAX - head.length - foot.length;
  return [...head, ...fit(itemsOf(command, helper), room), ...foot, ""].join("\n");
}

/** Sentences from the beginning on, as many as fit. */
function beginningOf(description: string): string {
  const [first = "", ...others] = description.split(/(?<=[.:]) (?=[A-Z-])/);
  return others.reduce((text, sentence) => {
    const longer = `${text} ${sentence}`;
    return description.startsWith(longer) && wrap(longer).length <= DESCRIPTION_LINES_MAX
      ? longer
      : text;
  }, first);
}

/** Shows each item as a whole if there is room, otherwise on one line; counts the items that do not fit. */
function fit(items: readonly Item[], room: number): readonly string[] {
  const { whole, short } = columns(items);
  if (whole.length <= room) return whole;
  if (short.length <= room) return short;
  return [...short.slice(0, room - 1), `  and ${items.length - room + 1} more options`];
}

/** An item, and its explanation. */
type Item = readonly [term: string, text: string];

/** Arguments, commands and options; the required ones come first. */
function itemsOf(command: Command, helper: Help): readonly Item[] {
  const options = helper.visibleOptions(command).filter(({ long }) => long !== "--help");
  return [
    ...helper.visibleArguments(command).map((argument): Item => [
      helper.argumentTerm(argument),
      argument.description,
    ]),
    ...helper.visibleCommands(command).filter((one) => one.summary() !== "")
      .map((one): Item => [one.name(), one.summary()]),
    ...options.toSorted((left, right) => Number(right.mandatory) - Number(left.mandatory))
      .map((option): Item => [helper.optionTerm(option), option.description]),
  ];
}

/** Items in two columns: the second one wrapped, and cut to one line. */
function columns(
  items: readonly Item[],
): { readonly whole: readonly string[]; readonly short: readonly string[] } {
  const width = Math.min(TERM_WIDTH_MAX, Math.max(0, ...items.map(([term]) => term.length)));
  const whole = items.flatMap(([term, text]) => {
    const [first = "", ...rest] = wrap(text, WIDTH - width - 4);
    return [
      `  ${term.padEnd(width)}  ${first}`,
      ...rest.map((line) => " ".repeat(width + 4) + line),
    ];
  });
  return { whole, short: items.map(([term, text]) => cut(`  ${term.padEnd(width)}  ${text}`)) };
}

/** The options of every command, and the meaning of exit codes. */
export function optionsPage(program: Program): string {
  const options = program.options.map(({ flags, description, defaultValueDescription: value }) =>
    [flags, value === undefined ? description : `${description} (${value})`] as const
  );
  return [
    "Options of every command, before or after its name:",
    "",
    ...columns(options).whole,
    "",
    ...EXIT_CODES,
    "",
  ].join("\n");
}

const EXIT_CODES = [
  "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 precondition failed,",
  "5 unavailable or timed out, 6 not allowed, 7 verification failed,",
  "8 lease of a lock lost or status --check found less than health,",
  "9 status --check found that no leader can be elected,",
  "10 the node was removed from its cluster.",
];

const MORE_TEXTS = new WeakMap<Command, string>();

/** Adds a text to the end of {@linkcode wholeHelp}. */
export function addToWholeHelp(command: Command, text: string): void {
  MORE_TEXTS.set(command, text);
}

/** The whole description of a command. */
export function wholeHelp(command: Program): string {
  const helper = new Help();
  helper.prepareContext({ helpWidth: WIDTH });
  const example = EXAMPLES[pathOf(command)];
  const more = MORE_TEXTS.get(command);
  return helper.formatHelp(command, helper) + (more === undefined ? "" : `\n${more.trim()}\n`) +
    (example === undefined ? "" : `\nExample: ${example}\n`);
}

function cut(line: string): string {
  return line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 3)}...`;
}
