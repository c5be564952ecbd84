import { createRequire } from 'node:module';
import type { SqlValue } from '../sql/statement.js';

/** One connection to an SQLite file, synchronous: SQLite is in this process. */
export interface SqliteConnection {
  prepare(sql: string): SqliteStatement;
  /** Statements without parameters and results. */
  exec(sql: string): void;
  close(): void;
}

export interface SqliteStatement {
  all(values: readonly SqlValue[]): Row[];
  first(values: readonly SqlValue[]): Row | undefined;
  /** Without its rows. */
  run(values: readonly SqlValue[]): RunResult;
}

export interface RunResult {
  /** How many rows it inserted, changed or removed. */
  changes: number;
  /** Of the last row that this connection inserted into a table that has row ids. */
  lastInsertRowid: number;
}

export type Row = Record<string, unknown>;

const require = createRequire(import.meta.url);

/** Node's own SQLite where it has one that is stable; else libsql, a fork of SQLite that reads and writes the same files. */
export function openSqliteFile(path: string): SqliteConnection {
  return nodeHasSqlite() ? openWithNode(path) : openWithLibsql(path);
}

function nodeHasSqlite(): boolean {
  return Number(process.versions.node.split('.')[0]) >= 24;
}

interface LibsqlDatabase {
  prepare(sql: string): LibsqlStatement;
  exec(sql: string): void;
  close(): void;
}

/** A single argument that is an array binds it; `raw` rows are arrays, and cheaper than objects. */
interface LibsqlStatement {
  raw(): LibsqlStatement;
  columns(): { name: string }[];
  run(values: readonly SqlValue[]): RunResult;
  get(values: readonly SqlValue[]): unknown[] | undefined;
  all(values: readonly SqlValue[]): unknown[][];
}

function openWithLibsql(path: string): SqliteConnection {
  const Database = require('libsql') as new (path: string) => LibsqlDatabase;
  const database = new Database(path);
  return {
    prepare: sql => libsqlStatement(database.prepare(sql)),
    exec: sql => database.exec(sql),
    close: () => database.close(),
  };
}

function libsqlStatement(statement: LibsqlStatement): SqliteStatement {
  const columns = statement.columns().map(({ name }) => name);
  const run = (values: readonly SqlValue[]): RunResult => statement.run(bindable(values));
  if (columns.length === 0) {
    // `run` would make an object that says what has changed.
    const none = (values: readonly SqlValue[]): undefined => void statement.get(bindable(values));
    return {
      run,
      all: values => {
        none(values);
        return [];
      },
      first: none,
    };
  }
  statement.raw();
  const rowOf = (fields: readonly unknown[]): Row => {
    const row: Row = {};
    for (let index = 0; index < columns.length; index += 1) row[columns[index] as string] = fields[index];
    return row;
  };
  return {
    run,
    all: values => statement.all(bindable(values)).map(rowOf),
    first: values => {
      const fields = statement.get(bindable(values));
      return fields === undefined ? undefined : rowOf(fields);
    },
  };
}

/** libsql takes Buffers only, and they lose their class on the way between threads. */
function bindable(values: readonly SqlValue[]): readonly SqlValue[] {
  return values.some(isPlainBytes) ? values.map(value => (isPlainBytes(value) ? bufferOf(value) : value)) : values;
}

function isPlainBytes(value: SqlValue): value is Uint8Array {
  return value !== null && typeof value === 'object' && !Buffer.isBuffer(value);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

interface NodeDatabase {
  prepare(sql: string): NodeStatement;
  exec(sql: string): void;
  close(): void;
}

interface NodeStatement {
  all(...values: SqlValue[]): Row[];
  get(...values: SqlValue[]): Row | undefined;
  run(...values: SqlValue[]): RunResult;
}

function openWithNode(path: string): SqliteConnection {
  const { DatabaseSync } = require('node:sqlite') as { DatabaseSync: new (path: string) => NodeDatabase };
  const database = new DatabaseSync(path);
  return {
    prepare: sql => {
      const statement = database.prepare(sql);
      return {
        run: values => statement.run(...values),
        all: values => statement.all(...values),
        first: values => statement.get(...values),
      };
    },
    exec: sql => database.exec(sql),
    close: () => database.close(),
  };
}
