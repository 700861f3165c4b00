/**
 * Changes JSON: fields that are missing, too many, doubled, of another type, or far too deep.
 *
 * @module
 */

import type { Random } from "../simulator/random.ts";
import { drawNumber, drawText, EDGE_TEXTS } from "./values.ts";

/** What `JSON.parse` makes of a text. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const CHANGES_MAX = 3;
const NESTING_DEPTH = 50_000;
/** How deep changes are made. */
const PLACES_DEPTH_MAX = 10;

/** Numbers as JSON can write them and JavaScript cannot hold them. */
const EDGE_LITERALS = ["1e400", "-1e400", "-0", "9007199254740993", "1E+2", "0.1e-400", "01", "+1"];

/** A JSON text like this value's, with a few changes; often it is no JSON any more. */
export function mutateJson(value: Json, random: Random): string {
  const copy = { root: structuredClone(value) };
  for (let changes = random.below(CHANGES_MAX + 1); changes > 0; changes--) {
    changeSomewhere(copy, random);
  }
  const text = JSON.stringify(copy.root, null, random.pick([0, 2]));
  return random.chance(0.25) ? mutateText(text, random) : text;
}

/** A value of JSON that stands where another should. */
function drawJson(random: Random): Json {
  switch (random.below(9)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
    case 3: {
      const number = drawNumber(random);
      return Number.isFinite(number) ? number : String(number);
    }
    case 4:
    case 5:
      return drawText(random);
    case 6:
      return [drawText(random), 1, []];
    case 7:
      return { toString: 1, valueOf: 1, [random.pick(EDGE_TEXTS)]: 1 };
    default:
      return nested(random.chance(0.05) ? 1_000 : 5);
  }
}

/** A text with some of its characters changed. */
export function mutateText(text: string, random: Random): string {
  const at = random.between(0, text.length);
  const to = Math.min(text.length, at + random.between(0, 20));
  switch (random.below(8)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(to);
    case 2:
      return text.slice(0, to) + text.slice(at, to) + text.slice(to);
    case 3:
      return text.slice(0, at) + drawText(random) + text.slice(at);
    case 4:
      return text.replace(/[0-9]+/, () => random.pick(EDGE_LITERALS));
    case 5:
      return swapLines(text, random);
    case 6:
      return text.replaceAll("\n", random.pick(["\r\n", "", "\n\n", " "]));
    default:
      return random.chance(0.05)
        ? random.pick(["[", '{"a":', "[[],"]).repeat(NESTING_DEPTH)
        : text.slice(0, at) + String.fromCharCode(random.below(0x10000)) + text.slice(at + 1);
  }
}

function swapLines(text: string, random: Random): string {
  const lines = text.split("\n");
  const [left, right] = [random.below(lines.length), random.below(lines.length)];
  const line = lines[left] ?? "";
  switch (random.below(3)) {
    case 0:
      lines.splice(right, 0, line);
      break;
    case 1:
      lines.splice(left, 1);
      break;
    default:
      [lines[left], lines[right]] = [lines[right] ?? "", line];
  }
  return lines.join("\n");
}

function changeSomewhere(holder: { root: Json }, random: Random): void {
  const places = placesOf(holder, "root", PLACES_DEPTH_MAX);
  const { parent, name } = random.pick(places);
  const change = random.below(6);
  if (change === 0 && name !== "root") return remove(parent, name);
  if (change === 1 && name !== "root") return add(parent, random);
  if (change === 2) {
    const other = random.pick(places);
    return set(parent, name, structuredClone(get(other.parent, other.name)));
  }
  if (change === 3) {
    const before = get(parent, name);
    if (typeof before === "string") return set(parent, name, mutateText(before, random));
  }
  set(parent, name, drawJson(random));
}

type Parent = Json[] | { [name: string]: Json };

interface Place {
  readonly parent: Parent;
  readonly name: string;
}

function placesOf(parent: Parent, name: string, depthMax: number): Place[] {
  const value = get(parent, name);
  const inside = depthMax > 0 && typeof value === "object" && value !== null
    ? Object.keys(value).flatMap((inner) => placesOf(value, inner, depthMax - 1))
    : [];
  return [{ parent, name }, ...inside];
}

function get(parent: Parent, name: string): Json {
  const value = Object.getOwnPropertyDescriptor(parent, name)?.value as Json | undefined;
  return value ?? null;
}

/** Defined rather than assigned: assigning `__proto__` would not make a property. */
function set(parent: Parent, name: string, value: Json): void {
  Object.defineProperty(parent, name, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

function remove(parent: Parent, name: string): void {
  if (Array.isArray(parent)) parent.splice(Number(name), 1);
  else delete parent[name];
}

function add(parent: Parent, random: Random): void {
  if (Array.isArray(parent)) parent.push(drawJson(random));
  else set(parent, drawText(random), drawJson(random));
}

function nested(depth: number): Json {
  let value: Json = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}
