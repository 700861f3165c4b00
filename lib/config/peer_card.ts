/**
 * Peer cards: what the operator of a node hands to the person who writes the cluster's `cluster.json`. A
 * card holds a node's name, addresses and public keys, signed with the node's own signing key. The
 * signature shows that the card is whole and that its maker holds that key. It does not show who the maker
 * is: the person who gathers the cards must know that by other means.
 *
 * @module
 */

import { type KeyObject, sign } from "node:crypto";
import { z } from "zod";
import { decodeHex, encodeHex, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { verifySignature } from "../frost/mod.ts";
import { type NodeId, toNodeId } from "../types.ts";
import { type Address, formatAddress, parseAddress } from "../address.ts";
import type { PeerConfig, PeerKeys } from "./cluster_config.ts";
import { checked, formatPath, readChannelKey, readSigningKey } from "./fields.ts";

/** A node's entry in `cluster.json`, with keys, signed by the node. */
export interface PeerCard extends PeerConfig {
  /** Public: what other nodes pin. */
  readonly keys: PeerKeys;
  /** 64 bytes: an Ed25519 signature over {@linkcode formatPeerStatement}. */
  readonly signature: Uint8Array;
}

/** A card as it is written in JSON: addresses as `host:port`, keys and signature in hex. */
export type PeerCardJson =
  & Readonly<Record<"id" | "peer" | "api" | "signingKey" | "channelKey" | "signature", string>>
  & { readonly etcd?: string };

/** A peer card cannot be used. */
export class PeerCardError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "PeerCardError";
}

/** Signs a card. A node's identity (`lib/keys`) is a signer. */
export interface CardSigner {
  /** Public: what other nodes pin. */
  readonly node: NodeId;
  /** Its public keys. */
  readonly keys: PeerKeys;
  /** Signs in its name: Ed25519. */
  readonly signingKey: KeyObject;
}

/** Signs a node's card. */
export function createPeerCard(
  { node, keys, signingKey }: CardSigner,
  addresses: { readonly peer: Address; readonly api: Address; readonly etcd?: Address },
): PeerCard {
  const card = { id: node, ...addresses, keys };
  const signature = new Uint8Array(sign(null, formatPeerStatement(card), signingKey));
  return { ...card, signature };
}

/** The text that a card's signature covers: one field on each line, each line ending in a newline. */
export function formatPeerStatement(
  { id, peer, api, etcd, keys }: Omit<PeerCard, "signature">,
): Uint8Array<ArrayBuffer> {
  return encodeUtf8(
    [
      "floe/peer/v1",
      `id ${id}`,
      `peer ${formatAddress(peer)}`,
      `api ${formatAddress(api)}`,
      ...(etcd === undefined ? [] : [`etcd ${formatAddress(etcd)}`]),
      `signing-key ${encodeHex(keys.signingKey)}`,
      `channel-key ${encodeHex(keys.channelKey)}`,
      "",
    ].join("\n"),
  );
}

/** The card as an object for JSON. */
export function toPeerCardJson(card: PeerCard): PeerCardJson {
  return {
    id: card.id,
    peer: formatAddress(card.peer),
    api: formatAddress(card.api),
    ...(card.etcd === undefined ? {} : { etcd: formatAddress(card.etcd) }),
    signingKey: encodeHex(card.keys.signingKey),
    channelKey: encodeHex(card.keys.channelKey),
    signature: encodeHex(card.signature),
  };
}

/**
 * Checks a card that was parsed from JSON. Messages call the card `name`.
 *
 * @throws {PeerCardError} naming every field that is wrong, or the signature.
 */
export function readPeerCard(raw: unknown, name: string): PeerCard {
  const parsed = cardSchema.safeParse(raw);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${formatPath(path)}: ${message}`
    );
    throw new PeerCardError(`Cannot use card ${name}: ${faults.join("; ")}`);
  }
  const { signingKey, channelKey, etcd, ...rest } = parsed.data;
  const keys = { signingKey, channelKey };
  const card = { ...rest, ...(etcd === undefined ? {} : { etcd }), keys };
  if (verifySignature(signingKey, formatPeerStatement(card), card.signature)) return card;
  throw new PeerCardError(
    `Cannot use card ${name}: its signature does not verify, so it was changed after ${card.id} ` +
      `made it. Ask for it again: floe keygen --id ${card.id} prints it`,
  );
}

const addressSchema = checked(parseAddress);

const cardSchema = z.strictObject({
  id: checked<NodeId>(toNodeId),
  peer: addressSchema,
  api: addressSchema,
  etcd: addressSchema.optional(),
  signingKey: checked(readSigningKey),
  channelKey: checked(readChannelKey),
  signature: checked((text) => {
    if (!/^[0-9a-f]{128}$/.test(text)) throw new InputError("not 128 hex digits in lower case");
    return decodeHex(text);
  }),
});
