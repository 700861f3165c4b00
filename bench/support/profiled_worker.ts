/**
 * A worker of the storage whose thread can be profiled.
 *
 * @module
 */

import { recordThread } from "./profiler.ts";

recordThread(`worker-${crypto.randomUUID().slice(0, 8)}`);
await import("../../lib/storage/storage_worker.ts");
