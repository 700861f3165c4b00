// @ts-check
/// <reference lib="dom" />
/** @import { GroupKey, Verdict } from "./verify/mod.d.ts" */

/**
 * The certificate of one election: the exact text that was signed, what this browser makes of it, the same check
 * as commands, and one byte to change, so that everybody sees what a forgery looks like.
 *
 * @module
 */

import { copyButton, find, make, setText } from "./dom.js";
import {
  judgeSignature,
  parseSignedNote,
  toHex,
  VerificationError,
  verifyCertificate,
} from "./verify/mod.js";

const VERDICTS = {
  valid: "Verified in this browser",
  invalid: "Refused: the signature is not of this text",
  otherKey: "Refused: another key signed this",
  uncheckable: "This browser cannot check Ed25519 here",
};

const EXPLANATIONS = {
  valid: "The voters signed exactly this text together, with the key in this page's address.",
  invalid: "Not one byte of the text can change without the voters signing again.",
  otherKey: "The note names a key that is not the one in this page's address.",
  uncheckable:
    "Browsers check signatures on HTTPS and on this machine's own addresses only. Use the command.",
};

/** See the module. */
export class CertificateSheet {
  #dialog = /** @type {HTMLDialogElement} */ (find("certificate-dialog"));
  #banner = make("p", { class: "banner", role: "status" });
  #explanation = make("p", { class: "soft" });
  #statement = make("pre", { class: "statement", tabindex: 0, "aria-label": "The signed text" });
  #change = make("button", { type: "button" }, "Change one byte");
  #note = "";
  /** @type {GroupKey | null} */
  #key = null;
  #isChanged = false;

  constructor() {
    this.#change.addEventListener("click", () => {
      this.#isChanged = !this.#isChanged;
      void this.#check();
    });
  }

  /**
   * Opens the sheet.
   *
   * @param {{ term: number, certificate: string }} election
   * @param {{ key: GroupKey | null }} pinned
   */
  async open({ term, certificate }, { key }) {
    this.#note = certificate;
    this.#key = key;
    this.#isChanged = false;
    const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => this.#dialog.close());
    const { name, signature } = parseSignedNote(certificate);
    this.#dialog.replaceChildren(
      make(
        "header",
        {},
        make("h2", { id: "certificate-title" }, `Certificate of term ${term}`),
        close,
      ),
      this.#banner,
      this.#explanation,
      make("h3", {}, "The signed text"),
      this.#statement,
      make("div", { class: "actions" }, this.#change),
      make("h3", {}, "The signature"),
      make("p", { class: "hex" }, toHex(signature)),
      make(
        "p",
        { class: "soft" },
        `One Ed25519 signature of ${name}: 64 bytes that the voters made together with FROST.`,
      ),
      ...this.#commands(),
    );
    await this.#check();
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  async #check() {
    const signed = parseSignedNote(this.#note);
    const at = changedAt(signed.text);
    const text = this.#isChanged ? changeByte(signed.text, at) : signed.text;
    this.#statement.replaceChildren(
      ...this.#isChanged
        ? [text.slice(0, at), make("mark", {}, text.slice(at, at + 1)), text.slice(at + 1)]
        : [text],
    );
    setText(this.#change, this.#isChanged ? "Put the byte back" : "Change one byte");
    const verdict = this.#key === null
      ? null
      : await judgeSignature({ ...signed, text }, this.#key);
    this.#banner.dataset["verdict"] = verdict ?? "unpinned";
    setText(this.#banner, verdict === null ? "Not checked: no key is pinned" : VERDICTS[verdict]);
    setText(
      this.#explanation,
      verdict === null
        ? "A key from this node would prove nothing: a node that forges a certificate also forges the key. " +
          "Pin the key that your operator gave you."
        : EXPLANATIONS[verdict],
    );
  }

  #commands() {
    const key = this.#key === null ? "KEY" : toHex(this.#key.publicKey);
    const file = `cat > leader.note <<'END'\n${this.#note}END`;
    const floe = `${file}\nfloe verify leader.note --key ${key}`;
    const openssl = `${file}\n` +
      `printf '302a300506032b6570032100${key}' | xxd -r -p > group.der\n` +
      "sed '/^$/,$d' leader.note > statement\n" +
      "tail -n 1 leader.note | cut -d' ' -f3 | base64 -d | tail -c 64 > signature\n" +
      "openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey group.der \\\n" +
      "  -in statement -sigfile signature";
    return [["With floe", floe], ["With OpenSSL", openssl]].flatMap(([name = "", command = ""]) => [
      make("h3", {}, name, copyButton(() => command)),
      make("pre", { class: "command", tabindex: 0, "aria-label": `Command ${name}` }, command),
    ]);
  }
}

/**
 * What this browser makes of a certificate: for a leader, it must also name the leader and the term.
 *
 * @param {{ leader: string, term: number, certificate: string }} election
 * @param {GroupKey | null} key
 * @returns {Promise<Verdict | "unpinned">}
 */
export async function judge({ leader, term, certificate }, key) {
  if (key === null) return "unpinned";
  try {
    await verifyCertificate(certificate, key, { leader, term });
    return "valid";
  } catch (error) {
    const isOpen = error instanceof VerificationError && error.refusal === "uncheckable";
    return isOpen ? "uncheckable" : "invalid";
  }
}

/**
 * The last byte of the leader's name: the change names another leader.
 *
 * @param {string} statement
 */
function changedAt(statement) {
  const [line = ""] = /^leader .*$/m.exec(statement) ?? [];
  return line === "" ? 0 : statement.indexOf(line) + line.length - 1;
}

/**
 * @param {string} text
 * @param {number} at
 */
function changeByte(text, at) {
  return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
}
