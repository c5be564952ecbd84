import { sql, type Expression, type RawBuilder } from 'kysely';
import { NOW } from './slot.js';

/** The few places where the two databases must be asked in different words. */
export interface SqlDialect {
  readonly name: 'sqlite' | 'postgres';
  /** ms since 1970 by the database's clock; it advances within a transaction. */
  readonly nowMs: RawBuilder<number>;
  /** 1-based position of a text in another, in characters; 0 when it is not there. */
  position(part: unknown, whole: Expression<string> | RawBuilder<string>): RawBuilder<number>;
  /** Rows with a column `value`, of a parameter that is a JSON array of integers. */
  eachInteger(json: unknown): RawBuilder<{ value: number }>;
  /** The same of texts. */
  eachText(json: unknown): RawBuilder<{ value: string }>;
  /** Rows with the columns `first` and `second`, of a parameter that is a JSON array of pairs. Their types are the statement's to cast. */
  eachPair(json: unknown): RawBuilder<{ first: string; second: string }>;
}

export const SQLITE: SqlDialect = {
  name: 'sqlite',
  // The database's machine is this one, and asking here is cheaper.
  nowMs: sql<number>`${NOW}`,
  position: (part, whole) => sql<number>`instr(${whole}, ${part})`,
  eachInteger: json => sql`(select value from json_each(${json}))`,
  eachText: json => sql`(select value from json_each(${json}))`,
  eachPair: json => sql`(select value ->> 0 as first, value ->> 1 as second from json_each(${json}))`,
};

export const POSTGRES: SqlDialect = {
  name: 'postgres',
  nowMs: sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`,
  position: (part, whole) => sql<number>`strpos(${whole}, ${part}::text)`,
  eachInteger: json => sql`(select value::bigint from json_array_elements_text(${json}::json))`,
  eachText: json => sql`(select value from json_array_elements_text(${json}::json))`,
  eachPair: json => sql`(select value ->> 0 as first, value ->> 1 as second from json_array_elements(${json}::json))`,
};
