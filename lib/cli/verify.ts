/**
 * `floe verify`: whether a note is a cluster's election certificate. Needs no cluster and no
 * network, only the group key.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { CertificateError } from "../certificate/error.ts";
import { GROUP_KEY_LENGTH_MAX, type GroupKey, parseGroupKey } from "../certificate/group_key.ts";
import { NOTE_LENGTH_MAX } from "../certificate/signed_note.ts";
import { verifyCertificate } from "../certificate/verify.ts";
import { InputError } from "../errors.ts";
import type { CommandContext, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { nameOf, readInput, STDIN_NAME } from "./input.ts";
import { globalFlags } from "./options.ts";
import { printFields, printJson } from "./output.ts";

/** Adds `floe verify`. */
export function registerVerify(program: Program, context: CommandContext): void {
  program
    .command("verify")
    .summary("check a certificate, offline")
    .description(
      "Checks that a signed note is an election certificate of the cluster whose group key is " +
        "given, and prints what it certifies. Take the key from somewhere you trust: a key from " +
        "the node that hands out the certificate proves nothing. Exit code 7: it does not verify.",
    )
    .argument("<file>", "the note, or - to read it from standard input")
    .requiredOption("--key <key>", "the group key: 64 hex digits, a verifier key, or a PEM file")
    .action(async (file: string, options: VerifyFlags, command: Program) => {
      const key = await readKey(options.key, context);
      const certificate = await verifyFile(file, key, context);
      const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = certificate;
      if (globalFlags(command).output === "json") {
        const statement = { cluster, epoch, term, leader, lastLogIndex, lastLogTerm };
        return printJson(context.stdout, { valid: true, ...statement });
      }
      printFields(context.stdout, [
        ["certificate", "valid"],
        ["cluster", cluster],
        ["term", term],
        ["leader", leader],
        ["epoch", epoch],
        ["log index", lastLogIndex],
        ["log term", lastLogTerm],
      ]);
    });
}

interface VerifyFlags {
  readonly key: string;
}

const INLINE_KEY_PATTERN = /^([0-9a-fA-F]{64}|[^/\\]+\+[0-9a-fA-F]{8}\+.+)$/;

/** The key itself where `text` has the form of one; else what the file of that name holds. */
async function readKey(text: string, context: CommandContext): Promise<GroupKey> {
  if (INLINE_KEY_PATTERN.test(text)) return parseKey(text, "--key");
  if (text === STDIN_NAME) {
    throw new CommandError(ExitCode.usage, "Cannot use --key -: standard input is for the note");
  }
  try {
    const bytes = await readInput(text, context, { bytesMax: GROUP_KEY_LENGTH_MAX });
    return parseKey(decodeUtf8(bytes), text);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    const message = `Cannot use --key: it is neither 64 hex digits nor a verifier key, nor a ` +
      `file that holds a group key. ${cause.message}`;
    throw new CommandError(ExitCode.usage, message, { cause });
  }
}

function parseKey(text: string, source: string): GroupKey {
  try {
    return parseGroupKey(text);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new CommandError(ExitCode.usage, `${source}: ${cause.message}`, { cause });
  }
}

async function verifyFile(
  file: string,
  key: GroupKey,
  context: CommandContext,
): Promise<ReturnType<typeof verifyCertificate>> {
  const exitCode = ExitCode.verificationFailed;
  // Every character of a note takes at most three bytes of UTF-8.
  const bytes = await readInput(file, context, { bytesMax: 3 * NOTE_LENGTH_MAX, exitCode });
  try {
    return verifyCertificate(decodeUtf8(bytes), key);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    const message = `${nameOf(file)}: ${cause.message}${adviceFor(cause)}`;
    throw new CommandError(exitCode, message, { cause });
  }
}

function adviceFor(error: InputError): string {
  if (error instanceof CertificateError && error.refusal !== "malformed") return "";
  return "\nA certificate is what `floe leader --cert` prints, byte for byte.";
}
