/**
 * How nodes notice that they run with different configurations. Nodes compare digests of a canonical
 * form. Where the digests differ, a node compares the texts and reports the differences.
 *
 * The canonical form is the JSON of every field, those that have defaults included, in a fixed order
 * and without white space. So formatting and what a file leaves out make no difference.
 *
 * @module
 */

import { hash } from "node:crypto";
import { decodeUtf8, encodeHex, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import type { Configuration } from "../transport/mod.ts";
import {
  type ClusterConfig,
  ClusterConfigError,
  parseClusterConfig,
  toClusterConfigJson,
} from "./cluster_config.ts";

/** Most differences that are listed one by one. */
export const DIFFERENCES_MAX = 10;

/** A configuration in its canonical form, with its SHA-256. */
export function toConfiguration(config: ClusterConfig): Configuration {
  const text = encodeUtf8(JSON.stringify(toClusterConfigJson(config)));
  return { text, digest: hash("sha256", text, "buffer") };
}

/** Hex digits of a fingerprint: 128 bits, so that nobody finds another configuration with the same. */
const FINGERPRINT_LENGTH = 32;

/**
 * A configuration's fingerprint, in groups of four to read out on the telephone. Files with the same meaning
 * have the same one.
 */
export function fingerprintOf(config: ClusterConfig): string {
  const digits = encodeHex(toConfiguration(config).digest).slice(0, FINGERPRINT_LENGTH);
  return digits.replaceAll(/(....)(?=.)/g, "$1 ");
}

/**
 * Lists what differs between this node's configuration and another's: `threshold is 3 here and 4
 * there`. At most {@linkcode DIFFERENCES_MAX}, and one line for the rest. `their` is not trusted; the
 * transport limits its size.
 */
export function describeDifferences(own: ClusterConfig, their: Uint8Array): readonly string[] {
  const theirs = readConfig(their);
  if (theirs === null) return ["its configuration cannot be read here"];
  const [here, there] = [fieldsOf(own), fieldsOf(theirs)];
  const names = new Set([...here.keys(), ...there.keys()]);
  const differences = [...names].flatMap((name) => {
    const [left, right] = [here.get(name), there.get(name)];
    if (left === right) return [];
    return [`${name} is ${left ?? "absent"} here and ${right ?? "absent"} there`];
  });
  const told = differences.slice(0, DIFFERENCES_MAX);
  const untold = differences.length - told.length;
  return untold === 0 ? told : [...told, `and ${untold} more`];
}

function readConfig(text: Uint8Array): ClusterConfig | null {
  try {
    return parseClusterConfig(decodeUtf8(text));
  } catch (error) {
    if (error instanceof ClusterConfigError || error instanceof InputError) return null;
    throw error;
  }
}

/** Every value by its place: `peers[2].api`. */
function fieldsOf(config: ClusterConfig): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) {
      fields.set(path, JSON.stringify(value));
      return;
    }
    const isList = Array.isArray(value);
    for (const [name, part] of Object.entries(value)) {
      visit(part, isList ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`);
    }
  };
  visit(toClusterConfigJson(config), "");
  return fields;
}
