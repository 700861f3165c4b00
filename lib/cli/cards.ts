/**
 * Reads the cards that `floe keygen` and `floe join` print.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { type PeerCard, PeerCardError, PEERS_MAX, readPeerCard } from "../config/mod.ts";
import { catching } from "../errors.ts";
import { JsonError, parseStrictJson } from "../json.ts";
import type { CommandContext } from "./command.ts";
import { nameOf, readInput } from "./input.ts";

/** Most bytes in one file of cards. The cards of the largest cluster need less, even when indented. */
const CARDS_BYTES_MAX = PEERS_MAX * 4096;

/** A card, and what messages call it. */
export interface NamedCard {
  readonly name: string;
  readonly card: PeerCard;
}

/** The cards in a file: one JSON object, a list of them, or one on each line. */
export async function readCards(
  name: string,
  context: CommandContext,
): Promise<readonly NamedCard[]> {
  const text = decodeUtf8(await readInput(name, context, { bytesMax: CARDS_BYTES_MAX }));
  const source = nameOf(name);
  const whole = parseJson(text, source);
  if (whole !== null) {
    if (!Array.isArray(whole.value)) {
      return [{ name: source, card: readPeerCard(whole.value, source) }];
    }
    return whole.value.map((raw, index) => named(raw, `${source}, card ${index + 1}`));
  }
  const lines = text.split("\n").map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== "");
  return lines.map(({ line, number }) => {
    const place = lines.length === 1 ? source : `${source}, line ${number}`;
    const parsed = parseJson(line, place);
    if (parsed !== null) return named(parsed.value, place);
    throw new PeerCardError(`Cannot use card ${place}: it is not JSON`);
  });
}

function named(raw: unknown, name: string): NamedCard {
  return { name, card: readPeerCard(raw, name) };
}

/** Null for a text that is not JSON. JSON with a doubled key or a byte order mark is refused. */
function parseJson(text: string, name: string): { readonly value: unknown } | null {
  return catching(JsonError, () => ({ value: parseStrictJson(text) }), (cause) => {
    if (cause.fault === "notJson") return null;
    throw new PeerCardError(`Cannot use card ${name}: ${cause.message}`);
  });
}

/**
 * The one card in a file.
 *
 * @throws {PeerCardError} when there is none, or more than one.
 */
export async function readCard(name: string, context: CommandContext): Promise<PeerCard> {
  const [first, ...others] = await readCards(name, context);
  if (first !== undefined && others.length === 0) return first.card;
  throw new PeerCardError(
    `Cannot use ${nameOf(name)}: it holds ${others.length + (first ? 1 : 0)} cards; give one, as ` +
      "floe join or floe keygen printed it",
  );
}
