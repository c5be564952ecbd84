import { sql, type CompiledQuery, type InsertQueryBuilder, type InsertResult } from 'kysely';
import type { Tables } from '../schema/tables.js';
import type { SqlDialect } from './dialect.js';

/** What the database gave a row that was inserted. */
export interface Inserted {
  number: number;
  created_ms: number;
}

/**
 * The end of a statement for `Transaction.insert`: one row, of a table with `created_ms`, numbered in `column`.
 * SQLite knows the number of its last insert; RETURNING would cost it as much as the row itself.
 */
export function insertion<Table extends keyof Tables>(
  query: InsertQueryBuilder<Tables, Table, InsertResult>,
  column: string,
  { name }: SqlDialect,
): CompiledQuery<Inserted> {
  if (name === 'sqlite') return query.compile();
  const number = sql<number>`${sql.ref(column)}`.as('number');
  return query.returning([number, sql<number>`created_ms`.as('created_ms')]).compile();
}
