/**
 * The API's tokens, in `kv.db`.
 *
 * @module
 */

import { decode, encode } from "@msgpack/msgpack";
import type { StatementSync } from "node:sqlite";
import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { checkNewToken, fromScopeBits, type Token, type Tokens, toScopeBits } from "../kv/mod.ts";
import { toLogIndex } from "../types.ts";
import { bytesIn, type Database, type Row } from "./database.ts";
import { checkDigest, digestToken } from "./row_digest.ts";

/** Makes the table. `scopes` is a sum of bits, `prefixes` a MessagePack array of texts. */
export const TOKEN_SCHEMA = `
  CREATE TABLE tokens (
    id BLOB PRIMARY KEY,
    secret_sha256 BLOB NOT NULL,
    name BLOB NOT NULL,
    scopes INTEGER NOT NULL,
    prefixes BLOB NOT NULL,
    create_revision INTEGER NOT NULL,
    sha256 BLOB NOT NULL
  ) STRICT;
`;

/**
 * {@linkcode Tokens} on SQLite. Each row carries a SHA-256 that is checked whenever the row is read,
 * so a damaged token lets nobody in.
 */
export class TokenTable implements Tokens {
  readonly #database: Database;
  readonly #count: StatementSync;
  readonly #get: StatementSync;
  readonly #add: StatementSync;
  readonly #delete: StatementSync;
  readonly #rows: StatementSync;

  /** Uses the table in an opened database. */
  constructor(database: Database) {
    this.#database = database;
    this.#count = database.prepare("SELECT count(*) AS count FROM tokens");
    this.#get = database.prepare("SELECT * FROM tokens WHERE id = ?");
    this.#add = database.prepare("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM tokens WHERE id = ?");
    this.#rows = database.prepare("SELECT * FROM tokens WHERE id > ? ORDER BY id LIMIT ?");
  }

  /** How many there are. */
  get count(): number {
    return Number(this.#database.get(this.#count)?.["count"]);
  }

  /**
   * The token of this id, or null.
   *
   * @throws {CorruptionError} when its row is damaged.
   */
  get(id: string): Token | null {
    const row = this.#database.get(this.#get, encodeUtf8(id));
    return row === undefined ? null : this.#read(row);
  }

  /** Adds a token under an id that is not there yet. */
  add(token: Token): void {
    const { secretDigest, scopes, createRevision } = token;
    const encoded = encodeTexts(token);
    this.#database.run(
      this.#add,
      encoded.id,
      secretDigest,
      encoded.name,
      toScopeBits(scopes),
      encoded.prefixes,
      createRevision,
      digestToken(token, encoded),
    );
  }

  /** Removes a token, if it is there. */
  delete(id: string): void {
    this.#database.run(this.#delete, encodeUtf8(id));
  }

  /**
   * Every token, by rising id.
   *
   * @throws {CorruptionError} at the first damaged row.
   */
  *rows(): Iterable<Token> {
    const all = { column: "id", above: new Uint8Array(0) };
    for (const row of this.#database.iterate(this.#rows, all)) yield this.#read(row);
  }

  #read(row: Row): Token {
    return this.#database.readRow(() => "the row of a token", () => toToken(row));
  }
}

function encodeTexts({ id, name, prefixes }: Token) {
  return { id: encodeUtf8(id), name: encodeUtf8(name), prefixes: encode(prefixes) };
}

function toToken(row: Row): Token {
  const token: Token = {
    id: decodeUtf8(bytesIn(row, "id")),
    secretDigest: bytesIn(row, "secret_sha256"),
    name: decodeUtf8(bytesIn(row, "name")),
    scopes: fromScopeBits(row["scopes"]),
    prefixes: toPrefixes(bytesIn(row, "prefixes")),
    createRevision: toLogIndex(row["create_revision"]),
  };
  checkNewToken(token);
  checkDigest(row, digestToken(token, encodeTexts(token)));
  return token;
}

function toPrefixes(bytes: Uint8Array): readonly string[] {
  let prefixes: unknown;
  try {
    prefixes = decode(bytes);
  } catch (cause) {
    throw new InputError("its prefixes are not MessagePack", { cause });
  }
  const isTexts = Array.isArray(prefixes) && prefixes.every((prefix) => typeof prefix === "string");
  if (isTexts) return prefixes as readonly string[];
  throw new InputError("its prefixes are not texts");
}
