import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type CompiledQuery,
  type Dialect,
} from 'kysely';
import type { SchemaStep } from '../schema/schema-step.js';
import type { Tables } from '../schema/tables.js';
import { POSTGRES, type SqlDialect } from './dialect.js';
import { Slot, slots } from './slot.js';

/**
 * A query with named parameters. It is written once with Kysely, compiled once for each dialect, and then
 * only executed: building a query costs more than SQLite takes to answer it.
 */
export interface Statement<Args, Row> {
  /** Unique; names the prepared statement in PostgreSQL. */
  readonly name: string;
  readonly build: (db: Kysely<Tables>, args: Args, dialect: SqlDialect) => CompiledQuery<Row>;
}

/** A parameter's type in SQL. Booleans are 0 and 1 in both databases. */
export type SqlValue = string | number | Uint8Array | null;

export interface CompiledStatement<Args> {
  readonly name: string;
  readonly sql: string;
  /** Whether it leaves everything as it was. */
  readonly onlyReads: boolean;
  /** `nowMs` is what SQLite stores as the time; PostgreSQL asks its own clock. */
  bind(args: Args, nowMs?: number): SqlValue[];
}

/** PostgreSQL tells statements of one connection apart by their names. */
const names = new Set<string>();

/** `statement<{ key: string }>()('name', (db, { key }) => db.selectFrom(…).where('key', '=', key).compile())` */
export function statement<Args>() {
  return <Row>(name: string, build: Statement<Args, Row>['build']): Statement<Args, Row> => {
    if (names.has(name)) throw new Error(`two statements are named ${name}`);
    names.add(name);
    return { name, build };
  };
}

/** Compiles on first use. */
export class Statements {
  readonly #compiled = new Map<unknown, CompiledStatement<never>>();
  readonly #db: Kysely<Tables>;

  constructor(private readonly dialect: SqlDialect) {
    this.#db = new Kysely<Tables>({ dialect: dialect === POSTGRES ? POSTGRES_COMPILER : SQLITE_COMPILER });
  }

  compiled<Args, Row>(statement: Statement<Args, Row>): CompiledStatement<Args> {
    const found = this.#compiled.get(statement);
    if (found !== undefined) return found;
    const fresh = this.#compile(statement);
    this.#compiled.set(statement, fresh);
    return fresh;
  }

  /** For schema statements, which are executed once. */
  build(query: (db: Kysely<Tables>) => CompiledQuery): CompiledQuery {
    return query(this.#db);
  }

  steps(step: SchemaStep): CompiledQuery[] {
    const nowMs = Date.now();
    return step(this.#db, this.dialect).map(query => ({ ...query, parameters: bound(query.parameters, {}, nowMs) }));
  }

  #compile<Args, Row>({ name, build }: Statement<Args, Row>): CompiledStatement<Args> {
    const { sql, parameters, query } = build(this.#db, slots<Args>(), this.dialect);
    const bind = (args: Args, nowMs = Date.now()): SqlValue[] => bound(parameters, args, nowMs);
    return { name, sql, onlyReads: query.kind === 'SelectQueryNode', bind };
  }
}

function bound(parameters: readonly unknown[], args: unknown, nowMs: number): SqlValue[] {
  return parameters.map(value => (value instanceof Slot ? value.of(args, nowMs) : value) as SqlValue);
}

const SQLITE_COMPILER: Dialect = {
  createAdapter: () => new SqliteAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: db => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
};

const POSTGRES_COMPILER: Dialect = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: db => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
};
