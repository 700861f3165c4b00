import assert from "node:assert/strict";
import { formatAddress, isLoopback, parseAddress } from "../lib/address.ts";
import { InputError } from "../lib/errors.ts";

for (
  const [text, hostname, port] of [
    ["127.0.0.1:7101", "127.0.0.1", 7101],
    ["[::1]:7101", "::1", 7101],
    ["node-1.example.org:65535", "node-1.example.org", 65535],
    ["localhost:1", "localhost", 1],
  ] as const
) {
  Deno.test(`parseAddress() reads ${text}, and formatAddress() writes it`, () => {
    assert.deepEqual(parseAddress(text), { hostname, port });
    assert.equal(formatAddress({ hostname, port }), text);
  });
}

for (
  const text of [
    "",
    "127.0.0.1",
    ":7101",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:7101/",
    "127.0.0.300:7101",
    "127.1:7101",
    "::1:7101",
    "[::1]",
    "[127.0.0.1]:7101",
    "[:::1]:7101",
    "0.0.0.0:7101",
    "[::]:7101",
    "http://127.0.0.1:7101",
    "a b:7101",
    "-a:7101",
    `${"a".repeat(64)}:7101`,
    " 127.0.0.1:7101",
  ]
) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseAddress(text), InputError);
  });
}

Deno.test("isLoopback() knows the addresses and the one name of this machine alone", () => {
  for (
    const own of ["127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "localhost", "LocalHost"]
  ) {
    assert.equal(isLoopback(own), true, own);
  }
  const others = [
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "128.0.0.1",
    "::2",
    "::ffff:127.0.0.1",
    "::1%lo",
    "fe80::1%eth0",
    "1270.0.0.1",
  ];
  for (const other of [...others, "localhost.example", "127.0.0.1.example", "host", ""]) {
    assert.equal(isLoopback(other), false, other);
  }
});
