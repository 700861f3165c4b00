/**
 * A thread that floods one node. It says when it is connected, and how much it got said when asked.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { FloodOrder } from "./flooder.ts";
import { FLOODS } from "./floods.ts";
import { connectMember, type MemberConnection } from "./member.ts";

let connection: MemberConnection | null = null;

self.onmessage = ({ data }: MessageEvent<FloodOrder | "said">) => {
  if (data === "said") self.postMessage(connection?.said ?? 0);
  else void flood(data);
};

async function flood({ route, flood, voters, term }: FloodOrder): Promise<void> {
  const { from, to } = route;
  const next = FLOODS[flood];
  if (next === undefined) throw new Error(`There is no flood of ${flood}`);
  connection = await connectMember(route);
  self.postMessage("connected");
  await connection.flood(next({ from, to, voters, term }));
}
