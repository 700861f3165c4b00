/**
 * The signed note: the form in which a signed text is sent and stored (C2SP signed-note).
 *
 * ```text
 * <text, ending in a newline>
 *
 * — <key name> <base64(key id || signature)>
 * ```
 *
 * Where Floe differs: C2SP allows several signatures under one text, and readers skip unknown ones. An
 * election certificate has exactly one signature, and a genesis certificate (`genesis.ts`) has one of each
 * voter. So a certificate has only one form. Every such note is a C2SP note, and Go's `sumdb/note` opens it.
 *
 * @module
 */

import { concatBytes, decodeBase64, encodeBase64 } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { SIGNATURE_BYTES } from "../frost/mod.ts";
import { type ClusterName, toClusterName } from "../types.ts";
import { CertificateError, NOTE_LENGTH_MAX } from "./certifier.ts";
import { KEY_ID_BYTES } from "./group_key.ts";

/** A text with one signature. */
export interface SignedNote {
  /** What is signed; ends in a newline. */
  readonly text: string;
  /** The name of the key that signed. In Floe it is the cluster's name. */
  readonly name: ClusterName;
  /** The hash that distinguishes this key from others with the same name: 4 bytes. */
  readonly keyId: Uint8Array;
  /** An Ed25519 signature over the UTF-8 bytes of `text`: 64 bytes. */
  readonly signature: Uint8Array;
}

/** One signature under a text. */
export interface NoteSignature {
  /** The name of the key that signed, without white space and plus signs. */
  readonly name: string;
  /** The hash that distinguishes this key from others with the same name: 4 bytes. */
  readonly keyId: Uint8Array;
  /** An Ed25519 signature: 64 bytes. */
  readonly signature: Uint8Array;
}

/** The em dash (U+2014) and the space that begin a signature line. */
const LINE_START = "\u2014 ";
const LINE_PATTERN = /^\u2014 (?<name>[^ +\n]+) (?<base64>[A-Za-z0-9+/=]+)\n$/;

/** Writes a note. */
export function encodeSignedNote(note: SignedNote): string {
  return `${note.text}\n${encodeSignatureLine(note)}`;
}

/**
 * Reads a note strictly: one signature line, canonical base64, nothing after it. Does not verify the
 * signature.
 *
 * @throws {CertificateError} `malformed` for anything that {@linkcode encodeSignedNote} cannot write.
 */
export function parseSignedNote(note: string): SignedNote {
  if (note.length > NOTE_LENGTH_MAX) {
    throw malformed(`length ${note.length} is above ${NOTE_LENGTH_MAX}`);
  }
  const { text, signatures } = splitNote(note);
  const { name, keyId, signature } = parseSignatureLine(signatures);
  return { text, name: readName(name), keyId, signature };
}

/**
 * Divides a note at the last empty line before a signature line.
 *
 * @throws {CertificateError} `malformed` when there is none.
 */
export function splitNote(note: string): { readonly text: string; readonly signatures: string } {
  const end = note.lastIndexOf(`\n\n${LINE_START}`);
  if (end < 0) throw malformed("no empty line and signature after the text");
  return { text: note.slice(0, end + 1), signatures: note.slice(end + 2) };
}

/** Writes a signature line; ends in a newline. */
export function encodeSignatureLine({ name, keyId, signature }: NoteSignature): string {
  return `${LINE_START}${name} ${encodeBase64(concatBytes(keyId, signature))}\n`;
}

/**
 * Reads one signature line strictly, including its newline.
 *
 * @throws {CertificateError} `malformed` for anything that {@linkcode encodeSignatureLine} cannot
 * write.
 */
export function parseSignatureLine(line: string): NoteSignature {
  const { name, base64 } = LINE_PATTERN.exec(line)?.groups ?? {};
  if (name === undefined || base64 === undefined) {
    throw malformed("the signature line is not a name and base64");
  }
  return { name, ...readSignature(base64) };
}

function readName(name: string): ClusterName {
  return catching(InputError, () => toClusterName(name), (cause) => {
    throw malformed("the key name is not a cluster name", cause);
  });
}

function readSignature(base64: string): Pick<SignedNote, "keyId" | "signature"> {
  const bytes = catching(InputError, () => decodeBase64(base64), (cause) => {
    throw malformed("the signature is not canonical base64", cause);
  });
  if (bytes.length !== KEY_ID_BYTES + SIGNATURE_BYTES) {
    throw malformed(
      `the signature has ${bytes.length} bytes, not ${KEY_ID_BYTES + SIGNATURE_BYTES}`,
    );
  }
  return { keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) };
}

function malformed(why: string, cause?: unknown): CertificateError {
  return new CertificateError("malformed", `Cannot read signed note: ${why}`, { cause });
}
