/**
 * Authorization: whatever stands in the headers that it reads, and in the description of a token.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import { createApp } from "../../../lib/http/app.ts";
import { Authorizer } from "../../../lib/http/authorization.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { digestSecret } from "../../../lib/token_digest.ts";
import { formatToken } from "../../../lib/wire/mod.ts";
import { FakeNode } from "../../http/fake_node.ts";
import { newToken } from "../../kv/support.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { type Json, mutateJson } from "../mutate_json.ts";
import { ACCEPTED, type Outcome, pureTarget, type Target } from "../target.ts";
import { drawText } from "../values.ts";

const SECRET = new Uint8Array(32).fill(9);
const ID = "a".repeat(16);
/** The one token that is known. */
const TOKEN = formatToken({ holder: { kind: "token", id: ID }, secret: SECRET });
const ORIGIN = "https://app.example";

/** Who asks. */
interface Knock {
  readonly url: string;
  readonly authorization: string | null;
  readonly origin: string | null;
}

/** Nobody gets in but with the one token, and no page but of the one origin and of the API's own. */
export const knocks: Target = pureTarget<Knock>({
  name: "authorization-headers",
  share: 60,
  draw: (random) => ({
    url: `http://${random.chance(0.8) ? "localhost:7201" : drawHost(random)}/v1/kv/a`,
    authorization: random.chance(0.1) ? null : drawNear(`Bearer ${TOKEN}`, random),
    origin: random.chance(0.7) ? null : drawNear(ORIGIN, random),
  }),
  show: (knock) => JSON.stringify(knock),
  bytesOf: ({ authorization, origin }) => (authorization?.length ?? 0) + (origin?.length ?? 0) + 50,
  give: ({ url, authorization, origin }) => {
    const request = toRequest(url, { authorization, origin });
    if (request === null) return "not a request";
    try {
      authorizer.admit(request, "read");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      assert.equal(error.message.includes(TOKEN.slice(-43)), false);
      return error.code;
    }
    // Headers come without white space around their values.
    assert.match(request.headers.get("authorization") ?? "", new RegExp(`^bearer +${TOKEN}$`, "i"));
    assert.ok((request.headers.get("authorization") ?? "").endsWith(TOKEN));
    const from = request.headers.get("origin");
    assert.ok(from === null || from === ORIGIN || request.url.startsWith(`${from}/`));
    return ACCEPTED;
  },
});

const USUAL: Json = {
  secretSha256: "ab".repeat(32),
  name: "ci",
  scopes: ["read", "write"],
  prefixes: ["app/", "web/"],
};

/** Descriptions of tokens, which an administrator's own program may get wrong. */
export const tokenBodies: Target = pureTarget<Uint8Array<ArrayBuffer>>({
  name: "token-bodies",
  share: 15,
  draw: (random) => {
    const bytes = encodeUtf8(mutateJson(USUAL, random));
    return new Uint8Array(random.chance(0.2) ? mutateBytes(bytes, random) : bytes);
  },
  show: (body) => body.toHex(),
  bytesOf: (body) => body.length,
  give: async (body): Promise<Outcome> => {
    const app = createApp(new FakeNode(), {
      onError: (error) => {
        throw error;
      },
    });
    const response = await app.request(`/v1/tokens/${ID}`, { method: "PUT", body });
    const text = await response.text();
    assert.ok(response.status < 500, text);
    return response.ok ? ACCEPTED : JSON.parse(text).code;
  },
});

const authorizer = openAuthorizer();

function openAuthorizer(): Authorizer {
  const node = new FakeNode();
  const secretDigest = digestSecret(SECRET);
  node.apply({ kind: "createToken", ...newToken("a", { prefixes: [], secretDigest }) });
  const admin = { node: node.statusNow.id, secretDigest: new Uint8Array(32) };
  return new Authorizer({ node, access: { kind: "tokens", admin }, origins: [ORIGIN] });
}

/** A text, or one close to it, or any. */
function drawNear(text: string, random: Random): string {
  if (random.chance(0.3)) return text;
  if (random.chance(0.2)) return drawText(random);
  return new TextDecoder("latin1").decode(mutateBytes(encodeUtf8(text), random));
}

function drawHost(random: Random): string {
  return random.pick(["evil.example", "[::1]", "127.0.0.1:80", "localhost."]);
}

/** What Deno would hand over; null for headers that come no further than its parser. */
function toRequest(url: string, headers: Record<string, string | null>): Request | null {
  try {
    const given = Object.entries(headers).flatMap(([name, value]) =>
      value === null ? [] : [[name, value] satisfies [string, string]]
    );
    return new Request(url, { headers: given });
  } catch {
    return null;
  }
}
