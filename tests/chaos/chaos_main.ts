/**
 * The `floe` program, whose connections to other nodes go through the links that the file in `FLOE_TEST_LINKS`
 * names by the ports that they lead to. So nodes know each other's own addresses, as the members' log says them,
 * and every way between two of them can be broken all the same.
 *
 * @module
 */

const file = Deno.env.get("FLOE_TEST_LINKS");
if (file === undefined) throw new Error("FLOE_TEST_LINKS names no file");
const links: Readonly<Record<string, number>> = JSON.parse(Deno.readTextFileSync(file));

const connect = Deno.connect;
Deno.connect =
  ((options: Deno.ConnectOptions) =>
    connect({ ...options, port: links[options.port] ?? options.port })) as typeof Deno.connect;

await import("../../main.ts");
