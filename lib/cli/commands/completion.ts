/**
 * `floe completion`: the script by which a shell completes Floe's commands and options.
 *
 * @module
 */

import { Argument } from "commander";
import { unreachable } from "../../assert.ts";
import type { CommandContext, Program } from "../command.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = typeof SHELLS[number];

export function registerCompletion(program: Program, context: CommandContext): void {
  program
    .command("completion")
    .summary("print a script that completes commands in a shell")
    .description(
      "Prints a script for bash, zsh or fish. For bash: source <(floe completion bash), in ~/.bashrc. For " +
        "zsh the same, in ~/.zshrc. For fish: floe completion fish | source, in config.fish.",
    )
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .action(async (shell: Shell) => {
      // All of them: this program has only the command that runs.
      const { createProgram } = await import("../cli.ts");
      const words = listWords(await createProgram(context));
      context.stdout.write(scriptFor(shell, words));
    });
}

/** What can follow a command: the names of its subcommands, and its options. */
interface Words {
  /** The names that lead to it; none for `floe` itself. */
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly string[];
}

function listWords(command: Program, path: readonly string[] = []): readonly Words[] {
  const commands = command.commands.map((one) => ({ name: one.name(), summary: one.summary() }));
  const options = command.options.flatMap(({ long }) => long ?? []);
  return [
    { path, commands, options },
    ...command.commands.flatMap((one) => listWords(one, [...path, one.name()])),
  ];
}

function scriptFor(shell: Shell, words: readonly Words[]): string {
  switch (shell) {
    case "bash":
      return bashScript(words);
    case "zsh":
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`;
    case "fish":
      return fishScript(words);
    default:
      return unreachable(shell);
  }
}

/** The options of `floe` itself fit every command. */
function bashScript(words: readonly Words[]): string {
  const common = words[0]?.options.join(" ") ?? "";
  const cases = words.map(({ path, commands, options }) => {
    const names = commands.map(({ name }) => name).join(" ");
    return `    "${path.join(" ")}") names="${names}"; options="${options.join(" ")}" ;;`;
  });
  return `_floe() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" names="" options="" word at
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
      ${pathPattern(words)}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$options ${common}" -- "$current"))
  elif [[ -n $names ]]; then COMPREPLY=($(compgen -W "$names" -- "$current"))
  else COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _floe floe
`;
}

function pathPattern(words: readonly Words[]): string {
  return words.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`).join(
    "|",
  );
}

function fishScript(words: readonly Words[]): string {
  const lines = words.flatMap(({ path, commands, options }) => {
    const when = path.length === 0
      ? commands.length > 0 ? "__fish_use_subcommand" : "true"
      : path.map((name) => `__fish_seen_subcommand_from ${name}`).join("; and ");
    return [
      ...commands.map(({ name, summary }) =>
        `complete -c floe -f -n '${when}' -a '${name}' -d '${quoteFish(summary)}'`
      ),
      ...options.map((option) =>
        `complete -c floe -n '${path.length === 0 ? "true" : when}' -l '${
          option.slice("--".length)
        }'`
      ),
    ];
  });
  return `${lines.join("\n")}\n`;
}

/** In single quotes, fish knows two escapes. */
function quoteFish(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
