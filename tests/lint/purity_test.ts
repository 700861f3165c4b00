import assert from "node:assert/strict";
import architecture from "../../lint/architecture.ts";

for (
  const source of [
    // Clocks.
    "const now = Date.now();",
    "const now = new Date();",
    "const now = performance.now();",
    "setTimeout(() => {}, 10);",
    "const timer = setInterval;",
    // The machine.
    'const home = Deno.env.get("HOME");',
    "const id = process.pid;",
    'const flag = globalThis["setTimeout"];',
    'const now = self["Date"];',
    'console.log("hello");',
    'import { readFileSync } from "node:fs";',
    'import { cpus } from "node:os";',
    'import process from "node:process";',
    'import { Hono } from "hono";',
    "const sorted = names.sort((a, b) => a.localeCompare(b));",
    'const sorted = names.sort((a, b) => a["localeCompare"](b));',
    // Global randomness.
    "const chance = Math.random();",
    "const { random } = Math;",
    "crypto.getRandomValues(bytes);",
    "const id = crypto.randomUUID();",
    "const secret = ed25519.utils.randomSecretKey();",
    'import { randomBytes } from "node:crypto";',
    'import { randomBytes as bytes } from "@noble/hashes/utils.js";',
    'import * as utils from "@noble/curves/utils.js";',
    'import nodeCrypto from "node:crypto";',
    // Waiting.
    'const digest = crypto.subtle.digest("SHA-256", bytes);',
    "await settled;",
    "for await (const frame of frames) handle(frame);",
    "async function step() {}",
    "const step = async () => {};",
    "class Raft { async step() {} }",
    "const done = Promise.resolve();",
    "function step(): Promise<void> { return done; }",
    "queueMicrotask(step);",
    'const later = import("./later.ts");',
  ]
) {
  Deno.test(`purity catches ${source}`, () => {
    assert.deepEqual(rulesOf("lib/raft/raft.ts", source), ["architecture/purity"]);
  });
}

for (
  const source of [
    'import { createHash, createPublicKey, verify } from "node:crypto";',
    'import { ed25519, ed25519_FROST } from "@noble/curves/ed25519.js";',
    'import { encode } from "@msgpack/msgpack";',
    'import { Log } from "./log.ts";',
    "const deadline = now + Math.max(1, ticks);",
    "function nonce(options: { randomBytes(length: number): Uint8Array }) {}",
    "const seed = options.randomBytes(32);",
    "interface Worklist { process(): void; fetch: number }",
    "class Worklist { process() {} crypto = 1; }",
    "const request = { fetch: 1, process: 2 }; request.process; request.fetch;",
    "const self = options.self; self.id;",
    "for (const entry of entries) apply(entry);",
  ]
) {
  Deno.test(`purity lets pass ${source}`, () => {
    assert.deepEqual(rulesOf("lib/raft/raft.ts", source), []);
  });
}

for (const layer of ["frost", "certificate", "keygen", "raft", "kv"]) {
  Deno.test(`purity holds in lib/${layer}`, () => {
    assert.deepEqual(rulesOf(`lib/${layer}/a.ts`, "Date.now();"), ["architecture/purity"]);
  });
}

for (const file of ["lib/node/node.ts", "lib/storage/store.ts", "lib/bytes.ts", "tests/a.ts"]) {
  Deno.test(`purity leaves ${file} alone`, () => {
    assert.deepEqual(rulesOf(file, "await new Promise((done) => setTimeout(done));"), []);
  });
}

/** Which rules fired, each once. */
function rulesOf(file: string, source: string): string[] {
  return [...new Set(Deno.lint.runPlugin(architecture, file, source).map(({ id }) => id))];
}
