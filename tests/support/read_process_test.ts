import assert from "node:assert/strict";
import { decodeUtf8, encodeUtf8 } from "../../lib/bytes.ts";
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
    // Another process than this one, in which other tests may still be closing theirs.
    // Whatever starts the tests may hand down descriptors, so these two numbers may be taken.
    const opens = "exec 3<&- 4<&-; echo few; read line; exec 3</dev/null 4</dev/null; echo more";
    await using process = new Deno.Command("sh", {
      args: ["-c", `${opens}; read line`],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const stdin = process.stdin.getWriter();
    const stdout = process.stdout.getReader();
    await stdout.read();
    const few = countDescriptors(process.pid);
    await stdin.write(encodeUtf8("\n"));
    await stdout.read();
    assert.equal(countDescriptors(process.pid), few + 2);
    await stdin.close();
    await stdout.cancel();
  },
});
