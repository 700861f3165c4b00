import assert from "node:assert/strict";
import { decodeUtf8 } from "../../lib/bytes.ts";
import { countDescriptors, readProcess } from "./read_process.ts";

const ignore = Deno.build.os !== "linux";

Deno.test({
  name: "readProcess() reads what the system tells of a process",
  ignore,
  fn() {
    assert.match(
      decodeUtf8(readProcess(Deno.pid, "status")),
      new RegExp(`^Pid:\\s+${Deno.pid}$`, "m"),
    );
  },
});

Deno.test({
  name: "readProcess() says which process is not there",
  ignore,
  fn() {
    assert.throws(() => readProcess(0, "cmdline"), /Cannot read \/proc\/0\/cmdline: /);
  },
});

Deno.test({
  name: "countDescriptors() counts what a process holds open",
  ignore,
  async fn() {
    const before = countDescriptors(Deno.pid);
    const path = new URL(import.meta.url).pathname;
    const files = await Promise.all(Array.from({ length: 20 }, () => Deno.open(path)));
    assert.ok(countDescriptors(Deno.pid) >= before + 20);
    for (const file of files) file.close();
  },
});
