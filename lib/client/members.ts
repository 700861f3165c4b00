/**
 * The members of a cluster, as a program sees and changes them.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type {
  EndedMembersChangeBody,
  MembersBody,
  MembersChainBody,
  MembersChangeBody,
  MembersPlanBody,
  MembersRequestBody,
} from "../wire/mod.ts";
import { type ApiClient, bodyOf } from "./client.ts";
import { ClientError } from "./failure.ts";

/** Most bytes in a chain of memberships: some 20,000 of five members. */
const CHAIN_BYTES_MAX = 64 * 1024 * 1024;
/** How often a change that is followed is looked at. */
const FOLLOW_PAUSE_MS = 200;

/** How a change that was followed ended. */
export interface FollowedEnd {
  /** The members afterwards. */
  readonly members: MembersBody;
  /** How it ended; null where no node remembers. */
  readonly ended: EndedMembersChangeBody | null;
}

/** Members, by requests to a cluster. */
export class MembersClient {
  readonly #client: ApiClient;

  /** Asks by this client. */
  constructor(client: ApiClient) {
    this.#client = client;
  }

  /**
   * The members as the leader knows them; where no leader answers, as the node that is furthest does.
   *
   * @throws {ClientError} when no node answers.
   */
  async read(): Promise<MembersBody> {
    const results = await this.#client.askAll({ method: "GET", path: "/v1/members" });
    const { membersSchema } = await import("../wire/mod.ts");
    const bodies = results.flatMap((result) =>
      result.kind === "answer" ? [bodyOf(result.answer, membersSchema)] : []
    );
    const [first] = bodies.toSorted((left, right) => rankOf(right) - rankOf(left));
    if (first === undefined) throw this.#client.unreachable(results);
    return first;
  }

  /** The genesis and all memberships since, of the first node that answers. The caller must verify them. */
  async chain(): Promise<MembersChainBody> {
    const path = "/v1/members/chain";
    const answer = await this.#client.send({
      method: "GET",
      path,
      answerBytesMax: CHAIN_BYTES_MAX,
    });
    const { membersChainSchema } = await import("../wire/mod.ts");
    return bodyOf(answer, membersChainSchema);
  }

  /** The chain, and the settings, as each node that answers shows them, with the node's address. */
  async chains(): Promise<readonly { readonly label: string; readonly chain: MembersChainBody }[]> {
    const path = "/v1/members/chain";
    const results = await this.#client.askAll({
      method: "GET",
      path,
      answerBytesMax: CHAIN_BYTES_MAX,
    });
    const { membersChainSchema } = await import("../wire/mod.ts");
    return results.flatMap((result) => {
      if (result.kind !== "answer") return [];
      const { answer } = result;
      return [{ label: answer.endpoint.label, chain: bodyOf(answer, membersChainSchema) }];
    });
  }

  /** What a change would do, step by step. Changes nothing. */
  async plan(request: MembersRequestBody): Promise<MembersPlanBody> {
    const body = encodeUtf8(JSON.stringify(request));
    const path = "/v1/members/plan";
    const answer = await this.#client.send({ method: "POST", path, body });
    const { membersPlanSchema } = await import("../wire/mod.ts");
    return bodyOf(answer, membersPlanSchema);
  }

  /** Begins a change. From then on the cluster goes on with it by itself. */
  async change(request: MembersRequestBody): Promise<MembersChangeBody> {
    const body = encodeUtf8(JSON.stringify(request));
    const path = "/v1/members";
    const answer = await this.#client.send({ method: "POST", path, body, takesTimeout: true });
    const { membersChangeSchema } = await import("../wire/mod.ts");
    return bodyOf(answer, membersChangeSchema);
  }

  /** Ends the change that is under way. */
  async cancel(reason?: string): Promise<EndedMembersChangeBody> {
    const query = reason === undefined ? {} : { reason };
    const path = "/v1/members/change";
    const answer = await this.#client.send({ method: "DELETE", path, query, takesTimeout: true });
    const { endedMembersChangeSchema } = await import("../wire/mod.ts");
    return bodyOf(answer, endedMembersChangeSchema);
  }

  /**
   * Follows a change to its end. `onProgress` is called at each new step. Nodes that do not answer for `silentMs`
   * end it; an aborted `signal` does at once, and the change goes on without it.
   *
   * @throws {ClientError} when no node has answered for that long.
   */
  async follow(
    id: number,
    { onProgress, signal, silentMs }: {
      readonly onProgress: (change: MembersChangeBody) => void;
      readonly signal: AbortSignal;
      readonly silentMs: number;
    },
  ): Promise<FollowedEnd | null> {
    const { clock } = this.#client;
    let heardMs = clock.now();
    let shown = "";
    while (!signal.aborted) {
      const members = await this.#readOrNull(heardMs + silentMs);
      if (members !== null) {
        heardMs = clock.now();
        const { change, lastChange } = members;
        if (lastChange?.id === id) return { members, ended: lastChange };
        if (isOver(members, id)) return { members, ended: null };
        const now = JSON.stringify(change);
        if (change !== null && change.id === id && now !== shown) onProgress(change);
        shown = now;
      }
      await clock.delay(FOLLOW_PAUSE_MS);
    }
    return null;
  }

  /** Null when no node answers just now, until the deadline. */
  async #readOrNull(deadlineMs: number): Promise<MembersBody | null> {
    try {
      return await this.read();
    } catch (error) {
      const isPassing = error instanceof ClientError && error.kind === "unavailable";
      if (!isPassing || this.#client.clock.now() >= deadlineMs) throw error;
      return null;
    }
  }
}

/** Only a leader's word counts: another node may not have the change yet. */
function isOver({ id: node, leader, change }: MembersBody, id: number): boolean {
  return node === leader && change?.id !== id;
}

/** Higher for a node whose word is better. */
function rankOf({ id, leader, sequence }: MembersBody): number {
  return id === leader ? Infinity : sequence;
}
