/**
 * `floe verify`: whether a note is a cluster's election certificate, or its genesis. Needs no cluster
 * and no network: an election is checked against the group key, a genesis against the identity keys
 * that `cluster.json` pins, and both together are the whole chain, from the operators to the leader.
 *
 * @module
 */

import { decodeUtf8, equalBytes } from "../../bytes.ts";
import {
  CertificateError,
  GENESIS_KIND,
  GENESIS_LENGTH_MAX,
  GROUP_KEY_LENGTH_MAX,
  type GroupKey,
  parseGroupKey,
  STATEMENT_KIND,
  verifyCertificate,
  verifyGenesis,
} from "../../certificate/mod.ts";
import {
  isPinned,
  loadClusterConfig,
  type PinnedClusterConfig,
  toGenesisRoster,
} from "../../config/mod.ts";
import { InputError } from "../../errors.ts";
import { printProof, type Proof, type ProvenGenesis, toProofJson } from "../client/proof.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { configPath, globalFlags } from "../options.ts";
import { printJson } from "../output.ts";
import { nameOf, readInput, STDIN_NAME } from "../secrets/input.ts";

const NOTE_ADVICE =
  "\nA certificate is what `floe leader --cert` or `floe group --genesis` prints, byte for byte.";

/** Adds `floe verify`. */
export function registerVerify(program: Program, context: CommandContext): void {
  program
    .command("verify")
    .summary("check a certificate, offline")
    .description(
      "Checks that a signed note is what it says, and prints what it certifies. An election " +
        "certificate (floe leader --cert) is checked against the group key: --key, or the one of " +
        "the --genesis certificate. A genesis certificate (floe group --genesis) must be signed by " +
        "every node whose keys --config pins. Take the key or the configuration from somewhere you " +
        "trust: one from the node that hands out the certificate proves nothing. " +
        "Exit code 7: it does not verify.",
    )
    .argument("<file>", "the note, or - to read it from standard input")
    .option(
      "--key <key>",
      "the group key: 64 hex digits, a verifier key, PEM, or a file with one of them",
    )
    .option("--genesis <file>", "for an election: the genesis certificate of the group key")
    .action(async (file: string, options: VerifyFlags, command: Program) => {
      const flags = globalFlags(command);
      const against = { ...options, configFile: configPath(flags, context) };
      const proof = await verify({ file, against }, context);
      if (flags.output === "json") printJson(context.stdout, toProofJson(proof));
      else printProof(context.stdout, proof);
    });
}

interface VerifyFlags {
  readonly key?: string;
  readonly genesis?: string;
}

/** What a note is verified against: all that the options name. */
interface Against extends VerifyFlags {
  readonly configFile: string;
}

/** A note, and the file that it came from. */
interface Note {
  readonly file: string;
  readonly text: string;
}

async function verify(
  { file, against }: { readonly file: string; readonly against: Against },
  context: CommandContext,
): Promise<Proof> {
  if (file === STDIN_NAME && against.genesis === STDIN_NAME) {
    throw new CommandError(ExitCode.usage, "Only one note can come from standard input");
  }
  const { configFile } = against;
  const key = against.key === undefined ? null : await readGroupKey(against.key, context);
  const note = await readNote(file, context);
  if (kindOf(note) === GENESIS_KIND) {
    if (against.genesis !== undefined) {
      throw new CommandError(ExitCode.usage, "--genesis goes with an election certificate");
    }
    return { genesis: await proveGenesis(note, { key, configFile }), election: null };
  }
  const genesis = against.genesis === undefined
    ? null
    : await proveGenesis(await readNote(against.genesis, context), { key, configFile });
  const groupKey = genesis?.statement ?? key;
  if (groupKey === null) {
    const message =
      "An election certificate is checked against the group key: name it with --key, " +
      "or with --genesis the certificate that it comes from";
    throw new CommandError(ExitCode.usage, message);
  }
  return { genesis, election: orRefuse(note, () => verifyCertificate(note.text, groupKey)) };
}

/** Which certificate a note is meant to be, by its first line. */
function kindOf({ text, file }: Note): typeof STATEMENT_KIND | typeof GENESIS_KIND {
  const [kind] = text.split("\n", 1);
  if (kind === STATEMENT_KIND || kind === GENESIS_KIND) return kind;
  const message =
    `${nameOf(file)}: Cannot read note: it begins with neither ${STATEMENT_KIND} nor ` +
    `${GENESIS_KIND}${NOTE_ADVICE}`;
  throw new CommandError(ExitCode.verificationFailed, message);
}

/** The genesis that every node of the configuration signed, and, where a key is given, of that key. */
async function proveGenesis(
  note: Note,
  { key, configFile }: { readonly key: GroupKey | null; readonly configFile: string },
): Promise<ProvenGenesis> {
  const roster = toGenesisRoster(await loadPinned(configFile));
  const statement = orRefuse(note, () => verifyGenesis(note.text, roster));
  if (key !== null && !equalBytes(key.publicKey, statement.publicKey)) {
    const message = `${nameOf(note.file)}: Cannot accept genesis certificate: ` +
      "it is of another group key than --key";
    throw new CommandError(ExitCode.verificationFailed, message);
  }
  return { statement, configFile };
}

/** The configuration that says whose signatures a genesis certificate needs. */
async function loadPinned(file: string): Promise<PinnedClusterConfig> {
  const config = await loadClusterConfig(file);
  if (isPinned(config)) return config;
  const message = `Cannot check a genesis certificate against ${file}: it pins no keys. Name the ` +
    "configuration that the nodes are started with (--config FILE); floe cluster writes it into its " +
    "data folder";
  throw new CommandError(ExitCode.usage, message);
}

async function readNote(file: string, context: CommandContext): Promise<Note> {
  const exitCode = ExitCode.verificationFailed;
  // Every character of a note takes at most three bytes of UTF-8.
  const bytes = await readInput(file, context, { bytesMax: 3 * GENESIS_LENGTH_MAX, exitCode });
  return { file, text: orRefuse({ file }, () => decodeUtf8(bytes)) };
}

/** What `verify` returns; what it refuses is refused as that file, and ends the command. */
function orRefuse<Value>({ file }: Pick<Note, "file">, verify: () => Value): Value {
  try {
    return verify();
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    const message = `${nameOf(file)}: ${cause.message}${adviceFor(cause)}`;
    throw new CommandError(ExitCode.verificationFailed, message, { cause });
  }
}

function adviceFor(error: InputError): string {
  if (error instanceof CertificateError && error.refusal !== "malformed") return "";
  return NOTE_ADVICE;
}

const INLINE_KEY_PATTERN = /^([0-9a-fA-F]{64}|[^/\\]+\+[0-9a-fA-F]{8}\+.+|-----BEGIN [^]+)$/;

/**
 * The key itself where `text` has the form of one; else what the file of that name holds.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when it is neither.
 */
async function readGroupKey(text: string, context: CommandContext): Promise<GroupKey> {
  if (INLINE_KEY_PATTERN.test(text)) return parseKey(text, "--key");
  if (text === STDIN_NAME) {
    throw new CommandError(ExitCode.usage, "Cannot use --key -: standard input is for the note");
  }
  try {
    const bytes = await readInput(text, context, { bytesMax: GROUP_KEY_LENGTH_MAX });
    return parseKey(decodeUtf8(bytes), text);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    const message =
      `Cannot use --key: it is neither 64 hex digits, a verifier key nor PEM, nor a ` +
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
