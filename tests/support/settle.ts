/**
 * How tests let promises settle.
 *
 * @module
 */

/** Lets every promise settle that needs nothing from outside this process. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
