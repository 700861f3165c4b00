/**
 * A node without a cluster whose API serves etcd's clients.
 *
 * @module
 */

import {
  createRpcs,
  type GrpcServer,
  type GrpcServerOptions,
  type Rpc,
  startGrpcServer,
} from "../../lib/etcd/mod.ts";
import { createApp } from "../../lib/http/app.ts";
import { type Access, Authorizer } from "../../lib/http/authorization.ts";
import type { Application } from "../../lib/http/route.ts";
import type { NewToken } from "../../lib/kv/token.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { FakeNode } from "../http/fake_node.ts";
import { newToken } from "../kv/support.ts";

const SELF = toNodeId("server_1");
const OWN = drawToken({ kind: "admin", node: SELF });

/** The token of the node itself. */
export const ADMIN_TOKEN: string = formatToken(OWN);

/** Demands tokens. */
export const TOKENS: Access = {
  kind: "tokens",
  admin: { node: SELF, secretDigest: digestSecret(OWN.secret) },
};

/** A cluster of one node. */
export const PLACE = {
  self: SELF,
  members: () => [
    { id: SELF, peer: "127.0.0.1:1", api: "127.0.0.1:2", etcd: "127.0.0.1:3" },
  ],
  isTls: false,
};

/** What tests ask. */
export interface EtcdNode {
  readonly node: FakeNode;
  readonly app: Application;
  readonly rpcs: readonly Rpc[];
  readonly authorizer: Authorizer;
  /** Sends a request to the gateway; answers with its status and its JSON. */
  post(path: string, body: unknown, token?: string): Promise<Answer>;
}

/** An answer of the gateway. */
export interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- tests look into it as they please
  readonly json: any;
}

/** A node that lets everybody in, unless told otherwise. */
export function openNode(access: Access = { kind: "open" }): EtcdNode {
  const node = new FakeNode();
  const authorizer = new Authorizer({ node, access });
  const app = createApp(node, { authorizer, etcd: PLACE });
  const rpcs = createRpcs({ ...PLACE, node, admission: authorizer });
  const post: EtcdNode["post"] = async (path, body, token) => {
    const response = await app.request(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: token === undefined ? {} : { authorization: token },
    });
    return { status: response.status, json: await response.json() };
  };
  return { node, app, rpcs, authorizer, post };
}

/** The same over gRPC, on a port that is free. */
export function serveGrpc(
  { rpcs, authorizer: admission }: EtcdNode,
  options: Partial<GrpcServerOptions> = {},
): Promise<GrpcServer> {
  return startGrpcServer({ rpcs, admission, hostname: "127.0.0.1", port: 0, ...options });
}

/** Creates a token as its owner would, and gives back its text. */
export function grantToken({ node }: Pick<EtcdNode, "node">, changes: Partial<NewToken>): string {
  const id = changes.id ?? "a".repeat(16);
  const token = drawToken({ kind: "token", id });
  const created = newToken("a", { ...changes, id, secretDigest: digestSecret(token.secret) });
  node.apply({ kind: "createToken", ...created });
  return formatToken(token);
}

/** The lines of a stream of the gateway, until there are so many. */
export async function readLines(response: Response, count: number): Promise<readonly unknown[]> {
  if (response.body === null) throw new Error("A stream without a body");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split("\n").length <= count) {
    const { done, value = "" } = await reader.read();
    text += value;
    if (done) break;
  }
  await reader.cancel();
  return text.split("\n").slice(0, count).filter((line) => line !== "").map((line) =>
    JSON.parse(line)
  );
}
