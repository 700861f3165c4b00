/**
 * What happens in a local cluster, as `floe cluster` tells it.
 *
 * @module
 */

/** One thing that happened; under `-o json` exactly these objects, one a line. */
export type ClusterEvent =
  /** The cluster's key. First of all. */
  | {
    readonly event: "group";
    readonly cluster: string;
    readonly threshold: number;
    readonly publicKey: string;
    readonly verifierKey: string;
  }
  /** A node's process was started. */
  | { readonly event: "node"; readonly id: string; readonly api: string; readonly pid: number }
  /**
   * There is a leader, and its certificate was verified here against the group key. `ms` is the time
   * since the cluster was first seen without a leader; for the first leader, since the start.
   */
  | {
    readonly event: "leader";
    readonly id: string;
    readonly term: number;
    readonly certificate: "valid";
    readonly ms: number;
    /** The certificate itself. */
    readonly note: string;
  }
  /** Every node that is up knows the first leader. */
  | { readonly event: "ready" }
  /** A node's process ended without having been told to; the others go on. */
  | {
    readonly event: "exit";
    readonly id: string;
    readonly pid: number;
    readonly code: number;
    readonly signal: string | null;
    /** The end of its log. */
    readonly log: readonly string[];
  }
  /** All nodes have been stopped. Last of all. */
  | { readonly event: "stopped" };
