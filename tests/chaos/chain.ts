/**
 * The chain of memberships, at the end: what every member shows of it must verify, be the same, and explain who
 * was elected under which epoch.
 *
 * @module
 */

import { equalBytes } from "../../lib/bytes.ts";
import {
  type Membership,
  parseGenesisStatement,
  toFirstMembership,
  verifyMembership,
} from "../../lib/certificate/mod.ts";
import { InputError } from "../../lib/errors.ts";
import type { MembersChainBody } from "../../lib/wire/mod.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";

const TIMEOUT_MS = 10_000;

/** What is wrong with it; the cluster has converged. */
export async function checkChain(cluster: ChaosCluster): Promise<string[]> {
  const violations: string[] = [];
  const [first, ...others] = await Promise.all(cluster.endpoints.map(async ({ id, url }) => {
    const response = await fetch(`${url}/v1/members/chain`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const chain: MembersChainBody = await response.json();
    return { id, chain };
  }));
  if (first === undefined) return ["There is no member"];
  for (const { id, chain } of others) {
    if (JSON.stringify(chain) === JSON.stringify(first.chain)) continue;
    violations.push(
      `${id} has ${chain.memberships.length} memberships, ${first.id} has ` +
        `${first.chain.memberships.length}, or others`,
    );
  }
  try {
    const memberships = followChain(first.chain);
    if (!memberships.every(({ publicKey }) => equalBytes(publicKey, cluster.group.publicKey))) {
      violations.push("The group key has changed");
    }
    violations.push(...checkElections(cluster, memberships));
    violations.push(...checkMembers(cluster, memberships));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    violations.push(`The chain of ${first.id} does not verify: ${error.message}`);
  }
  return violations;
}

/** What was in force after each statement, each verified as the next of the one before. */
function followChain({ founding, memberships }: MembersChainBody): readonly Membership[] {
  const chain = [toFirstMembership(parseGenesisStatement(founding))];
  for (const certificate of memberships) {
    const before = chain.at(-1);
    if (before !== undefined) chain.push(verifyMembership(before, certificate));
  }
  return chain;
}

/** Whoever led was a voter of the epoch that signed. */
function checkElections(
  { elections }: ChaosCluster,
  memberships: readonly Membership[],
): string[] {
  return elections.all.flatMap(({ term, leader, epoch }) => {
    const membership = memberships.find((one) => one.epoch === epoch);
    const isVoter = membership?.members.some(({ id, role }) => id === leader && role === "voter");
    return isVoter ? [] : [`${leader}, elected in term ${term}, is no voter of epoch ${epoch}`];
  });
}

function checkMembers(cluster: ChaosCluster, memberships: readonly Membership[]): string[] {
  const members = (memberships.at(-1)?.members ?? []).map(({ id }) => id).toSorted();
  const running = cluster.nodes.map(({ id }) => id).toSorted();
  if (members.join() === running.join()) return [];
  return [`The members are ${members.join(", ")}; those that run are ${running.join(", ")}`];
}
