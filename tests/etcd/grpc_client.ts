/** How tests speak gRPC with a node. */

import { Buffer } from "node:buffer";
import * as grpc from "@grpc/grpc-js";
import * as messages from "../../lib/etcd/messages.ts";
import { decodeMessage, encodeMessage } from "../../lib/etcd/protobuf.ts";
import type { Draft, Message, Read } from "../../lib/etcd/shape.ts";
import type { CertificateFiles } from "../support/certificate.ts";
import { type EtcdNode, serveGrpc } from "./support.ts";

/** How {@linkcode TestClient.call} puts. */
export const PUT = ["/etcdserverpb.KV/Put", [messages.putRequest, messages.putResponse]] as const;
/** How it reads. */
export const RANGE = ["/etcdserverpb.KV/Range", [
  messages.rangeRequest,
  messages.rangeResponse,
]] as const;

/** What a watch asks and answers. */
export const WATCH = [messages.watchRequest, messages.watchResponse] as const;

/** gRPC keeps timers of its own while connections end. */
export const OPTIONS = { sanitizeOps: false, sanitizeResources: false };

/** A client that speaks with etcd's messages. */
export class TestClient implements Disposable {
  readonly #client: grpc.Client;
  readonly #metadata = new grpc.Metadata();

  constructor(
    port: number,
    headers: Readonly<Record<string, string>> = {},
    rootCert: string | null = null,
    own: CertificateFiles | null = null,
  ) {
    const [key, cert] = [own?.key, own?.cert].map((file) =>
      file === undefined ? null : Buffer.from(Deno.readFileSync(file))
    );
    const credentials = rootCert === null
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(Buffer.from(rootCert), key, cert);
    this.#client = new grpc.Client(`localhost:${port}`, credentials);
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value);
  }

  call<In extends Message, Out extends Message>(
    path: string,
    [input, output]: readonly [In, Out],
    request: Draft<In>,
  ): Promise<Read<Out>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        (draft: Draft<In>) => Buffer.from(encodeMessage(input, draft)),
        (raw: Buffer) => decodeMessage(output, new Uint8Array(raw)),
        request,
        this.#metadata,
        (error, answer) => error || answer === undefined ? reject(error) : resolve(answer),
      );
    });
  }

  stream<In extends Message, Out extends Message>(
    path: string,
    [input, output]: readonly [In, Out],
  ): grpc.ClientDuplexStream<Draft<In>, Read<Out>> {
    return this.#client.makeBidiStreamRequest(
      path,
      (draft: Draft<In>) => Buffer.from(encodeMessage(input, draft)),
      (raw: Buffer) => decodeMessage(output, new Uint8Array(raw)),
      this.#metadata,
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** Serves a node while `work` runs. */
export async function withServer(
  server: EtcdNode,
  work: (port: number) => Promise<void>,
): Promise<void> {
  const { port, close } = await serveGrpc(server);
  try {
    await work(port);
  } finally {
    await close();
  }
}
