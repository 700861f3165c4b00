/**
 * Records CPU profiles of the thread that imports this, whenever a {@linkcode ProfileOrder} says so.
 *
 * @module
 */

import { Session } from "node:inspector";

/** What all threads of a process are told, over a channel of this name. */
export const PROFILE_CHANNEL = "floe-profile";

/** Begin, or end and write the profile. */
export type ProfileOrder =
  | { readonly kind: "begin" }
  /** The file's name is this one, the thread's, and `.cpuprofile`. */
  | { readonly kind: "end"; readonly path: string };

/** How far apart samples are. */
const INTERVAL_MICROSECONDS = 500;

/** Records this thread under a name, on every order from the channel. */
export function recordThread(thread: string): void {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: INTERVAL_MICROSECONDS });
  const channel = new BroadcastChannel(PROFILE_CHANNEL);
  channel.addEventListener("message", ({ data }: MessageEvent<ProfileOrder>) => {
    if (data.kind === "begin") session.post("Profiler.start");
    else write(session, `${data.path}-${thread}.cpuprofile`);
  });
}

function write(session: Session, path: string): void {
  session.post("Profiler.stop", (error, { profile }) => {
    if (error !== null) return console.error(JSON.stringify({ event: "profile.failed", error }));
    Deno.writeTextFileSync(path, JSON.stringify(profile));
    console.error(JSON.stringify({ event: "profile.written", path }));
  });
}
