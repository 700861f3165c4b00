/**
 * What happens in a local cluster, as `floe cluster` tells it.
 *
 * @module
 */

/** One thing that happened; under `-o json` exactly these objects, one a line. */
export type ClusterEvent =
  /** The nodes are about to be started. First of all. */
  | { readonly event: "starting"; readonly cluster: string; readonly nodes: number }
  /** The cluster's key: at the start, or as soon as the nodes have made it. */
  | {
    readonly event: "group";
    readonly cluster: string;
    readonly threshold: number;
    readonly publicKey: string;
    readonly verifierKey: string;
    /** The genesis certificate; null where a dealer made the key. */
    readonly genesis: string | null;
    /**
     * How long after the start the nodes had made it; then the certificate was verified here against
     * their signing keys. Null where the key was there before.
     */
    readonly ms: number | null;
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
