/**
 * A member of a cluster whose keys an attacker has. The attacker sends anything over its connections, at any
 * speed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { concatBytes } from "../../lib/bytes.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import { readIdentity } from "../../lib/keys/identity.ts";
import type { KeyFolder } from "../../lib/keys/key_file.ts";
import type { Address } from "../../lib/address.ts";
import { TcpChannel } from "../../lib/transport/channel.ts";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "../../lib/transport/frame.ts";
import {
  decodeHello,
  encodeHello,
  encodeIntroduction,
  type Hello,
  toPrologue,
} from "../../lib/transport/hello.ts";
import { NoiseInitiator } from "../../lib/transport/noise.ts";
import { NoiseChannel } from "../../lib/transport/noise_channel.ts";
import { generateKeyPair } from "../../lib/transport/noise_primitives.ts";
import { TRANSPORT_DEFAULTS } from "../../lib/transport/settings.ts";
import type { ClusterName, NodeId } from "../../lib/types.ts";
import type { TestCluster } from "../e2e/harness/test_cluster.ts";
import { readFrame, writeFrame } from "../transport/raw_peer.ts";

/** Most bytes that are given to the network at once. */
const WRITE_BYTES = 64 * 1024;

/** The target of an attacker, and the member whose keys it uses. Plain data, so that a thread can get it. */
export interface MemberRoute {
  /** The cluster. */
  readonly cluster: ClusterName;
  /** The member whose keys the attacker has. */
  readonly from: NodeId;
  /** The folder of those keys. */
  readonly keys: KeyFolder;
  /** The target. */
  readonly to: NodeId;
  /** Where that node listens. */
  readonly address: Address;
  /** That node's public key. */
  readonly channelKey: Uint8Array;
}

/** The way from one node of a cluster to another. */
export function routeOf(
  cluster: TestCluster,
  { from, to }: { readonly from: NodeId; readonly to: NodeId },
): MemberRoute {
  const { peer: address, keys: { channelKey } } = findPeer(cluster.config, to);
  const keys = { ...cluster.keyFolder(from), self: from };
  return { cluster: cluster.config.cluster, from, keys, to, address, channelKey };
}

/** One connection to a node, past the handshake. */
export class MemberConnection implements Disposable {
  readonly #channel: NoiseChannel;
  #said = 0;

  /** Takes over an encrypted channel. */
  constructor(channel: NoiseChannel) {
    this.#channel = channel;
  }

  /** How many frames of a flood the network has taken. */
  get said(): number {
    return this.#said;
  }

  /** Says `next(0)`, `next(1)` and so on, until the connection ends. @throws {ChannelError} then. */
  async flood(next: (number: number) => Uint8Array): Promise<never> {
    for (let number = 0;;) {
      const batch: Uint8Array[] = [];
      for (let bytes = 0; bytes < WRITE_BYTES; bytes += batch.at(-1)?.length ?? 0) {
        batch.push(next(number++));
      }
      await this.#channel.write(concatBytes(...batch));
      this.#said = number;
    }
  }

  /** Says one frame. */
  async say(frame: Uint8Array): Promise<void> {
    await this.#channel.write(frame);
  }

  /** Reads until the node ends the connection. */
  async readToEnd(): Promise<void> {
    try {
      while (await this.#channel.read() !== null);
    } catch {
      // Reset, rather than closed.
    }
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

/** Connects as a member, with its real keys, and introduces itself. */
export async function connectMember(route: MemberRoute): Promise<MemberConnection> {
  const socket = await Deno.connect(route.address);
  try {
    const { hello, initiator } = greetAs(route);
    await writeFrame(socket, encodeHello(hello));
    const answer = decodeHello(await readFrame(socket));
    assert.ok(answer.kind === "answer", `The answer is a ${answer.kind}`);
    const channel = new NoiseChannel({
      ...TRANSPORT_DEFAULTS,
      channel: new TcpChannel(socket),
      decoder: new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX }),
      keys: initiator.readSecond(answer.noise),
      nowMs: () => 0,
    });
    await channel.write(encodeFrame(encodeIntroduction({ configuration: null, memberships: 0 })));
    return new MemberConnection(channel);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** A genuine hello, and what reads the answer to it. */
export function greetAs(
  { cluster, from, to, keys, channelKey }: MemberRoute,
): { readonly hello: Hello; readonly initiator: NoiseInitiator } {
  const route = { cluster, from, to };
  const initiator = new NoiseInitiator({
    prologue: toPrologue(route),
    staticKeys: readIdentity(keys).channelKeys,
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: channelKey,
  });
  const noise = initiator.writeFirst(new Uint8Array(0));
  return { hello: { kind: "hello", ...route, noise }, initiator };
}
