/**
 * HTTPS in a client command: the certificates that it trusts, and its own certificate.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { ChangingFiles, readFileAgain } from "./changing_files.ts";
import type { ClientTls, CommandContext, GlobalFlags } from "./command.ts";
import { CommandError, ExitCode } from "./failure.ts";
import { readInput } from "./input.ts";

/** Most bytes in one of the files. */
const FILE_BYTES_MAX = 1024 * 1024;

/** The files, from the options or the environment; null for those that are not given. */
interface TlsPaths {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/**
 * Reads the files of HTTPS that the options name. The returned function has their newest content.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when they cannot be used.
 */
export async function openClientTls(
  flags: GlobalFlags,
  context: CommandContext,
): Promise<() => ClientTls> {
  const paths = pathsOf(flags, context);
  if ((paths.cert === null) !== (paths.key === null)) {
    throw new CommandError(ExitCode.usage, "--client-cert and --client-key go together");
  }
  const named = Object.values(paths).filter((path) => path !== null);
  const texts = new Map<string, string>();
  for (const path of named) {
    texts.set(path, decodeUtf8(await readInput(path, context, { bytesMax: FILE_BYTES_MAX })));
  }
  const files = new ChangingFiles({
    paths: named,
    value: toTls(paths, (path) => texts.get(path) ?? ""),
    read: () => toTls(paths, (path) => readFileAgain(path, FILE_BYTES_MAX)),
    onKept: (reason) =>
      context.stderr.write(`floe: ${reason}. The certificates before are used.\n`),
  });
  return () => files.current();
}

/** Whether the options ask for HTTPS at all addresses. */
export function asksForTls(flags: GlobalFlags, context: CommandContext): boolean {
  const { ca, cert } = pathsOf(flags, context);
  return ca !== null || cert !== null;
}

function pathsOf(flags: GlobalFlags, context: CommandContext): TlsPaths {
  return {
    ca: flags.caFile ?? context.env("FLOE_CA_FILE") ?? null,
    cert: flags.clientCert ?? context.env("FLOE_CLIENT_CERT_FILE") ?? null,
    key: flags.clientKey ?? context.env("FLOE_CLIENT_KEY_FILE") ?? null,
  };
}

function toTls({ ca, cert, key }: TlsPaths, read: (path: string) => string): ClientTls {
  return {
    caCerts: ca === null ? [] : [read(ca)],
    own: cert === null || key === null ? null : { cert: read(cert), key: read(key) },
  };
}
