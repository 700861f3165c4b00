/**
 * An ordered map from keys to handles: a B+ tree. Its leaves contain only handles, 4 bytes for each key: the
 * key itself is in the record of the handle.
 *
 * Branches contain separators, the shortest byte strings between two neighbours, so a search reads no
 * record before the leaf. Keys that are added in rising order make full leaves. A leaf or branch that is
 * nearly empty is joined with its neighbour when both fit well into one.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { compareKeys } from "./key_range.ts";

/** Most handles of a leaf, and most children of a branch. */
const WIDTH = 64;
/** A smaller node is joined with a neighbour, if both fit into one node with room left. */
const WIDTH_LOW = 16;
const WIDTH_JOINED = 48;
/** A leaf begins small, because each lease has its own index, mostly with one key. */
const LEAF_START = 4;

interface Leaf {
  readonly kind: "leaf";
  handles: Uint32Array<ArrayBuffer>;
  count: number;
  next: Leaf | null;
  previous: Leaf | null;
}

/**
 * Every key in `children[n]` is below `separators[n]`. Every key in `children[n + 1]` is at or above it.
 */
interface Branch {
  readonly kind: "branch";
  readonly separators: Uint8Array[];
  readonly children: Node[];
}

type Node = Leaf | Branch;

interface Split {
  readonly separator: Uint8Array;
  readonly right: Node;
}

/** The keys of the handles in an index. */
export interface KeySource {
  /** Compares a key with a handle's. */
  compare(key: Uint8Array, handle: number): number;
  /** The key of a handle, as a view. */
  key(handle: number): Uint8Array;
}

/** An ordered map from keys to handles. Handle 0 means none. */
export class OrderedIndex {
  readonly #keys: KeySource;
  #root: Node = newLeaf();
  #count = 0;
  #changes = 0;
  /** The handle that the last change replaced or removed. */
  #before = 0;

  /** An empty index. `keys` has the keys of its handles. */
  constructor(keys: KeySource) {
    this.#keys = keys;
  }

  /** How many keys there are. */
  get count(): number {
    return this.#count;
  }

  /** Counts changes, so that a scan notices them. */
  get changes(): number {
    return this.#changes;
  }

  /** The handle of a key, or 0. */
  get(key: Uint8Array): number {
    const leaf = this.#leafOf(key);
    const position = this.#lowerBound(leaf, key);
    const handle = leaf.handles[position] ?? 0;
    return position < leaf.count && this.#keys.compare(key, handle) === 0 ? handle : 0;
  }

  /** Sets the handle of a key. @returns its handle before, or 0. */
  set(key: Uint8Array, handle: number): number {
    this.#before = 0;
    this.#changes++;
    const split = this.#insert(this.#root, key, handle);
    if (split !== null) {
      const { separator, right } = split;
      this.#root = { kind: "branch", separators: [separator], children: [this.#root, right] };
    }
    if (this.#before === 0) this.#count++;
    return this.#before;
  }

  /** Removes a key. @returns its handle before, or 0. */
  delete(key: Uint8Array): number {
    this.#before = 0;
    this.#remove(this.#root, key);
    if (this.#before === 0) return 0;
    this.#changes++;
    this.#count--;
    if (this.#root.kind === "branch" && this.#root.children.length === 1) {
      this.#root = assertDefined(this.#root.children[0], "A branch without children");
    }
    return this.#before;
  }

  /** A cursor at the first key that is `key` or above it. */
  from(key: Uint8Array): Cursor {
    const leaf = this.#leafOf(key);
    return new Cursor(leaf, this.#lowerBound(leaf, key)).settleForward();
  }

  /** A cursor at the last key below `key`; null means the last key of all. */
  before(key: Uint8Array | null): Cursor {
    if (key === null) {
      const last = this.#lastLeaf();
      return new Cursor(last, last.count - 1).settleBackward();
    }
    const leaf = this.#leafOf(key);
    return new Cursor(leaf, this.#lowerBound(leaf, key) - 1).settleBackward();
  }

  /** Every handle in the order of the keys. The index must not change meanwhile. */
  *handles(): Generator<number, void> {
    for (const cursor = this.from(NO_BYTES); cursor.handle !== 0; cursor.next()) {
      yield cursor.handle;
    }
  }

  /**
   * Checks the tree itself: counts, links and separators.
   *
   * @throws {InvariantError} when one of them is wrong.
   */
  check(): void {
    let count = 0;
    let last: Uint8Array | null = null;
    for (const handle of this.handles()) {
      const key: Uint8Array = this.#keys.key(handle);
      assert(last === null || compareKeys(last, key) < 0, "Keys are in order");
      assert(this.get(key) === handle, "Each key is found from the root");
      last = key;
      count++;
    }
    assert(count === this.#count, "The index counts its keys");
  }

  #leafOf(key: Uint8Array): Leaf {
    let node = this.#root;
    while (node.kind === "branch") {
      node = assertDefined(node.children[childOf(node, key)], "A child for each key");
    }
    return node;
  }

  #lastLeaf(): Leaf {
    let node = this.#root;
    while (node.kind === "branch") node = assertDefined(node.children.at(-1), "A last child");
    return node;
  }

  /** The first position in a leaf whose key is not below `key`. */
  #lowerBound(leaf: Leaf, key: Uint8Array): number {
    let low = 0;
    let high = leaf.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys.compare(key, leaf.handles[middle] ?? 0) > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(node: Node, key: Uint8Array, handle: number): Split | null {
    if (node.kind === "leaf") return this.#insertIntoLeaf(node, key, handle);
    const at = childOf(node, key);
    const split = this.#insert(assertDefined(node.children[at], "A child"), key, handle);
    if (split === null) return null;
    node.separators.splice(at, 0, split.separator);
    node.children.splice(at + 1, 0, split.right);
    return node.children.length <= WIDTH ? null : splitBranch(node);
  }

  #insertIntoLeaf(leaf: Leaf, key: Uint8Array, handle: number): Split | null {
    const position = this.#lowerBound(leaf, key);
    const found = position < leaf.count ? leaf.handles[position] ?? 0 : 0;
    if (found !== 0 && this.#keys.compare(key, found) === 0) {
      this.#before = found;
      leaf.handles[position] = handle;
      return null;
    }
    if (leaf.count < WIDTH) {
      insertAt(leaf, position, handle);
      return null;
    }
    return this.#splitLeaf(leaf, position, handle);
  }

  #splitLeaf(leaf: Leaf, position: number, handle: number): Split {
    const isRising = position === leaf.count && leaf.next === null;
    const kept = isRising ? leaf.count : leaf.count >>> 1;
    const right = newLeaf(WIDTH);
    right.handles.set(leaf.handles.subarray(kept, leaf.count));
    right.count = leaf.count - kept;
    leaf.count = kept;
    link(leaf, right);
    if (position > kept || isRising) insertAt(right, position - kept, handle);
    else insertAt(leaf, position, handle);
    const last = this.#keys.key(leaf.handles[leaf.count - 1] ?? 0);
    return { separator: separate(last, this.#keys.key(right.handles[0] ?? 0)), right };
  }

  #remove(node: Node, key: Uint8Array): void {
    if (node.kind === "branch") {
      const at = childOf(node, key);
      const child = assertDefined(node.children[at], "A child");
      this.#remove(child, key);
      if (this.#before !== 0 && widthOf(child) < WIDTH_LOW) joinChild(node, at);
      return;
    }
    const position = this.#lowerBound(node, key);
    const found = position < node.count ? node.handles[position] ?? 0 : 0;
    if (found === 0 || this.#keys.compare(key, found) !== 0) return;
    this.#before = found;
    node.handles.copyWithin(position, position + 1, node.count);
    node.count--;
  }
}

/** A place in an index. It is valid until the index changes. */
export class Cursor {
  #leaf: Leaf | null;
  #position: number;

  /** Use {@linkcode OrderedIndex.from} and {@linkcode OrderedIndex.before}. */
  constructor(leaf: Leaf, position: number) {
    this.#leaf = leaf;
    this.#position = position;
  }

  /** The handle at this place; 0 beyond the last or before the first key. */
  get handle(): number {
    return this.#leaf === null ? 0 : this.#leaf.handles[this.#position] ?? 0;
  }

  /** Goes on to the next key. */
  next(): void {
    this.#position++;
    this.settleForward();
  }

  /** Goes back to the key before. */
  previous(): void {
    this.#position--;
    this.settleBackward();
  }

  /** Moves to the next leaf that has a key at or after this place. */
  settleForward(): this {
    while (this.#leaf !== null && this.#position >= this.#leaf.count) {
      this.#leaf = this.#leaf.next;
      this.#position = 0;
    }
    return this;
  }

  /** Moves to the last leaf that has a key at or before this place. */
  settleBackward(): this {
    while (this.#leaf !== null && this.#position < 0) {
      this.#leaf = this.#leaf.previous;
      this.#position = this.#leaf === null ? 0 : this.#leaf.count - 1;
    }
    return this;
  }
}

const NO_BYTES = new Uint8Array(0);

function newLeaf(width: number = LEAF_START): Leaf {
  return {
    kind: "leaf",
    handles: new Uint32Array(width),
    count: 0,
    next: null,
    previous: null,
  };
}

function widthOf(node: Node): number {
  return node.kind === "leaf" ? node.count : node.children.length;
}

function childOf({ separators }: Branch, key: Uint8Array): number {
  let low = 0;
  let high = separators.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(key, separators[middle] ?? NO_BYTES) >= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insertAt(leaf: Leaf, position: number, handle: number): void {
  if (leaf.count === leaf.handles.length) grow(leaf);
  leaf.handles.copyWithin(position + 1, position, leaf.count);
  leaf.handles[position] = handle;
  leaf.count++;
}

function grow(leaf: Leaf): void {
  const handles = new Uint32Array(Math.min(WIDTH, leaf.handles.length * 4));
  handles.set(leaf.handles);
  leaf.handles = handles;
}

function link(leaf: Leaf, right: Leaf): void {
  right.previous = leaf;
  right.next = leaf.next;
  if (leaf.next !== null) leaf.next.previous = right;
  leaf.next = right;
}

function splitBranch(branch: Branch): Split {
  const kept = branch.children.length >>> 1;
  const right: Branch = {
    kind: "branch",
    separators: branch.separators.splice(kept),
    children: branch.children.splice(kept),
  };
  return { separator: assertDefined(branch.separators.pop(), "A separator between"), right };
}

/** The shortest byte string above `left` and not above `right`. */
function separate(left: Uint8Array, right: Uint8Array): Uint8Array {
  let shared = 0;
  while (shared < left.length && left[shared] === right[shared]) shared++;
  return right.slice(0, shared + 1);
}

/** Joins a small child with a neighbour: the left node takes the content of the right node. */
function joinChild(branch: Branch, position: number): void {
  const at = Math.max(0, position - 1);
  const left = branch.children[at];
  const right = branch.children[at + 1];
  if (left === undefined || right === undefined) return;
  const isOneEmpty = widthOf(left) === 0 || widthOf(right) === 0;
  if (widthOf(left) + widthOf(right) > WIDTH_JOINED && !isOneEmpty) return;
  const separator = assertDefined(branch.separators[at], "A separator between two children");
  join({ left, right, separator });
  branch.separators.splice(at, 1);
  branch.children.splice(at + 1, 1);
}

function join(
  { left, right, separator }: {
    readonly left: Node;
    readonly right: Node;
    readonly separator: Uint8Array;
  },
): void {
  if (left.kind === "branch" && right.kind === "branch") {
    left.separators.push(separator, ...right.separators);
    left.children.push(...right.children);
    return;
  }
  assert(left.kind === "leaf" && right.kind === "leaf", "All leaves are at one depth");
  while (left.handles.length < left.count + right.count) grow(left);
  left.handles.set(right.handles.subarray(0, right.count), left.count);
  left.count += right.count;
  left.next = right.next;
  if (right.next !== null) right.next.previous = left;
}
