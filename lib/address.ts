/**
 * Network addresses as `cluster.json` writes them: `host:port`.
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";
import { InputError } from "./errors.ts";

/** Where something listens, and where it is reached. */
export interface Address {
  /** An IPv4 address, an IPv6 address without brackets, or a DNS name. */
  readonly hostname: string;
  /** From 1 to 65535; 0 to listen on any free port. */
  readonly port: number;
}

/** The highest TCP port. */
export const PORT_MAX = 65_535;

/** Most characters in a DNS name (RFC 1035 §2.3.4, without the trailing dot). */
const DNS_NAME_LENGTH_MAX = 253;
const DNS_LABEL_PATTERN = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/**
 * Reads `host:port`; an IPv6 address stands in brackets (`[::1]:7101`).
 *
 * @throws {InputError} for anything else, and for a wildcard address, which no client can connect to.
 */
export function parseAddress(text: string): Address {
  const address = parseListenAddress(text);
  if (isWildcard(address.hostname)) {
    throw new InputError(
      `${address.hostname} means every interface; peers need an address to connect to`,
    );
  }
  return address;
}

/**
 * Reads `host:port` as {@linkcode parseAddress} does, where a wildcard address is meant: to listen on.
 *
 * @throws {InputError} for anything else.
 */
export function parseListenAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) {
    throw new InputError(
      `${JSON.stringify(text)} is not host:port (IPv6 in brackets, as in [::1]:7101)`,
    );
  }
  const [, bracketed, plain, digits] = match;
  const hostname = bracketed ?? plain ?? "";
  const port = Number(digits);
  if (port < 1 || port > PORT_MAX) {
    throw new InputError(`port ${digits} is not from 1 to ${PORT_MAX}`);
  }
  if (!(bracketed === undefined ? isIPv4(hostname) || isDnsName(hostname) : isIPv6(hostname))) {
    throw new InputError(
      `${JSON.stringify(hostname)} is neither an IP address nor a host name`,
    );
  }
  return { hostname, port };
}

/** The text that {@linkcode parseAddress} reads. */
export function formatAddress({ hostname, port }: Address): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Whether what is at this address can be reached from this machine alone. */
export function isLoopback(hostname: string): boolean {
  if (isIPv4(hostname)) return hostname.startsWith("127.");
  // The URL standard writes an IPv6 address in one way only, and one with a zone in none.
  if (isIPv6(hostname)) return URL.parse(`http://[${hostname}]`)?.hostname === "[::1]";
  return hostname.toLowerCase() === "localhost";
}

function isDnsName(hostname: string): boolean {
  const labels = hostname.split(".");
  // A last label of digits only is an IPv4 address gone wrong (WHATWG URL, "ends in a number").
  return hostname.length <= DNS_NAME_LENGTH_MAX &&
    labels.every((label) => DNS_LABEL_PATTERN.test(label)) &&
    !/^[0-9]+$/.test(labels.at(-1) ?? "");
}

function isWildcard(hostname: string): boolean {
  return hostname === "0.0.0.0" || /^[0:]+$/.test(hostname);
}
