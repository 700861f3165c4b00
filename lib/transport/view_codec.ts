/**
 * Questions for a peer's view of itself, and the answers, on the same connections as Raft's messages and told
 * apart from them by their tag. What is in a view is `lib/node_view.ts`'s business: here it is bytes.
 *
 * @module
 */

import { bytes, decodePayload, encodePayload, tagged } from "./field.ts";
import { type Route, toMessageError } from "./message_codec.ts";
import type { NodeId } from "../types.ts";

/** Most bytes of a view. */
export const VIEW_BYTES_MAX = 64 * 1024;

/** A question for a view, or the answer. A lost one is worth nothing by the time it could be repeated. */
export type ViewMessage =
  /** The sender wants the receiver's view of itself. */
  | { readonly from: NodeId; readonly to: NodeId; readonly kind: "viewRequest" }
  /** The sender's view of itself, as JSON. */
  | {
    readonly from: NodeId;
    readonly to: NodeId;
    readonly kind: "viewResponse";
    readonly view: Uint8Array;
  };

const REQUEST_TAG = 48;
const RESPONSE_TAG = 49;

/** Whether a payload claims to be about a view. */
export function isViewPayload(payload: Uint8Array): boolean {
  return payload[0] === REQUEST_TAG || payload[0] === RESPONSE_TAG;
}

/**
 * The payload of a message. It stands in a shared buffer: put it into a frame before the next call.
 *
 * @throws {MessageError} when the receiver would refuse it.
 */
export function encodeViewMessage(message: ViewMessage): Uint8Array {
  try {
    return encodePayload(messageField, message);
  } catch (cause) {
    throw toMessageError(`write ${message.kind}`, cause);
  }
}

/**
 * Reads and checks a payload. The bytes of a view are a part of it.
 *
 * @throws {MessageError} saying which field of which kind does not fit, its value and the limit.
 */
export function decodeViewMessage(payload: Uint8Array, route: Route): ViewMessage {
  try {
    return { ...decodePayload(messageField, payload), from: route.from, to: route.to };
  } catch (cause) {
    throw toMessageError("read message about a view", cause);
  }
}

/** A message without what the connection knows. */
type Body<Kind> = Kind extends ViewMessage ? Omit<Kind, "from" | "to"> : never;

const messageField = tagged<Body<ViewMessage>>({
  viewRequest: { tag: REQUEST_TAG, fields: {} },
  viewResponse: { tag: RESPONSE_TAG, fields: { view: bytes({ bytesMax: VIEW_BYTES_MAX }) } },
});
