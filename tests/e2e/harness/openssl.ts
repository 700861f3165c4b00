/**
 * OpenSSL as a second opinion on signatures.
 *
 * @module
 */

/** Whether this machine has an `openssl`. */
export const hasOpenssl: boolean = await new Deno.Command("openssl", {
  args: ["version"],
  stdout: "null",
}).output().then(({ success }) => success, () => false);

/** Whether OpenSSL accepts an Ed25519 signature over a text. */
export async function opensslAccepts(
  { pem, statement, signature }: {
    readonly pem: string;
    readonly statement: string;
    readonly signature: Uint8Array;
  },
): Promise<boolean> {
  const folder = Deno.makeTempDirSync({ prefix: "floe-openssl-" });
  try {
    Deno.writeTextFileSync(`${folder}/key.pem`, pem);
    Deno.writeTextFileSync(`${folder}/statement`, statement);
    Deno.writeFileSync(`${folder}/signature`, signature);
    const { success } = await new Deno.Command("openssl", {
      args: [
        ...["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", `${folder}/key.pem`],
        ...["-in", `${folder}/statement`, "-sigfile", `${folder}/signature`],
      ],
    }).output();
    return success;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
