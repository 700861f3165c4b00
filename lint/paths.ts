/**
 * Where a file stands in the project.
 *
 * @module
 */

const PROJECT_ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** `filename` relative to the project's root, with forward slashes. */
export function toProjectPath(filename: string): string {
  const path = filename.replaceAll("\\", "/");
  return path.startsWith(PROJECT_ROOT) ? path.slice(PROJECT_ROOT.length) : path;
}

/**
 * The project path that a relative import in the file at `importer` leads to, or null for a
 * package.
 */
export function resolveImport(specifier: string, importer: string): string | null {
  if (!/^\.{0,2}\//.test(specifier)) return null;
  return new URL(specifier, `file:///${importer}`).pathname.slice(1);
}

/** Files that a client command loads without the rest of their folder, whose facade exports them too. */
export const CLIENT_FILES: readonly string[] = ["lib/kv/lock.ts", "lib/wire/store.ts"];

/**
 * The layer of a file: its folder below `lib`, `base` for the files in `lib` itself, `main` for `main.ts`, and
 * null for everything else (tests, benchmarks, scripts), which may import any file.
 */
export function toLayer(projectPath: string): string | null {
  if (projectPath === "main.ts") return "main";
  const [top, folder, ...rest] = projectPath.split("/");
  if (top !== "lib" || folder === undefined) return null;
  return rest.length === 0 ? "base" : folder;
}
