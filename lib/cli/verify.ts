/**
 * `floe verify`: whether a note is a cluster's election certificate, or its genesis. Needs no cluster
 * and no network: an election is checked against the group key, a genesis against the identity keys
 * that `cluster.json` pins, and both together are the whole chain, from the operators to the leader.
 *
 * @module
 */

import { decodeUtf8, equalBytes } from "../bytes.ts";
import { CertificateError } from "../certificate/error.ts";
import { GENESIS_LENGTH_MAX, verifyGenesis } from "../certificate/genesis.ts";
import { GENESIS_KIND } from "../certificate/genesis_statement.ts";
import type { GroupKey } from "../certificate/group_key.ts";
import { STATEMENT_KIND } from "../certificate/statement.ts";
import { verifyCertificate } from "../certificate/verify.ts";
import { InputError } from "../errors.ts";
import { isPinned, loadClusterConfig, type PinnedClusterConfig } from "../node/cluster_config.ts";
import { toGenesisRoster } from "../node/genesis_roster.ts";
import type { CommandContext, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { readGroupKey } from "./group_key.ts";
import { nameOf, readInput, STDIN_NAME } from "./input.ts";
import { configPath, globalFlags } from "./options.ts";
import { printProof, type Proof, type ProvenGenesis, toProofJson } from "./proof.ts";
import { printJson } from "./output.ts";

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
    .option("--key <key>", "the group key: 64 hex digits, a verifier key, or a PEM file")
    .option("--genesis <file>", "for an election: the genesis certificate of the group key")
    .action(async (file: string, options: VerifyFlags, command: Program) => {
      const flags = globalFlags(command);
      const source = { file, options, configFile: configPath(flags, context) };
      const proof = await verify(source, context);
      if (flags.output === "json") printJson(context.stdout, toProofJson(proof));
      else printProof(context.stdout, proof);
    });
}

interface VerifyFlags {
  readonly key?: string;
  readonly genesis?: string;
}

/** What to verify, and against what. */
interface Source {
  readonly file: string;
  readonly options: VerifyFlags;
  readonly configFile: string;
}

async function verify(source: Source, context: CommandContext): Promise<Proof> {
  const { file, options: { key: keyText, genesis: genesisFile } } = source;
  if (file === STDIN_NAME && genesisFile === STDIN_NAME) {
    throw new CommandError(ExitCode.usage, "Only one note can come from standard input");
  }
  const key = keyText === undefined ? null : await readGroupKey(keyText, context);
  const note = await readNote(file, context);
  if (kindOf(note, file) === GENESIS_KIND) {
    if (genesisFile !== undefined) {
      throw new CommandError(ExitCode.usage, "--genesis goes with an election certificate");
    }
    return { genesis: await proveGenesis(note, source, key), election: null };
  }
  const genesis = genesisFile === undefined
    ? null
    : await proveGenesis(await readNote(genesisFile, context), source, key);
  const groupKey = genesis?.statement ?? key;
  if (groupKey === null) {
    const message =
      "An election certificate is checked against the group key: name it with --key, " +
      "or with --genesis the certificate that it comes from";
    throw new CommandError(ExitCode.usage, message);
  }
  return { genesis, election: orRefuse(file, () => verifyCertificate(note, groupKey)) };
}

/** Which certificate a note is meant to be, by its first line. */
function kindOf(note: string, file: string): typeof STATEMENT_KIND | typeof GENESIS_KIND {
  const [kind] = note.split("\n", 1);
  if (kind === STATEMENT_KIND || kind === GENESIS_KIND) return kind;
  const message =
    `${nameOf(file)}: Cannot read note: it begins with neither ${STATEMENT_KIND} nor ` +
    `${GENESIS_KIND}${NOTE_ADVICE}`;
  throw new CommandError(ExitCode.verificationFailed, message);
}

/** The genesis that every node of the configuration signed, and, where a key is given, of that key. */
async function proveGenesis(
  note: string,
  { file, options, configFile }: Source,
  key: GroupKey | null,
): Promise<ProvenGenesis> {
  const name = options.genesis ?? file;
  const roster = toGenesisRoster(await loadPinned(configFile));
  const statement = orRefuse(name, () => verifyGenesis(note, roster));
  if (key !== null && !equalBytes(key.publicKey, statement.publicKey)) {
    const message =
      `${nameOf(name)}: Cannot accept genesis certificate: it is of another group key ` +
      "than --key";
    throw new CommandError(ExitCode.verificationFailed, message);
  }
  return { statement, configFile };
}

/** The configuration that says whose signatures a genesis certificate needs. */
async function loadPinned(file: string): Promise<PinnedClusterConfig> {
  const config = await loadClusterConfig(file);
  if (isPinned(config)) return config;
  const message = `Cannot check a genesis certificate against ${file}: it pins no keys. Name the ` +
    "configuration that the nodes are started with: --config FILE";
  throw new CommandError(ExitCode.usage, message);
}

async function readNote(file: string, context: CommandContext): Promise<string> {
  const exitCode = ExitCode.verificationFailed;
  // Every character of a note takes at most three bytes of UTF-8.
  const bytes = await readInput(file, context, { bytesMax: 3 * GENESIS_LENGTH_MAX, exitCode });
  return orRefuse(file, () => decodeUtf8(bytes));
}

/** What `verify` returns; its refusal is that of the file of this name, and of the command. */
function orRefuse<Value>(file: string, verify: () => Value): Value {
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
