/**
 * Calls of etcd's protocol that change something, with a record of each.
 *
 * @module
 */

import type { KeyRange } from "../kv/mod.ts";
import type { Call } from "./call.ts";
import { type CodeName, toEtcdError } from "./errors.ts";
import type { Answer, Request, Rpc } from "./rpc.ts";

/** One call that could change something, with what became of it. */
export interface EtcdChange {
  /** `package.Service/Method`. */
  readonly name: string;
  /** Whether it came through the JSON gateway or over gRPC. */
  readonly way: "json" | "grpc";
  /** The id of the token, or `admin.` and the node for a node's own; null for none. */
  readonly token: string | null;
  /** The keys that it changes. */
  readonly keys: readonly KeyRange[];
  /** The store's revision afterwards; null when it was refused. */
  readonly revision: number | null;
  /** `ok`, or the code of its error. */
  readonly status: CodeName | "ok";
}

/** The calls that can change something. Keepalives of leases change nothing that anybody sees. */
const CHANGES: ReadonlySet<string> = new Set([
  "etcdserverpb.KV/Put",
  "etcdserverpb.KV/DeleteRange",
  "etcdserverpb.KV/Txn",
  "etcdserverpb.KV/Compact",
  "etcdserverpb.Lease/LeaseGrant",
  "etcdserverpb.Lease/LeaseRevoke",
  "etcdserverpb.Maintenance/MoveLeader",
  "v3lockpb.Lock/Lock",
  "v3lockpb.Lock/Unlock",
  "v3electionpb.Election/Campaign",
  "v3electionpb.Election/Proclaim",
  "v3electionpb.Election/Resign",
]);

/** The same call, recorded if it can change something. `record` must neither throw nor wait. */
export function audited(rpc: Rpc, record: (change: EtcdChange) => void): Rpc {
  if (rpc.kind !== "unary" || !CHANGES.has(rpc.name)) return rpc;
  const { name, answer } = rpc;
  return {
    ...rpc,
    admit: (sender) => {
      try {
        rpc.admit(sender);
      } catch (error) {
        const { code: status } = toEtcdError(error);
        record({ name, way: sender.way, token: null, keys: [], revision: null, status });
        throw error;
      }
    },
    answer: async (request: Request, call: Call): Promise<Answer> => {
      const base = () => {
        const { way, changedKeys: keys = [] } = call;
        return { name, way, token: tokenOf(call), keys };
      };
      try {
        const answered = await answer(request, call);
        record({ ...base(), revision: revisionOf(answered), status: "ok" });
        return answered;
      } catch (error) {
        record({ ...base(), revision: null, status: toEtcdError(error).code });
        throw error;
      }
    },
  };
}

/** A caller that is refused, also because its token is unknown, has no name. */
function tokenOf({ caller }: Call): string | null {
  try {
    const { id, node } = caller();
    return id ?? (node === undefined ? null : `admin.${node}`);
  } catch {
    return null;
  }
}

function revisionOf(answer: object): number | null {
  const header: unknown = Reflect.get(answer, "header");
  if (typeof header !== "object" || header === null) return null;
  const revision = Number(Reflect.get(header, "revision"));
  return Number.isSafeInteger(revision) ? revision : null;
}
