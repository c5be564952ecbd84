import { sql, type RawBuilder } from 'kysely';
import type { SqlDialect } from '../sql/dialect.js';
import { behindAll } from './key-order.js';

/** What tells a statement which keys are one common prefix. */
export interface Grouping {
  prefix_length: number;
  delimiter: string;
  delimiter_length: number;
  after_delimiter: string;
}

export function groupingOf(prefix: string, delimiter: string): Grouping {
  return {
    prefix_length: characters(prefix),
    delimiter,
    delimiter_length: characters(delimiter),
    after_delimiter: behindAll(delimiter),
  };
}

/** What a key, which has the prefix, is in a listing; in SQL. */
export interface KeyGroup {
  /** Whether the key is listed itself. */
  isPlain: RawBuilder<boolean>;
  /** The common prefix; of a plain key anything. */
  name: RawBuilder<string>;
  /** Greater than the key and all that is in its group, and no greater than any key behind them. */
  behind: RawBuilder<string>;
}

export function groupOfKey(key: RawBuilder<string>, grouping: Grouping, { position }: SqlDialect): KeyGroup {
  const { prefix_length, delimiter, delimiter_length, after_delimiter } = grouping;
  const prefixLength = sql<number>`cast(${prefix_length} as integer)`;
  // Where the delimiter begins in what follows the prefix, from 1; 0 when it is not there.
  const at = position(delimiter, sql<string>`substr(${key}, ${prefixLength} + 1)`);
  return {
    isPlain: sql<boolean>`${at} = 0`,
    name: sql<string>`substr(${key}, 1, ${prefixLength} + ${at} + cast(${delimiter_length} as integer) - 1)`,
    behind: sql<string>`case when ${at} = 0 then ${key} || ${NEXT}
      else substr(${key}, 1, ${prefixLength} + ${at} - 1) || cast(${after_delimiter} as text) end`,
  };
}

/** As SQL counts them: code points. */
function characters(text: string): number {
  return Array.from(text).length;
}

/** What makes the successor of a key (key-order.ts). */
const NEXT = sql.lit('\u0001');
