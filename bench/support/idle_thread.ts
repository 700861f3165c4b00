/**
 * A thread that does nothing: what its loop pauses, the machine is to blame for.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { watchPauses } from "./loop_pauses.ts";

watchPauses((longestMs) => self.postMessage(longestMs));
