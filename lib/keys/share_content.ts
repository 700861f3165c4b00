/**
 * `share.json`: a node's shares of the group's key. It has two forms: one for the first share, and, from the first
 * change of the members on, one for the share in force and the next one.
 *
 * @module
 */

import { z } from "zod";
import { decodeHex } from "../bytes.ts";
import { checked, type Schema } from "../config/mod.ts";
import type { DurableShares } from "../reshare/mod.ts";
import { type ClusterName, toClusterName, toEpoch, toNodeId } from "../types.ts";
import { type Belonging, keySchema } from "./key_file.ts";

/** The content of `share.json`: what `lib/reshare` keeps durable. SECRET: the reader erases it. */
export interface ShareContent extends Belonging, DurableShares {
  readonly cluster: ClusterName;
  /** 32 bytes: the public key of the group whose secret key this is a share of. */
  readonly publicKey: Uint8Array;
  /** Whether a node has run with these shares. */
  readonly isInUse: boolean;
}

/** 32 secret bytes in hex. They are decoded only once the rest of the file is sound. */
export const secretText: z.ZodString = z.string().regex(/^[0-9a-f]{64}$/);

const epochSchema = z.int().min(1).transform(toEpoch);
const shareFields = {
  cluster: checked(toClusterName),
  node: checked(toNodeId),
  publicKey: keySchema,
  isInUse: z.boolean(),
};

const firstShareSchema = z.strictObject({ ...shareFields, epoch: epochSchema, secret: secretText })
  .transform(({ epoch, secret, ...rest }): ShareContent => {
    return { ...rest, current: { epoch, change: null, secret: decodeHex(secret) }, next: null };
  });

const heldShareSchema = z.strictObject({
  epoch: epochSchema,
  change: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
  secret: secretText,
}).nullable();

const sharesSchema = z.strictObject({
  ...shareFields,
  current: heldShareSchema,
  next: heldShareSchema,
}).transform(({ current, next, ...rest }): ShareContent => {
  const decoded = (share: typeof current) =>
    share === null ? null : { ...share, secret: decodeHex(share.secret) };
  return { ...rest, current: decoded(current), next: decoded(next) };
});

/** Chooses the form that the file means, so that a fault is reported at its place. */
export const shareSchema: Schema<ShareContent, unknown> = z.unknown().transform((json, context) => {
  const isLater = typeof json === "object" && json !== null && "current" in json;
  const result = (isLater ? sharesSchema : firstShareSchema).safeParse(json);
  if (result.success) return result.data;
  for (const { message, path } of result.error.issues) {
    // The message does not have the value, which may be a secret.
    context.issues.push({ code: "custom", message, path, input: null });
  }
  return z.NEVER;
});

/** The content in the file's form. */
export function toShareFile({ current, next, ...rest }: ShareContent): object {
  const isFirst = current?.change === null && next === null;
  return isFirst
    ? { ...rest, epoch: current.epoch, secret: current.secret }
    : { ...rest, current, next };
}
