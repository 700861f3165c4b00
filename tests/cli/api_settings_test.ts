import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { processContext } from "../../lib/cli/process_context.ts";
import { type ApiFlags, apiWarning, readApiSettings } from "../../lib/cli/serve/api_settings.ts";
import { parseAddress } from "../../lib/address.ts";

const LOOPBACK = "127.0.0.1:7201";

function settingsFor(flags: ApiFlags, api = LOOPBACK) {
  return readApiSettings(flags, { api: parseAddress(api) }, processContext());
}

const TRUE = true as const;
const ACCESSES: readonly (readonly [api: string, flags: ApiFlags, access: string])[] = [
  [LOOPBACK, {}, "local"],
  ["localhost:7201", {}, "local"],
  ["[::1]:7201", {}, "local"],
  [LOOPBACK, { requireToken: TRUE }, "tokens"],
  [LOOPBACK, { insecureNoAuth: TRUE }, "open"],
  [LOOPBACK, { apiListen: "0.0.0.0:7201" }, "tokens"],
  [LOOPBACK, { apiListen: "[::]:7201" }, "tokens"],
  [LOOPBACK, { apiListen: "0.0.0.0:7201", insecureNoAuth: TRUE }, "open"],
  ["10.0.0.1:7201", {}, "tokens"],
  ["10.0.0.1:7201", { requireToken: TRUE }, "tokens"],
  ["10.0.0.1:7201", { insecureNoAuth: TRUE }, "open"],
  ["10.0.0.1:7201", { apiListen: LOOPBACK }, "local"],
  ["host1:7201", {}, "tokens"],
  ["localhost.example:7201", {}, "tokens"],
];
for (const [api, flags, access] of ACCESSES) {
  Deno.test(`at ${api}, ${JSON.stringify(flags)} makes the access ${access}`, async () => {
    equal((await settingsFor(flags, api)).access, access);
  });
}

Deno.test("readApiSettings() listens where --api-listen says, else where others find the API", async () => {
  deepEqual((await settingsFor({})).listen, { hostname: "127.0.0.1", port: 7201 });
  const { listen } = await settingsFor({ apiListen: "0.0.0.0:80" });
  deepEqual(listen, { hostname: "0.0.0.0", port: 80 });
});

Deno.test("readApiSettings() reads certificate and key from their files", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "floe-tls-" });
  try {
    const [tlsCert, tlsKey] = [`${folder}/cert.pem`, `${folder}/key.pem`];
    Deno.writeTextFileSync(tlsCert, "a certificate");
    Deno.writeTextFileSync(tlsKey, "a key");
    deepEqual((await settingsFor({ tlsCert, tlsKey })).tls?.keys, {
      cert: "a certificate",
      key: "a key",
    });
    Deno.removeSync(tlsKey);
    await rejects(settingsFor({ tlsCert, tlsKey }), /key\.pem: there is no such file/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("readApiSettings() takes a number of connections, and leaves it to the server without one", async () => {
  equal((await settingsFor({})).connectionsMax, null);
  equal((await settingsFor({ apiConnections: 12_000 })).connectionsMax, 12_000);
});

Deno.test("readApiSettings() takes origins as browsers write them", async () => {
  const corsOrigin = ["https://app.example", "http://localhost:3000", "http://[::1]:81"];
  deepEqual((await settingsFor({ corsOrigin })).origins, corsOrigin);
});

for (
  const [flags, message] of [
    [{ requireToken: TRUE, insecureNoAuth: TRUE }, /exclude each other/],
    [{ tlsCert: "cert.pem" }, /--tls-cert and --tls-key go together/],
    [{ clientCa: "ca.pem" }, /--client-ca needs HTTPS/],
    [{ clientAuth: "optional" }, /--client-auth needs --client-ca/],
    [{ tlsKey: "key.pem" }, /--tls-cert and --tls-key go together/],
    [{ tlsCert: "/nowhere", tlsKey: "/nowhere" }, /Cannot read \/nowhere/],
    [{ apiListen: "7201" }, /Cannot use --api-listen: "7201" is not host:port/],
    [{ corsOrigin: ["*"] }, /"\*" is not scheme/],
    [{ corsOrigin: ["null"] }, /"null" is not scheme/],
    [{ corsOrigin: ["https://app.example/"] }, /is not scheme/],
    [{ corsOrigin: ["https://APP.example"] }, /is not scheme/],
    [{ corsOrigin: ["https://app.example:443"] }, /is not scheme/],
    [{ corsOrigin: ["file:///a"] }, /is not scheme/],
    [{ corsOrigin: ["app.example"] }, /is not scheme/],
  ] as readonly [ApiFlags, RegExp][]
) {
  Deno.test(`readApiSettings() refuses ${JSON.stringify(flags)}`, async () => {
    await rejects(settingsFor(flags), (error: Error) => {
      match(error.message, message);
      equal("exitCode" in error && error.exitCode, 2);
      return true;
    });
  });
}

Deno.test("apiWarning() tells of an API without tokens, and of tokens that cross the network", async () => {
  const tls = { cert: "a certificate", key: "a key" };
  const warningOf = async (flags: ApiFlags, api = LOOPBACK, options = {}) =>
    apiWarning({ ...await settingsFor(flags, api), ...options });
  equal(await warningOf({}), null);
  equal(await warningOf({ requireToken: TRUE }), null);
  equal(await warningOf({}, "10.0.0.1:7201", { tls }), null);
  match(
    await warningOf({}, "10.0.0.1:7201") ?? "",
    /are not encrypted on the network: serve HTTPS with --tls-cert/,
  );
  const open = /every client that reaches 10\.0\.0\.1:7201 can read, write and administer/;
  match(await warningOf({ insecureNoAuth: TRUE }, "10.0.0.1:7201", { tls }) ?? "", open);
  match(await warningOf({ insecureNoAuth: TRUE }) ?? "", /every client that reaches 127/);
});
