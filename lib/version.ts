/**
 * Which version of Floe this is.
 *
 * @module
 */

/** The version of this source tree. */
export const FLOE_VERSION = "0.1.0";
