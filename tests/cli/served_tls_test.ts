import { deepEqual, equal, match } from "node:assert/strict";
import { connect as connectTls } from "node:tls";
import { processContext } from "../../lib/cli/process_context.ts";
import { readApiSettings } from "../../lib/cli/serve/api_settings.ts";
import { ServedApi } from "../../lib/cli/serve/served_api.ts";
import { toNodeId } from "../../lib/types.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { FakeNode } from "../http/fake_node.ts";
import { makeCertificate } from "../support/certificate.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { recordLogs, type TestLogRecord } from "../support/record_logs.ts";

/** The certificate files of a node that runs: renewed, damaged, and repaired. */

class Renewed implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "floe-tls-" });
  readonly files = makeCertificate(this.folder);
  readonly addresses = findFreeAddresses(2);
  readonly #next = Deno.makeTempDirSync({ prefix: "floe-tls-" });
  #api: ServedApi | null = null;

  async start(): Promise<ServedApi> {
    const [api, etcd] = this.addresses;
    if (api === undefined || etcd === undefined) throw new Error("Two addresses are needed");
    const settings = await readApiSettings(
      { tlsCert: this.files.cert, tlsKey: this.files.key },
      { api, etcd },
      processContext(),
    );
    const id = toNodeId("server_1");
    this.#api = new ServedApi({ id, peers: [], dataDir: this.folder, settings });
    this.#api.serve(new FakeNode());
    // It settles once both ports are open.
    await this.#api.reloadTls();
    return this.#api;
  }

  /** Writes another certificate, in the two steps in which it is written anywhere. */
  writeNext(): { readonly cert: () => string; readonly key: () => void } {
    const { cert, key } = makeCertificate(this.#next);
    return {
      cert: () => {
        const text = Deno.readTextFileSync(cert);
        Deno.writeTextFileSync(this.files.cert, text);
        return text;
      },
      key: () => Deno.copyFileSync(key, this.files.key),
    };
  }

  /** Whether both ports show this certificate. */
  async shows(cert: string): Promise<boolean> {
    const shown = await Promise.all(this.addresses.map((address) => handshake(address.port, cert)));
    return shown.every((isShown) => isShown);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api?.stop();
    for (const folder of [this.folder, this.#next]) Deno.removeSync(folder, { recursive: true });
  }
}

/** Whether the handshake succeeds with a client that trusts this certificate alone. */
function handshake(port: number, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const protocols = { ALPNProtocols: ["h2", "http/1.1"] };
    const socket = connectTls({
      host: "127.0.0.1",
      port,
      ca,
      servername: "localhost",
      ...protocols,
    });
    socket.once("secureConnect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** What {@linkcode Renewed.start} logs. */
const OPENED = "api.tls_reloaded";

const eventsOf = (records: readonly TestLogRecord[]) =>
  records.filter(({ event }) => event.startsWith("api.tls")).map(({ event }) => event);

const test = (name: string, fn: () => Promise<void>) =>
  // gRPC keeps timers of its own while connections end.
  Deno.test({ name, ignore: !hasOpenssl, sanitizeOps: false, sanitizeResources: false, fn });

test("ServedApi takes a renewed certificate at both ports, once its files are whole", async () => {
  const records = await recordLogs(async () => {
    await using renewed = new Renewed();
    const api = await renewed.start();
    const before = Deno.readTextFileSync(renewed.files.cert);
    equal(await renewed.shows(before), true);
    await api.checkTls();
    const next = renewed.writeNext();
    const cert = next.cert();
    // The certificate is there and its key is not: the writer is between the two.
    await api.checkTls();
    next.key();
    await api.checkTls();
    equal(await renewed.shows(before), true);
    await api.checkTls();
    equal(await renewed.shows(cert), true);
    equal(await renewed.shows(before), false);
    await api.checkTls();
  });
  deepEqual(eventsOf(records), [OPENED, "api.tls_reloaded"]);
});

test("ServedApi keeps its certificate when the new files cannot be used, and says so once", async () => {
  const records = await recordLogs(async () => {
    await using renewed = new Renewed();
    const api = await renewed.start();
    const before = Deno.readTextFileSync(renewed.files.cert);
    const damages = [
      () => Deno.writeTextFileSync(renewed.files.cert, "no certificate"),
      () => void renewed.writeNext().cert(),
      () => Deno.writeTextFileSync(renewed.files.key, "x".repeat(300_000)),
      () => Deno.removeSync(renewed.files.key),
    ];
    for (const damage of damages) {
      damage();
      for (let checks = 0; checks < 4; checks++) await api.checkTls();
      equal(await renewed.shows(before), true);
    }
    const next = renewed.writeNext();
    next.key();
    const cert = next.cert();
    for (let checks = 0; checks < 2; checks++) await api.checkTls();
    equal(await renewed.shows(cert), true);
  });
  deepEqual(eventsOf(records), [OPENED, ...Array(4).fill("api.tls_kept"), "api.tls_reloaded"]);
  const [junk, other, large, missing] = records.filter(({ event }) => event === "api.tls_kept");
  match(String(junk?.properties["error"]), /cannot be used/);
  match(String(other?.properties["error"]), /KeyMismatch/);
  match(String(large?.properties["error"]), /more than 262144 bytes/);
  match(String(missing?.properties["error"]), /key\.pem: there is no such file/);
  equal(junk?.level, "error");
});

test("ServedApi reads its files at once when it is asked to, and each time says what came of it", async () => {
  const records = await recordLogs(async () => {
    await using renewed = new Renewed();
    const api = await renewed.start();
    const next = renewed.writeNext();
    const cert = next.cert();
    await api.reloadTls();
    await api.reloadTls();
    next.key();
    await api.reloadTls();
    equal(await renewed.shows(cert), true);
  });
  deepEqual(eventsOf(records), [OPENED, "api.tls_kept", "api.tls_kept", "api.tls_reloaded"]);
});
