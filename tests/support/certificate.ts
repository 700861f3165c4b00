/**
 * Certificates for this machine and for clients, for tests of HTTPS.
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
  openssl([
    ...["req", "-x509", ...NEW_KEY, "-keyout", files.key, "-out", files.cert],
    ...["-days", "1", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
  ]);
  return files;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** A CA in a folder of its own, and the certificates that it signs. Needs an `openssl`. */
export class TestAuthority implements Disposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "floe-ca-" });
  #issued = 0;

  constructor(name = "clients") {
    openssl([
      ...["req", "-x509", ...NEW_KEY, "-keyout", this.#path("ca.key"), "-out", this.caFile],
      ...["-days", "2", "-subj", `/CN=${name}`],
    ]);
  }

  get caFile(): string {
    return this.#path("ca.pem");
  }

  get ca(): string {
    return Deno.readTextFileSync(this.caFile);
  }

  /** A certificate of this name for so many days; -1 makes one that has expired. */
  issue(name: string, { days = 1 } = {}): CertificateFiles {
    const at = ++this.#issued;
    const files = { cert: this.#path(`${at}.pem`), key: this.#path(`${at}.key`) };
    const request = this.#path(`${at}.csr`);
    openssl([
      ...["req", "-new", ...NEW_KEY, "-keyout", files.key, "-out", request, "-subj", `/CN=${name}`],
      ...["-addext", "extendedKeyUsage=clientAuth", "-addext", "basicConstraints=CA:FALSE"],
    ]);
    openssl([
      ...["x509", "-req", "-in", request, "-out", files.cert, "-days", String(days)],
      ...["-CA", this.caFile, "-CAkey", this.#path("ca.key"), "-CAcreateserial"],
      ...["-copy_extensions", "copy"],
    ]);
    return files;
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function openssl(args: readonly string[]): void {
  const { success, stderr } = new Deno.Command("openssl", { args: [...args] }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
