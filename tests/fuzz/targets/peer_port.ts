/**
 * A node's peer port, over real sockets: strangers, members that lie, and members whose words are
 * altered on the way. Every now and then an honest member must still be heard.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeMessage } from "../../../lib/transport/message_codec.ts";
import type { TRANSPORT_COUNTERS } from "../../../lib/transport/mod.ts";
import type { Random } from "../../simulator/random.ts";
import {
  ALPHA,
  BETA,
  Directory,
  GAMMA,
  readIndexRequest,
  startNode,
  type TestNode,
} from "../../transport/harness.ts";
import {
  connectAs,
  connectRaw,
  readToEnd,
  writeAll,
  writeFrame,
} from "../../transport/raw_peer.ts";
import { ACCEPTED, type OpenTarget, type Outcome, type Target } from "../target.ts";
import { Dialing, drawScript, type Script, showScript } from "./connection.ts";

/** A time that no input waits for. */
const NEVER_MS = 1_000_000;
/** After so many inputs an honest member connects. */
const HONEST_INPUTS = 50;

/** What a connection came to, most telling first. */
const COUNTERS: readonly typeof TRANSPORT_COUNTERS[number][] = [
  "message.refused",
  "channel.refused",
  "frame.refused",
  "hello.refused",
  "connection.dropped",
];

/** The port hears only peers that prove who they are, and only what they sent. */
export const peerPort: Target = {
  name: "peer-port",
  share: 10,
  open: () => {
    const directory = new Directory(ALPHA, BETA, GAMMA);
    return new PeerPort(
      startNode(ALPHA, directory, {
        acceptBurstMax: Infinity,
        acceptsPerSecondMax: Infinity,
        backoffInitialMs: NEVER_MS,
        backoffMaxMs: NEVER_MS,
        keepaliveIntervalMs: NEVER_MS,
        helloTimeoutMs: NEVER_MS,
      }),
    );
  },
};

class PeerPort implements OpenTarget {
  readonly #node: TestNode;
  #given = 0;

  constructor(node: TestNode) {
    this.#node = node;
  }

  draw(random: Random) {
    const script = drawScript(random);
    const bytes = random.bytes(random.below(600));
    const isStranger = random.chance(0.2);
    return {
      show: () => isStranger ? bytes.toHex() : showScript(script),
      bytes: bytes.length,
      run: () => this.#give(isStranger ? () => this.#sayBytes(bytes) : () => this.#say(script)),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#node.transport.close();
  }

  async #give(say: () => Promise<void>): Promise<Outcome> {
    const before = this.#node.transport.counters;
    await say();
    const after = this.#node.transport.counters;
    if (++this.#given % HONEST_INPUTS === 0) await this.#hearHonest();
    await this.#forget();
    const counter = COUNTERS.find((counter) => after[counter] > before[counter]);
    return counter ??
      (after["connection.accepted"] > before["connection.accepted"]
        ? ACCEPTED
        : "neither accepted nor refused");
  }

  async #sayBytes(bytes: Uint8Array): Promise<void> {
    await this.#exchange(async (socket) => {
      await writeAll(socket, bytes);
      await socket.closeWrite();
    });
  }

  async #say(script: Script): Promise<void> {
    const dialing = new Dialing(script);
    await this.#exchange(async (socket) => {
      await writeAll(socket, dialing.hello());
      // What was altered may be half a frame, and wait for more than there is.
      if (script.greeting !== "none") return await socket.closeWrite();
      const rest = dialing.rest(await readSome(socket));
      if (rest !== null) await writeAll(socket, rest);
      await socket.closeWrite();
    });
    const heard: Uint8Array[] = [];
    const { messages } = this.#node;
    while (messages.length > 0) heard.push(encodeMessage(await messages.take()).slice());
    if (script.introduction === "lie" || script.messages.includes("lie")) return;
    assert.deepEqual(heard, dialing.said.slice(0, heard.length));
  }

  /** One connection, to the end of what the node says. */
  async #exchange(talk: (socket: Deno.TcpConn) => Promise<void>): Promise<void> {
    using socket = await connectRaw(this.#node.transport.address.port);
    try {
      await talk(socket);
      await readToEnd(socket);
    } catch (error) {
      // The node ends a connection as soon as it has refused something.
      if (!isEndOfConnection(error)) throw error;
    }
  }

  /** What the node told is of no interest here; kept, it would look as if the node kept it. */
  async #forget(): Promise<void> {
    const { messages, refusals, configurations } = this.#node;
    for (const inbox of [messages, refusals, configurations]) {
      while (inbox.length > 0) await inbox.take();
    }
  }

  async #hearHonest(): Promise<void> {
    const { transport, messages } = this.#node;
    const socket = await connectAs(BETA, ALPHA, transport.address.port);
    const message = readIndexRequest(BETA, ALPHA, this.#given);
    await writeFrame(socket, encodeMessage(message).slice());
    assert.deepEqual(await messages.take(), message);
    socket.close();
  }
}

/** The answer to a hello; empty where there is none. */
async function readSome(socket: Deno.TcpConn): Promise<Uint8Array> {
  const buffer = new Uint8Array(4096);
  const count = await socket.read(buffer);
  return buffer.subarray(0, count ?? 0);
}

function isEndOfConnection(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected;
}
