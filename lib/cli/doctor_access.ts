/**
 * The checks of `floe doctor` for the access to the nodes: the certificates of their APIs, and the tokens.
 *
 * @module
 */

import { connect } from "node:tls";
import { type ApiClient, bodyOf, ClientError } from "../client/mod.ts";
import type { Address } from "../config/mod.ts";
import { tokensSchema } from "../wire/mod.ts";

/** The finding of a check; `warn` means that it works today. */
interface AccessFinding {
  readonly verdict: "ok" | "warn" | "fail";
  readonly text: string;
}

/** An operator needs this much time to renew something. */
const NOTICE_MS = 14 * 86_400_000;
/** Most tokens that are named. */
const NAMED_MAX = 10;

/** Judges the time at which something expires. */
function judge(expiresAtMs: number, nowMs: number): "ok" | "warn" | "fail" {
  if (expiresAtMs <= nowMs) return "fail";
  return expiresAtMs <= nowMs + NOTICE_MS ? "warn" : "ok";
}

/** Checks the tokens of the cluster. An expired token does no harm, so it is no failure. */
export async function examineTokens(
  client: ApiClient,
  nowMs: number,
): Promise<readonly AccessFinding[]> {
  let list;
  try {
    const request = { method: "GET", path: "/v1/tokens", takesTimeout: true } as const;
    list = bodyOf(await client.send(request), tokensSchema).tokens;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const reason = error.message.replaceAll(/\s*\n\s*/g, " ");
    return [{ verdict: "warn", text: `not checked: ${reason}. This needs a token of scope admin` }];
  }
  const due = list.flatMap(({ id, name, expiresAt }) => {
    if (expiresAt === null) return [];
    const verdict = judge(Date.parse(expiresAt), nowMs);
    return verdict === "ok"
      ? []
      : [{ verdict, what: name === "" ? id : `${id} (${name})`, expiresAt }];
  });
  if (due.length === 0) {
    return [{ verdict: "ok", text: `${list.length}, none of which expires within 14 days` }];
  }
  const named = due.slice(0, NAMED_MAX).map(({ verdict, what, expiresAt }): AccessFinding => ({
    verdict: "warn",
    text: verdict === "fail"
      ? `${what} expired at ${expiresAt}: floe token revoke removes it`
      : `${what} expires at ${expiresAt}: create another one, hand it out, then revoke this one`,
  }));
  const others = due.length - named.length;
  if (others === 0) return named;
  return [...named, { verdict: "warn", text: `${others} more expire: floe token list` }];
}

/** Checks how long a node's certificate is valid. Null where none is shown. */
export async function examineCertificate(
  api: Address,
  { nowMs, timeoutMs }: { readonly nowMs: number; readonly timeoutMs: number },
): Promise<AccessFinding | null> {
  const expiry = await certificateExpiry(api, timeoutMs);
  if (expiry === null) return null;
  const verdict = judge(expiry.getTime(), nowMs);
  const date = expiry.toISOString();
  if (verdict === "ok") return { verdict, text: `valid until ${date}` };
  const text = verdict === "fail" ? `expired at ${date}` : `expires at ${date}`;
  return { verdict, text: `${text}: write a new one into the node's --tls-cert and --tls-key` };
}

/** Trusts every certificate, because it only reads the date. */
function certificateExpiry({ hostname, port }: Address, timeoutMs: number): Promise<Date | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port, rejectUnauthorized: false });
    const end = (expiry: Date | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(expiry);
    };
    const timer = setTimeout(() => end(null), timeoutMs);
    socket.once("secureConnect", () => end(new Date(socket.getPeerCertificate().valid_to)));
    socket.once("error", () => end(null));
  });
}
