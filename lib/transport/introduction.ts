/**
 * The introduction: what a dialer says first inside the channel. Until it has arrived the acceptor
 * cannot know that the dialer is really there, as anyone can send an old hello again.
 *
 * It also settles whether both nodes run with the same configuration. The acceptor's digest came with
 * the second message of the handshake; the dialer answers that its own is the same, or sends the
 * whole of it, so that the acceptor can say who differs in what. As every node dials every other,
 * both learn it.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { bytes, nullable, record } from "./field.ts";
import { HelloError } from "./hello.ts";
import { encodeSequence, type Scalar, SequenceReader } from "./sequence.ts";

/** Most bytes in a configuration: that of the largest cluster, with room. */
export const CONFIGURATION_BYTES_MAX: number = 128 * 1024;
/** Most bytes in the frame of an introduction. */
export const INTRODUCTION_FRAME_BYTES_MAX: number = CONFIGURATION_BYTES_MAX + 16;

/** What the nodes of a cluster compare when they meet; public, and the same on every node. */
export interface Configuration {
  /** SHA-256 of the text: 32 bytes. */
  readonly digest: Uint8Array;
  /** The configuration in a form that is the same for all that mean the same. */
  readonly text: Uint8Array;
}

/** The first words inside the channel. */
export interface Introduction {
  /** The dialer's configuration where it differs from the acceptor's; null where it is the same. */
  readonly configuration: Uint8Array | null;
}

/** The payload of an introduction. It stands in a shared buffer until the next call. */
export function encodeIntroduction(introduction: Introduction): Uint8Array {
  const sequence: Scalar[] = [];
  introductionField.write(introduction, sequence);
  return encodeSequence(sequence);
}

/** Reads an introduction. @throws {HelloError} `malformed`. */
export function decodeIntroduction(payload: Uint8Array): Introduction {
  const reader = new SequenceReader(payload);
  try {
    const introduction = introductionField.read(reader);
    reader.end();
    return introduction;
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new HelloError("malformed", `Cannot read introduction: ${cause.message}`, { cause });
  } finally {
    reader.close();
  }
}

const introductionField = record<Introduction>({
  configuration: nullable(bytes({ bytesMax: CONFIGURATION_BYTES_MAX })),
});
