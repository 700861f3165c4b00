/**
 * `deno task bench NAME`: runs `bench/NAME.ts`, which measures one thing and ends with one line of
 * JSON that holds its figures.
 *
 * @module
 */

const [name = ""] = Deno.args;
const names = [...Deno.readDirSync(new URL(".", import.meta.url))]
  .map((file) => file.name)
  .filter((file) => file.endsWith(".ts") && file !== "run.ts")
  .map((file) => file.slice(0, -".ts".length))
  .sort();
if (!names.includes(name)) {
  console.error(`Usage: deno task bench ${names.join("|")}`);
  Deno.exit(2);
}
await import(new URL(`./${name}.ts`, import.meta.url).href);
