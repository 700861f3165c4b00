/**
 * Run by `bench/etcd.ts`: a node without a cluster, served in every way, and an empty gRPC server beside it. For
 * each line on its input it says how much CPU time the process has used.
 *
 * @module
 */

import * as grpc from "@grpc/grpc-js";
import { Authorizer } from "../../lib/http/mod.ts";
import { startApiServer } from "../../lib/http/server.ts";
import { openNode, serveGrpc } from "../../tests/etcd/support.ts";
import { toNodeId } from "../../lib/types.ts";

const { node, rpcs, authorizer } = openNode();
const self = toNodeId("server_1");
const address = "127.0.0.1:1";
const members = () => [{ id: self, peer: address, api: address, etcd: address }];
const api = startApiServer({
  node,
  hostname: "127.0.0.1",
  port: 0,
  signal: new AbortController().signal,
  authorizer: new Authorizer({ node, access: { kind: "open" } }),
  etcd: { self, members, isTls: false },
});
const served = await serveGrpc({ node, rpcs, authorizer } as Parameters<typeof serveGrpc>[0]);
const ports = { api: api.port, grpc: served.port, empty: await serveNothing() };
console.log(JSON.stringify(ports));

for await (const _ of Deno.stdin.readable) {
  // What a node forgets, this one would keep.
  node.commands.length = 0;
  node.reads.length = 0;
  node.timeouts.length = 0;
  console.log(JSON.stringify({ cpuUs: Deno.build.os === "linux" ? cpuUs() : 0 }));
}
Deno.exit(0);

/** The same service with handlers that do nothing. */
async function serveNothing(): Promise<number> {
  const same = (bytes: Uint8Array) => bytes as Buffer;
  const method = {
    path: "/etcdserverpb.KV/Range",
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const server = new grpc.Server();
  const nothing = Buffer.alloc(0);
  server.addService({ range: method }, {
    range: (_call: unknown, answer: grpc.sendUnaryData<Buffer>) => answer(null, nothing),
  });
  return await new Promise((resolve, reject) =>
    server.bindAsync(
      "127.0.0.1:0",
      grpc.ServerCredentials.createInsecure(),
      (error, port) => error === null ? resolve(port) : reject(error),
    )
  );
}

/** By the kernel's count of each thread, in nanoseconds. */
function cpuUs(): number {
  let nanoseconds = 0;
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    const [running = "0"] = Deno.readTextFileSync(`/proc/self/task/${name}/schedstat`).split(" ");
    nanoseconds += Number(running);
  }
  return nanoseconds / 1_000;
}
