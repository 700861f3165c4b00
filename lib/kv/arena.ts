/**
 * Memory for records: a few large buffers instead of an object for each key. So a million keys cost the
 * garbage collector nothing, and a key takes little more memory than its bytes.
 *
 * A slab is one buffer, divided into slots of one size. A record is in one slot. Its handle contains the
 * numbers of the slab and of the slot. Sizes are rounded up by at most an eighth (16 bytes for small
 * records). A slab is freed as a whole when its last record is freed. A record never moves.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";

/** Bytes of a slab, unless one record needs more. */
export const SLAB_BYTES: number = 256 * 1024;

const SLOT_BITS = 14;
const SLOTS_MAX = 1 << SLOT_BITS;
const SLABS_MAX = 2 ** (32 - SLOT_BITS);
/** Such that {@linkcode SLOTS_MAX} of them fill a slab, and that a free slot has room for its link. */
const SLOT_BYTES_MIN = 16;
/** A larger record has a slab of its own. */
const SHARED_SLOT_BYTES_MAX = 64 * 1024;

/**
 * One buffer, with three views. Offsets are in bytes. A record begins at a multiple of 8.
 */
interface Slab {
  /** The buffer as bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The buffer as 32-bit words. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** The buffer as 64-bit numbers. */
  readonly numbers: Float64Array<ArrayBuffer>;
  /** The size of each slot in the slab. */
  readonly slotBytes: number;
}

interface OwnSlab extends Slab {
  readonly id: number;
  readonly slots: number;
  /** How many slots were ever allocated. The others were never touched, and take no memory yet. */
  touched: number;
  used: number;
  /**
   * The first free slot among the touched ones, plus 1; 0 when there is none. Each free slot has the next
   * one in its first word.
   */
  firstFree: number;
  /** Its position in the list of slabs of its size with free slots; -1 when it has none. */
  position: number;
}

/** Allocates slots. A handle is a whole number from 1 to 2^32 - 1. */
export class Arena {
  readonly #slabs: (OwnSlab | null)[] = [null];
  readonly #freeIds: number[] = [];
  /** The slabs with free slots, by the size of the slots. */
  readonly #withRoom = new Map<number, OwnSlab[]>();
  #records = 0;
  #bytes = 0;
  #reservedBytes = 0;

  /** How many records there are. */
  get records(): number {
    return this.#records;
  }

  /** Bytes of the slots in use. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of all slabs. */
  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  /** Allocates a slot of at least `bytes`. Its old content is not erased. */
  allocate(bytes: number): number {
    const slotBytes = toSlotBytes(bytes);
    const slab = this.#withRoom.get(slotBytes)?.at(-1) ?? this.#addSlab(slotBytes);
    const slot = takeSlot(slab);
    this.#records++;
    this.#bytes += slotBytes;
    if (slab.used === slab.slots) this.#removeFromRoom(slab);
    return slab.id * SLOTS_MAX + slot;
  }

  /** Frees a slot. @throws {InvariantError} when there is no such slab. */
  free(handle: number): void {
    const slab = this.#own(handle);
    const slot = handle & (SLOTS_MAX - 1);
    slab.words[slot * slab.slotBytes >>> 2] = slab.firstFree;
    slab.firstFree = slot + 1;
    if (slab.used === slab.slots) this.#addToRoom(slab);
    slab.used--;
    this.#records--;
    this.#bytes -= slab.slotBytes;
    if (slab.used === 0) this.#removeSlab(slab);
  }

  /** The slab of a record. */
  slab(handle: number): Slab {
    return this.#own(handle);
  }

  /** The offset of a record in its slab, in bytes. */
  offset(handle: number): number {
    return Arena.offsetIn(this.#own(handle), handle);
  }

  /** The offset of a record in its slab, in bytes, when the caller already has the slab. */
  static offsetIn({ slotBytes }: Slab, handle: number): number {
    return (handle & (SLOTS_MAX - 1)) * slotBytes;
  }

  /** The size of the slot for a record of this size, in bytes. */
  static slotBytes(bytes: number): number {
    return toSlotBytes(bytes);
  }

  #own(handle: number): OwnSlab {
    return assertDefined(this.#slabs[handle >>> SLOT_BITS], "the record has no slab");
  }

  #addSlab(slotBytes: number): OwnSlab {
    const slots = Math.max(1, Math.min(SLOTS_MAX, Math.floor(SLAB_BYTES / slotBytes)));
    const id = this.#freeIds.pop() ?? this.#slabs.length;
    assert(id < SLABS_MAX, `Cannot hold more than ${SLABS_MAX} slabs of records`);
    const slab = newSlab({ id, slots, slotBytes });
    this.#slabs[id] = slab;
    this.#reservedBytes += slab.bytes.length;
    this.#addToRoom(slab);
    return slab;
  }

  #removeSlab(slab: OwnSlab): void {
    this.#removeFromRoom(slab);
    this.#slabs[slab.id] = null;
    this.#freeIds.push(slab.id);
    this.#reservedBytes -= slab.bytes.length;
  }

  #addToRoom(slab: OwnSlab): void {
    const slabs = this.#withRoom.get(slab.slotBytes) ?? [];
    slab.position = slabs.push(slab) - 1;
    this.#withRoom.set(slab.slotBytes, slabs);
  }

  #removeFromRoom(slab: OwnSlab): void {
    const slabs = assertDefined(this.#withRoom.get(slab.slotBytes), "the slab is in no list");
    const last = assertDefined(slabs.pop(), "the list of the slab is empty");
    if (last !== slab) {
      slabs[slab.position] = last;
      last.position = slab.position;
    }
    slab.position = -1;
    if (slabs.length === 0) this.#withRoom.delete(slab.slotBytes);
  }
}

function toSlotBytes(bytes: number): number {
  if (bytes > SHARED_SLOT_BYTES_MAX) return (bytes + 7) & ~7;
  const size = Math.max(bytes, SLOT_BYTES_MIN);
  // The step is an eighth of the power of two below the size, but at least 16 bytes.
  const step = Math.max(16, 1 << (31 - Math.clz32(size - 1)) >>> 3);
  return Math.ceil(size / step) * step;
}

function newSlab(
  { id, slots, slotBytes }: Pick<OwnSlab, "id" | "slots" | "slotBytes">,
): OwnSlab {
  const buffer = new ArrayBuffer(slots * slotBytes);
  return {
    id,
    slots,
    slotBytes,
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer, 0, buffer.byteLength >>> 2),
    numbers: new Float64Array(buffer, 0, buffer.byteLength >>> 3),
    touched: 0,
    used: 0,
    firstFree: 0,
    position: -1,
  };
}

function takeSlot(slab: OwnSlab): number {
  slab.used++;
  if (slab.firstFree === 0) return slab.touched++;
  const slot = slab.firstFree - 1;
  slab.firstFree = slab.words[slot * slab.slotBytes >>> 2] ?? 0;
  return slot;
}
