/**
 * The farewell: what a member shows, in the encrypted channel and instead of anything else, to a node that was a
 * member and is none any more. It has the memberships that the node does not know yet, each with the group's
 * signatures. So the node can check that it was removed: a claim without them changes nothing.
 *
 * @module
 */

import type { MembershipCertificate } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import type { NodeId } from "../types.ts";
import { decodePayload, encodePayload, list, record } from "./field.ts";
import { FrameError } from "./frame.ts";
import { MEMBERSHIP_COUNT_MAX, membershipCertificate } from "./message_codec.ts";

/** Most bytes in a farewell: one membership of the largest cluster is a twentieth of that. */
export const FAREWELL_FRAME_BYTES_MAX: number = 2 * 1024 * 1024;

/** How a node dismisses those that were members. */
export interface Farewells {
  /** The lasting X25519 public key that a former member had, 32 bytes; null for any other node. */
  readonly keyOf: (id: NodeId) => Uint8Array | null;
  /** The memberships that follow the first so many. */
  readonly membershipsAfter: (count: number) => readonly MembershipCertificate[];
}

/** The payload of a farewell, in a shared buffer until the next call. */
export function encodeFarewell(memberships: readonly MembershipCertificate[]): Uint8Array {
  return encodePayload(farewellField, { memberships });
}

/** Reads a farewell. @throws {FrameError} for anything else that a peer sends to its dialer. */
export function decodeFarewell(payload: Uint8Array): readonly MembershipCertificate[] {
  return catching(InputError, () => decodePayload(farewellField, payload).memberships, (cause) => {
    throw new FrameError(
      `Cannot read frame: ${payload.length} bytes from a peer that may send only keepalives and a ` +
        `farewell here: ${cause.message}`,
      { cause },
    );
  });
}

const farewellField = record<{ readonly memberships: readonly MembershipCertificate[] }>({
  memberships: list(membershipCertificate, { countMax: MEMBERSHIP_COUNT_MAX }),
});
