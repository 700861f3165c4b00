/**
 * Time, for commands that wait. Tests hand in one that does not.
 *
 * @module
 */

/** A clock to wait by. */
export interface Clock {
  /** Milliseconds since some moment; never runs backward. */
  now(): number;
  /** Settles after so many milliseconds. */
  delay(milliseconds: number): Promise<void>;
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  delay: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};
