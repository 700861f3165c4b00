/**
 * `floe token`: creates, lists and revokes the API's tokens.
 *
 * @module
 */

import { InvalidArgumentError } from "commander";
import { encodeHex, encodeUtf8 } from "../../bytes.ts";
import { bodyOf } from "../../client/mod.ts";
import {
  checkNewToken,
  checkTokenId,
  type NewToken,
  TOKEN_SCOPES,
  type TokenScope,
} from "../../kv/mod.ts";
import { digestSecret } from "../../token_digest.ts";
import {
  drawToken,
  drawTokenId,
  formatToken,
  revokedTokenSchema,
  tokenSchema,
  tokensSchema,
} from "../../wire/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { parseLifetime } from "../options.ts";
import { printJson, printTable } from "../output.ts";
import { openClient } from "../session.ts";
import { writeRequest } from "./kv.ts";

/** Adds `floe token` and its commands. */
export function registerToken(program: Program, context: CommandContext): void {
  const token = program
    .command("token")
    .summary("create, list and revoke the API's tokens")
    .description(
      "Every node knows the cluster's tokens. Commands send the token in --token-file, FLOE_TOKEN or " +
        "FLOE_TOKEN_FILE. Without any of these they send each node its own token from its data folder " +
        "(admin.token in FLOE_DATA_DIR or in .floe/ID), which allows everything at that node.",
    );
  for (const register of [registerTokenCreate, registerTokenList, registerTokenRevoke]) {
    register(token, context);
  }
}

/** Adds `floe token create` to `floe token`. */
function registerTokenCreate(token: Program, context: CommandContext): void {
  token
    .command("create")
    .summary("create a token and print it, once")
    .description(
      "Creates a token and prints it on stdout. The token is made on this machine and the cluster " +
        "never gets it: the cluster stores only the SHA-256 of its secret. admin allows everything " +
        "and takes no --prefix.",
    )
    .requiredOption(
      "--scope <list>",
      `the rights, of ${TOKEN_SCOPES.join(",")}; may be given again`,
      parseScopes,
    )
    .option(
      "--prefix <prefix>",
      "allow only keys that begin with this; may be given again",
      (prefix: string, before: readonly string[] = []) => [...before, prefix],
    )
    .option("--name <name>", "a name for people, and for clients with a certificate of that name")
    .option("--expires <lifetime>", "how long it is valid, as in 30d, 12h or 90m", parseLifetime)
    .option("--no-secret", "print no token: only a certificate with --name gets its rights")
    .action(async (options: CreateFlags, command: Program) => {
      checkReachable(options);
      const id = drawTokenId();
      const drawn = drawToken({ kind: "token", id });
      const created = toNewToken(options, {
        id,
        secretDigest: digestSecret(drawn.secret),
        nowMs: timeOf(context),
      });
      const { client, flags } = await openClient(command, context);
      const answer = await client.send({
        method: "PUT",
        path: `/v1/tokens/${id}`,
        body: toBody(created),
        ...writeRequest({}),
      });
      const description = bodyOf(answer, tokenSchema);
      if (!options.secret) {
        if (flags.output === "json") return printJson(context.stdout, description);
        return context.stdout.write(`Created token ${id} for certificates of ${options.name}\n`);
      }
      const text = formatToken(drawn);
      if (flags.output === "json") {
        return printJson(context.stdout, { ...description, token: text });
      }
      context.stdout.write(`${text}\n`);
      const end = description.expiresAt === null ? "" : ` It expires at ${description.expiresAt}.`;
      context.stderr.write(`Created token ${id}. It is not shown again; keep it secret.${end}\n`);
    });
}

interface CreateFlags {
  readonly scope: readonly TokenScope[];
  readonly prefix?: readonly string[];
  readonly name?: string;
  readonly secret: boolean;
  /** In milliseconds. */
  readonly expires?: number;
}

function timeOf(context: CommandContext): number {
  return context.now?.() ?? Date.now();
}

function checkReachable({ name = "", secret }: CreateFlags): void {
  if (secret || name !== "") return;
  throw new CommandError(
    ExitCode.usage,
    "--no-secret needs --name: nobody could use a token without both",
  );
}

/** Checks the options before any request. */
function toNewToken(
  { scope, prefix = [], name = "", expires }: CreateFlags,
  { nowMs, ...own }: Pick<NewToken, "id" | "secretDigest"> & { readonly nowMs: number },
): NewToken {
  const expiresAtMs = expires === undefined ? null : nowMs + expires;
  const token: NewToken = { ...own, name, scopes: scope, prefixes: prefix, expiresAtMs };
  checkNewToken(token);
  return token;
}

function toBody(token: NewToken): Uint8Array<ArrayBuffer> {
  const { secretDigest, name, scopes, prefixes, expiresAtMs } = token;
  const expiresAt = expiresAtMs === null ? {} : { expiresAt: new Date(expiresAtMs).toISOString() };
  const secretSha256 = encodeHex(secretDigest);
  return encodeUtf8(JSON.stringify({ secretSha256, name, scopes, prefixes, ...expiresAt }));
}

function parseScopes(list: string, before: readonly TokenScope[] = []): readonly TokenScope[] {
  const names = [...before, ...list.split(",").map((name) => name.trim())];
  const isKnown = names.every((name) => TOKEN_SCOPES.some((scope) => scope === name));
  if (isKnown) return TOKEN_SCOPES.filter((scope) => names.includes(scope));
  throw new InvalidArgumentError(`It must be one or more of ${TOKEN_SCOPES.join(",")}.`);
}

/** Adds `floe token list` to `floe token`. */
function registerTokenList(token: Program, context: CommandContext): void {
  token
    .command("list")
    .summary("list the tokens, without their secrets")
    .description(
      "Lists the cluster's tokens by id, without their secrets, which the cluster does not have.",
    )
    .action(async (_options: unknown, command: Program) => {
      const { client, flags } = await openClient(command, context);
      const request = { method: "GET", path: "/v1/tokens", takesTimeout: true } as const;
      const list = bodyOf(await client.send(request), tokensSchema);
      if (flags.output === "json") return printJson(context.stdout, list);
      const nowMs = timeOf(context);
      const rows = list.tokens.map(({ id, name, scopes, prefixes, expiresAt, createRevision }) => [
        id,
        name === "" ? null : name,
        scopes.join(","),
        prefixes.length === 0 ? null : prefixes.join(" "),
        describeExpiry(expiresAt, nowMs),
        createRevision,
      ]);
      const head = ["ID", "NAME", "SCOPES", "PREFIXES", "EXPIRES", "CREATED AT"];
      printTable(context.stdout, head, rows);
    });
}

function describeExpiry(expiresAt: string | null, nowMs: number): string | null {
  if (expiresAt === null) return null;
  return Date.parse(expiresAt) <= nowMs ? "expired" : expiresAt.slice(0, "2026-01-31T12:00".length);
}

/** Adds `floe token revoke` to `floe token`. */
function registerTokenRevoke(token: Program, context: CommandContext): void {
  token
    .command("revoke")
    .summary("revoke a token")
    .description(
      "Revokes a token. The node that answers refuses the token at once, the other nodes after the " +
        "next heartbeat. Exit code 3: there is no such token.",
    )
    .argument("<id>", "the token's id, as floe token list shows it")
    .action(async (id: string, _options: unknown, command: Program) => {
      checkTokenId(id);
      const { client, flags } = await openClient(command, context);
      const path = `/v1/tokens/${id}`;
      const answer = await client.send({ method: "DELETE", path, ...writeRequest({}) });
      const revocation = bodyOf(answer, revokedTokenSchema);
      if (flags.output === "json") printJson(context.stdout, revocation);
      if (!revocation.revoked) throw new CommandError(ExitCode.notFound, `There is no token ${id}`);
      if (flags.output === "table") context.stdout.write(`Revoked token ${id}\n`);
    });
}
