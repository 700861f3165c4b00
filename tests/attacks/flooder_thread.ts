/**
 * A thread that floods one node until it is told to stop, and then says how much it got said.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { FloodOrder } from "./flooder.ts";
import { FLOODS } from "./floods.ts";
import { connectMember } from "./member.ts";

const stop = new AbortController();

self.onmessage = ({ data }: MessageEvent<FloodOrder | "stop">) => {
  if (data === "stop") stop.abort();
  else void flood(data);
};

async function flood({ route, flood, voters, term }: FloodOrder): Promise<void> {
  const { from, to } = route;
  const next = FLOODS[flood];
  if (next === undefined) throw new Error(`There is no flood of ${flood}`);
  using connection = await connectMember(route);
  self.postMessage("connected");
  self.postMessage(await connection.flood(next({ from, to, voters, term }), stop.signal));
}
