import type { CompiledQuery, Kysely } from 'kysely';
import type { SqlDialect } from '../sql/dialect.js';
import type { Tables } from './tables.js';

/** The statements of one migration. They run in one transaction, in this order. */
export type SchemaStep = (db: Kysely<Tables>, dialect: SqlDialect) => CompiledQuery[];
