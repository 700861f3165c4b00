/**
 * `floe verify`: checks an election certificate or a genesis certificate, without a cluster and without a
 * network. An election is checked against the group key, a genesis against the identity keys in
 * `cluster.json`. Both together are the whole chain, from the operators to the leader.
 *
 * @module
 */

import { decodeUtf8, encodeHex, equalBytes } from "../../bytes.ts";
import {
  CertificateError,
  encodeVerifierKey,
  GENESIS_KIND,
  GENESIS_LENGTH_MAX,
  type GenesisStatement,
  GROUP_KEY_LENGTH_MAX,
  type GroupKey,
  parseGroupKey,
  STATEMENT_KIND,
  type VerifiedCertificate,
  verifyCertificate,
  verifyGenesis,
} from "../../certificate/mod.ts";
import {
  isPinned,
  loadClusterConfig,
  type PinnedClusterConfig,
  toGenesisRoster,
} from "../../config/mod.ts";
import { catching, InputError } from "../../errors.ts";
import type { CommandContext, OutputStream, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { nameOf, readInput, STDIN_NAME } from "../input.ts";
import { configPath, globalFlags } from "../options.ts";
import { printFields, printJson, printTable } from "../output.ts";

const NOTE_ADVICE =
  "\nA certificate is what `floe leader --cert` or `floe group --genesis` prints, byte for byte.";

/** Adds `floe verify`. */
export function registerVerify(program: Program, context: CommandContext): void {
  program
    .command("verify")
    .summary("check a certificate, offline")
    .description(
      "Verifies a signed note, and prints its content. An election certificate (floe leader --cert) " +
        "is checked against the group key: --key, or the one in the --genesis certificate. A genesis " +
        "certificate (floe group --genesis) must be signed by every node in --config. Get the key " +
        "or the configuration from a source that you trust, not from the node that gave you the " +
        "certificate. Exit code 7: the note does not verify.",
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

/** The keys and certificates that a note is verified against. */
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

/** The kind of certificate, by the note's first line. */
function kindOf({ text, file }: Note): typeof STATEMENT_KIND | typeof GENESIS_KIND {
  const [kind] = text.split("\n", 1);
  if (kind === STATEMENT_KIND || kind === GENESIS_KIND) return kind;
  const message =
    `${nameOf(file)}: Cannot read note: it begins with neither ${STATEMENT_KIND} nor ` +
    `${GENESIS_KIND}${NOTE_ADVICE}`;
  throw new CommandError(ExitCode.verificationFailed, message);
}

/** A genesis that every node of the configuration signed; with `--key`, of that key. */
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

/** The configuration with the keys that must have signed a genesis certificate. */
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
  return { file, text: restoreLastNewline(file, orRefuse({ file }, () => decodeUtf8(bytes))) };
}

/**
 * The text with exactly one newline at its end: editors and `$(...)` add and remove newlines. This does not
 * change the signed text, which ends before the signature line.
 */
function restoreLastNewline(file: string, text: string): string {
  if (text.includes("\r\n")) {
    const message =
      `${nameOf(file)}: Cannot read note: its lines end in CRLF, as on Windows; the ` +
      "signature is over lines that end in LF" + NOTE_ADVICE;
    throw new CommandError(ExitCode.verificationFailed, message);
  }
  return text.replace(/\n*$/, "\n");
}

/** The result of `verify`. Its refusal ends the command, with the file's name in the message. */
function orRefuse<Value>({ file }: Pick<Note, "file">, verify: () => Value): Value {
  return catching(InputError, verify, (cause) => {
    const message = `${nameOf(file)}: ${cause.message}${adviceFor(cause)}`;
    throw new CommandError(ExitCode.verificationFailed, message, { cause });
  });
}

function adviceFor(error: InputError): string {
  if (error instanceof CertificateError && error.refusal !== "malformed") return "";
  return NOTE_ADVICE;
}

const INLINE_KEY_PATTERN = /^([0-9a-fA-F]{64}|[^/\\]+\+[0-9a-fA-F]{8}\+.+|-----BEGIN [^]+)$/;

/**
 * The key in `text`, or in the file of that name when `text` is not a key.
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
  return catching(InputError, () => parseGroupKey(text), (cause) => {
    throw new CommandError(ExitCode.usage, `${source}: ${cause.message}`, { cause });
  });
}

/** A genesis that every node of a configuration signed. */
interface ProvenGenesis {
  /** The signed statement. */
  readonly statement: GenesisStatement;
  /** The file with the keys that signed it. */
  readonly configFile: string;
}

/** The verified certificates: a genesis, an election, or an election with the genesis of its key. */
type Proof =
  | { readonly genesis: ProvenGenesis; readonly election: null }
  | { readonly genesis: ProvenGenesis | null; readonly election: VerifiedCertificate };

/** The proof as JSON. `kind` is the kind of the certificate in the argument. */
function toProofJson({ genesis, election }: Proof): unknown {
  if (election === null) return { valid: true, kind: "genesis", ...genesisJson(genesis) };
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = election;
  return {
    valid: true,
    kind: "election",
    ...{ cluster, epoch, term, leader, lastLogIndex, lastLogTerm },
    ...(genesis === null ? {} : { genesis: genesisJson(genesis) }),
  };
}

/** Prints the proof: a block for each certificate, the genesis before the election. */
function printProof(stdout: OutputStream, { genesis, election }: Proof): void {
  if (genesis !== null) printGenesis(stdout, genesis);
  if (genesis !== null && election !== null) stdout.write("\n");
  if (election !== null) printElection(stdout, election);
}

function genesisJson({ statement, configFile }: ProvenGenesis): Record<string, unknown> {
  const { cluster, epoch, threshold, voters, publicKey, transcriptHash } = statement;
  return {
    cluster,
    epoch,
    threshold,
    voters: voters.map(({ id, identityKey }) => ({ id, identityKey: encodeHex(identityKey) })),
    publicKey: encodeHex(publicKey),
    verifierKey: encodeVerifierKey(cluster, publicKey),
    transcriptHash: encodeHex(transcriptHash),
    config: configFile,
  };
}

function printGenesis(stdout: OutputStream, { statement, configFile }: ProvenGenesis): void {
  const { cluster, epoch, threshold, voters, publicKey, transcriptHash } = statement;
  const rows = voters.map(({ id, identityKey }) => [id, encodeHex(identityKey)]);
  printTable(stdout, ["SIGNED BY", "IDENTITY KEY"], rows);
  stdout.write("\n");
  printFields(stdout, [
    ["genesis", `valid, signed by all ${voters.length} nodes of ${configFile}`],
    ["cluster", cluster],
    ["epoch", epoch],
    ["must sign", `${threshold} of ${voters.length}`],
    ["group key", encodeHex(publicKey)],
    ["verifier key", encodeVerifierKey(cluster, publicKey)],
    ["transcript", encodeHex(transcriptHash)],
  ]);
}

function printElection(stdout: OutputStream, election: VerifiedCertificate): void {
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = election;
  printFields(stdout, [
    ["certificate", "valid"],
    ["cluster", cluster],
    ["term", term],
    ["leader", leader],
    ["epoch", epoch],
    ["log index", lastLogIndex],
    ["log term", lastLogTerm],
  ]);
}
