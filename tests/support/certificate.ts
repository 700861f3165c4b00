/**
 * A certificate for this machine, for tests of HTTPS.
 *
 * @module
 */

/** Where a certificate and its key are, both PEM. */
export interface CertificateFiles {
  /** The certificate; it vouches for itself. */
  readonly cert: string;
  /** Its key. */
  readonly key: string;
}

/** What {@linkcode makeCertificate} makes, as texts. Needs an `openssl`. */
export function makeTlsKeys(): { readonly cert: string; readonly key: string } {
  const folder = Deno.makeTempDirSync({ prefix: "floe-tls-" });
  try {
    const { cert, key } = makeCertificate(folder);
    return { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Makes a certificate for localhost and 127.0.0.1, valid for a day, in a folder. Needs an `openssl`. */
export function makeCertificate(folder: string): CertificateFiles {
  const files = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  const { success, stderr } = new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", files.key, "-out", files.cert, "-days", "1", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ],
  }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return files;
}
