import { equal, match } from "node:assert/strict";
import { HEADER_BYTES_MAX, HEADERS_MAX } from "../../lib/http/connections.ts";
import { RawClient, Served } from "./raw_client.ts";

/** What the API's server refuses in a request, over real sockets. */

Deno.test("a body that does not arrive is given up, and a client is told", async () => {
  await using api = new Served({ bodyTimeoutMs: 5 });
  for (const framing of ["content-length: 100", "transfer-encoding: chunked"]) {
    using client = await RawClient.connect(api.port);
    const body = framing.startsWith("c") ? "abc" : "3\r\nabc\r\n";
    await client.send(`PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n\r\n${body}`);
    // To the end: nobody waits for the rest of the body behind the answer.
    match(await client.readAll(), /^HTTP\/1.1 408 [^]*"code":"body_timeout"/);
  }
  equal(api.node.commands.length, 0);
});

Deno.test("the head of a request has limits in bytes and in fields", async () => {
  await using api = new Served();
  const head = async (fields: readonly string[], path = "/livez") => {
    using client = await RawClient.connect(api.port);
    const lines = ["host: localhost", "connection: close", ...fields].join("\r\n");
    await client.send(`GET ${path} HTTP/1.1\r\n${lines}\r\n\r\n`);
    return (await client.readAll()).slice(9, 12);
  };
  const fields = (count: number) => Array.from({ length: count }, (_, at) => `x${at}: 1`);
  // The request line and two fields take less than 100 bytes.
  equal(await head([`x: ${"a".repeat(HEADER_BYTES_MAX - 100)}`]), "200");
  equal(await head([`x: ${"a".repeat(HEADER_BYTES_MAX)}`]), "400");
  equal(await head([], `/${"a".repeat(HEADER_BYTES_MAX)}`), "400");
  equal(await head(fields(HEADERS_MAX - 2)), "200");
  equal(await head(fields(HEADERS_MAX - 1)), "400");
});

Deno.test("a body above the limit is refused before it is sent, and one that grows above it", async () => {
  await using api = new Served();
  using declared = await RawClient.connect(api.port);
  const head = "PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n";
  await declared.send(`${head}content-length: 524289\r\n\r\n`);
  match(await declared.read() ?? "", /^HTTP\/1.1 413 [^]*"value_too_large"/);
  using chunked = await RawClient.connect(api.port);
  await chunked.send(`${head}transfer-encoding: chunked\r\n\r\n`);
  const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
  await chunked.send(chunk.repeat(8) + "1\r\na\r\n");
  match(await chunked.read() ?? "", /^HTTP\/1.1 413 [^]*"value_too_large"/);
  equal(api.node.commands.length, 0);
});

Deno.test("a request that two parsers could read in two ways is refused", async () => {
  await using api = new Served();
  for (
    const framing of [
      "content-length: 3\r\ntransfer-encoding: chunked",
      "content-length: 3\r\ncontent-length: 4",
      "content-length: -1",
      "transfer-encoding: chunked, gzip",
      " x: 1",
      "x : 1",
    ]
  ) {
    using client = await RawClient.connect(api.port);
    await client.send(`PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n\r\nabc`);
    match(await client.readAll(), /^HTTP\/1.1 [45]\d\d /, framing);
  }
  equal(api.node.commands.length, 0);
});

Deno.test("what follows a CONNECT is not the next request", async () => {
  for (const length of ["", "content-length: 60\r\n"]) {
    await using api = new Served();
    using client = await RawClient.connect(api.port);
    const hidden = "DELETE /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n\r\n";
    await client.send(`CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n${length}\r\n${hidden}`);
    const answers = await client.readAll();
    match(answers, /^HTTP\/1.1 404 /);
    equal(answers.split("HTTP/1.1").length, 2, "one answer, and the end");
    equal(api.node.commands.length, 0);
  }
});

Deno.test("Expect: 100-continue is refused without its body, and nothing is applied", async () => {
  await using api = new Served();
  const head = (path: string, more: string) =>
    `PUT ${path} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n${more}\r\n\r\n`;
  for (
    const [request, status] of [
      [head("/v1/kv/a", "content-length: 999999"), 413],
      [head("/v1/kv/a?unknown=1", "content-length: 3"), 400],
      [head("/v1/kv/a", "content-length: 3\r\norigin: http://evil.example"), 403],
    ] as const
  ) {
    using client = await RawClient.connect(api.port);
    await client.send(request);
    // Deno invites the body by itself, before anybody is asked; the refusal does not wait for it.
    let answer = "";
    while (!answer.includes(`HTTP/1.1 ${status} `)) answer += await client.read() ?? "";
    match(answer, /connection: close/i);
  }
  equal(api.node.commands.length, 0);
});

Deno.test("a request without Host is for the address that it came to", async () => {
  await using api = new Served();
  for (
    const head of ["GET /livez HTTP/1.0", "GET /livez HTTP/1.1", "GET /livez HTTP/1.1\r\nhost:"]
  ) {
    using client = await RawClient.connect(api.port);
    await client.send(`${head}\r\n\r\n`);
    match(await client.read() ?? "", /^HTTP\/1.[01] 200 /);
  }
});
