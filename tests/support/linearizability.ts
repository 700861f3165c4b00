/**
 * Whether a history of concurrent operations is linearizable: whether each can be given one instant
 * between its call and its return so that, one after the other, they do what they were seen to do.
 *
 * The algorithm is Wing and Gong's search with Lowe's cache, as Porcupine has it: take any operation
 * that was called before the first return, try it, undo it when that leads nowhere, and never
 * try the same set of operations from the same state twice. An operation whose outcome is unknown
 * may take effect at any time after its call, or never.
 *
 * @module
 */

/** One operation of one client. */
export interface Operation<Input, Output> {
  /** What was asked. */
  readonly input: Input;
  /** What was answered; null when the outcome is unknown, and then `returnedAt` counts for nothing. */
  readonly output: Output | null;
  /** When it was called, on a clock that all clients share. */
  readonly calledAt: number;
  /** When it returned. */
  readonly returnedAt: number;
}

/** What one object does, one operation after the other. */
export interface Model<State, Input, Output> {
  /** The state before the first operation. */
  readonly initial: State;
  /** A text that is equal for equal states only. */
  readonly describe: (state: State) => string;
  /** The next state, or undefined when `output`, where known, cannot be the answer in this state. */
  readonly step: (state: State, input: Input, output: Output | null) => State | undefined;
}

/** What the search found. */
export type Verdict =
  /** There is such an order. */
  | { readonly kind: "linearizable" }
  /** There is none; `longest` is how many operations fit at most. */
  | { readonly kind: "violation"; readonly longest: number }
  /** The search was given up after so many states. */
  | { readonly kind: "unknown" };

/** Most states that are looked at before the search is given up, unless told otherwise. */
export const STATES_MAX = 2_000_000;

/** Searches an order for the operations on one object. */
export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  { statesMax }: { readonly statesMax: number } = { statesMax: STATES_MAX },
): Verdict {
  return new Search(model, operations).run(statesMax);
}

/** A place in a list after which another may stand: its head, or one of its nodes. */
interface Place<Input, Output> {
  next: Node<Input, Output> | null;
}

/** An operation's call or return, in a list from which tried operations are lifted out. */
interface Node<Input, Output> extends Place<Input, Output> {
  readonly number: number;
  readonly operation: Operation<Input, Output>;
  /** The return of a call; null for a return. */
  readonly match: Node<Input, Output> | null;
  previous: Place<Input, Output> | null;
}

class Search<State, Input, Output> {
  readonly #model: Model<State, Input, Output>;
  readonly #head: Place<Input, Output>;
  readonly #known: number;
  readonly #tried = new Set<string>();
  readonly #done: Uint32Array;
  readonly #stack: { readonly call: Node<Input, Output>; readonly before: State }[] = [];
  #knownDone = 0;

  constructor(
    model: Model<State, Input, Output>,
    operations: readonly Operation<Input, Output>[],
  ) {
    this.#model = model;
    this.#head = toList(operations);
    this.#known = operations.filter(({ output }) => output !== null).length;
    this.#done = new Uint32Array(Math.ceil(operations.length / 32));
  }

  run(statesMax: number): Verdict {
    let state = this.#model.initial;
    let longest = 0;
    let at = this.#head.next;
    while (this.#knownDone < this.#known) {
      if (this.#tried.size > statesMax) return { kind: "unknown" };
      if (at !== null && at.match !== null) {
        const next = this.#try(at, state);
        if (next === undefined) {
          at = at.next;
          continue;
        }
        this.#stack.push({ call: at, before: state });
        state = next.state;
        longest = Math.max(longest, this.#stack.length);
        at = this.#head.next;
        continue;
      }
      // A return that no order so far explains: the last choice was wrong.
      const last = this.#stack.pop();
      if (last === undefined) return { kind: "violation", longest };
      this.#undo(last.call);
      state = last.before;
      at = last.call.next;
    }
    return { kind: "linearizable" };
  }

  /** Takes an operation as the next one, unless it cannot be or this was tried before. */
  #try(call: Node<Input, Output>, before: State): { readonly state: State } | undefined {
    const { input, output } = call.operation;
    const state = this.#model.step(before, input, output);
    if (state === undefined) return undefined;
    this.#flip(call.number);
    const key = `${this.#done.join()} ${this.#model.describe(state)}`;
    if (this.#tried.has(key)) {
      this.#flip(call.number);
      return undefined;
    }
    this.#tried.add(key);
    lift(call);
    if (output !== null) this.#knownDone++;
    return { state };
  }

  #undo(call: Node<Input, Output>): void {
    this.#flip(call.number);
    if (call.operation.output !== null) this.#knownDone--;
    unlift(call);
  }

  #flip(number: number): void {
    const word = number >>> 5;
    this.#done[word] = (this.#done[word] ?? 0) ^ (1 << (number & 31));
  }
}

/** All calls and returns in order of time, a call before a return of the same instant. */
function toList<Input, Output>(
  operations: readonly Operation<Input, Output>[],
): Place<Input, Output> {
  const nodes: { node: Node<Input, Output>; at: number; isReturn: number }[] = [];
  operations.forEach((operation, number) => {
    const end = { number, operation, match: null, previous: null, next: null };
    const call = { number, operation, match: end, previous: null, next: null };
    nodes.push({ node: call, at: operation.calledAt, isReturn: 0 });
    const at = operation.output === null ? Infinity : operation.returnedAt;
    nodes.push({ node: end, at, isReturn: 1 });
  });
  nodes.sort((left, right) =>
    left.at === right.at ? left.isReturn - right.isReturn : left.at < right.at ? -1 : 1
  );
  const head: Place<Input, Output> = { next: null };
  let last = head;
  for (const { node } of nodes) {
    node.previous = last;
    last.next = node;
    last = node;
  }
  return head;
}

/** Takes a call and its return out of the list; both remember their places. */
function lift<Input, Output>(call: Node<Input, Output>): void {
  unlink(call);
  if (call.match !== null) unlink(call.match);
}

/** Undoes {@linkcode lift}; in the opposite order of lifting, so that every place is still there. */
function unlift<Input, Output>(call: Node<Input, Output>): void {
  if (call.match !== null) link(call.match);
  link(call);
}

function unlink<Input, Output>(node: Node<Input, Output>): void {
  if (node.previous !== null) node.previous.next = node.next;
  if (node.next !== null) node.next.previous = node.previous;
}

function link<Input, Output>(node: Node<Input, Output>): void {
  if (node.previous !== null) node.previous.next = node;
  if (node.next !== null) node.next.previous = node;
}
