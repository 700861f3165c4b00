/**
 * What clients ask of the key-value store, and what they get.
 *
 * @module
 */

import type { LogIndex } from "../types.ts";
import type { NewToken } from "./token.ts";

/** Most UTF-8 bytes in a key. */
export const KEY_BYTES_MAX = 1024;
/** Most bytes in a value. */
export const VALUE_BYTES_MAX = 512 * 1024;
/** Most characters in an idempotency key; each is one byte. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 128;

/** What any write may ask for besides its effect. */
export interface WriteOptions {
  /**
   * The write takes effect only while this is the key's modRevision; 0 stands for a key that is not
   * there. Whether it holds is decided by the log: where the command stands, not where it was sent.
   */
  readonly ifModRevision?: LogIndex;
  /**
   * Names this write in all of its attempts, so that it takes effect once: 1 to
   * {@linkcode IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters, but neither `"` nor `\`.
   */
  readonly idempotencyKey?: string;
  /**
   * The id of the token that the write came with. An idempotency key belongs to it: under the same
   * key, another token's write is another write, and learns nothing of this one. Absent where no token of
   * the cluster was shown; all such writes share their keys. Only with an idempotency key.
   */
  readonly idempotencyOwner?: string;
}

/** What any write may ask for to take effect once. */
export type IdempotencyOptions = Pick<WriteOptions, "idempotencyKey" | "idempotencyOwner">;

/** Set `key` to `value`. */
export interface PutCommand extends WriteOptions {
  /** The tag. */
  readonly kind: "put";
  /** The key: 1 to {@linkcode KEY_BYTES_MAX} bytes of UTF-8. */
  readonly key: string;
  /** The value, at most {@linkcode VALUE_BYTES_MAX} bytes. */
  readonly value: Uint8Array;
}

/** Remove `key`. */
export interface DeleteCommand extends WriteOptions {
  /** The tag. */
  readonly kind: "delete";
  /** The key: 1 to {@linkcode KEY_BYTES_MAX} bytes of UTF-8. */
  readonly key: string;
}

/** A change to one key. */
export type KeyCommand = PutCommand | DeleteCommand;

/** Let who knows the secret behind a token's digest in. */
export interface CreateTokenCommand extends NewToken, IdempotencyOptions {
  /** The tag. */
  readonly kind: "createToken";
}

/** Let nobody in by this token any more. */
export interface RevokeTokenCommand extends IdempotencyOptions {
  /** The tag. */
  readonly kind: "revokeToken";
  /** The token, as `checkTokenId` of `token.ts` takes it. */
  readonly id: string;
}

/** A change to who may use the API. */
export type TokenCommand = CreateTokenCommand | RevokeTokenCommand;

/** A change to the store, as it stands in the log. */
export type Command = KeyCommand | TokenCommand;

/** One key with its value and history. */
export interface KeyValue {
  /** The key: 1 to {@linkcode KEY_BYTES_MAX} bytes of UTF-8. */
  readonly key: string;
  /** The value, at most {@linkcode VALUE_BYTES_MAX} bytes. */
  readonly value: Uint8Array;
  /** Revision of the write that created the key. */
  readonly createRevision: LogIndex;
  /** Revision of the write that produced this value. */
  readonly modRevision: LogIndex;
  /** How many writes the key has seen since it was created, from 1. */
  readonly version: number;
}

/** What a change to a key did, the first time that it was applied; see {@linkcode WriteResult}. */
export type KeyResult =
  /** The key now has this modRevision and version. */
  | {
    readonly kind: "put";
    readonly revision: LogIndex;
    readonly createRevision: LogIndex;
    readonly version: number;
  }
  /** Whether there was a key to remove. */
  | { readonly kind: "delete"; readonly revision: LogIndex; readonly deleted: boolean }
  /** `ifModRevision` did not hold and nothing changed; the key has this modRevision, or 0: no key. */
  | {
    readonly kind: "preconditionFailed";
    readonly revision: LogIndex;
    readonly modRevision: LogIndex;
  };

/** What a change to the tokens did, the first time that it was applied. */
export type TokenResult =
  /** The token is there. */
  | { readonly kind: "tokenCreated"; readonly revision: LogIndex }
  /** The token is not there, and this is why not. */
  | {
    readonly kind: "tokenRefused";
    readonly revision: LogIndex;
    /** `exists`: its id is taken. `tooMany`: there are as many as may be. */
    readonly reason: "exists" | "tooMany";
  }
  /** The token is gone; whether there was one. */
  | { readonly kind: "tokenRevoked"; readonly revision: LogIndex; readonly revoked: boolean };

/** What a write did, the first time that it was applied. `revision` is the index of its entry. */
export type WriteResult = KeyResult | TokenResult;

/** What came of a command. */
export type CommandResult =
  | WriteResult
  /** Its idempotency key already stands for another write, at `firstRevision`; nothing changed. */
  | {
    readonly kind: "idempotencyKeyReused";
    readonly revision: LogIndex;
    readonly firstRevision: LogIndex;
  };
