/**
 * The wire format: every body of the API as one zod schema. The server is typed by inference, and the client
 * reads with the same schema, so each shape has one declaration.
 *
 * **Where to begin.** `bodies.ts` has the bodies about the cluster and its tokens, `store.ts` those about keys,
 * `transaction.ts` those of transactions, `members.ts` those of the members and their changes, `problem.ts` the
 * one of a refusal. `rows.ts` makes bodies of the store's rows.
 *
 * **A layer below the server.** A client loads it without loading a node. What a request alone needs is in
 * `lib/request.ts`, free of zod. A client command loads the schemas only to read a body, and for the bodies of
 * keys only `store.ts`.
 *
 * `docs/api.md` says what each field means; a test holds its tables and examples to these schemas.
 *
 * @module
 */

export * from "../request.ts";
export * from "./bodies.ts";
export * from "./members.ts";
export * from "./problem.ts";
export * from "./rows.ts";
export * from "./store.ts";
export * from "./transaction.ts";
