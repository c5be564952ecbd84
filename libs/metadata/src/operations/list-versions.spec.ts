import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NATIVE_BUCKET } from '../model/ids.js';
import type { Connection } from '../sql/transaction.js';
import type { Statement } from '../sql/statement.js';
import { migrateFile, openReader, openWriter } from '../sqlite/open-connection.js';
import type { SqliteConnection } from '../sqlite/sqlite-driver.js';
import { SqliteTransaction } from '../sqlite/sqlite-transaction.js';
import { listVersions, NEWEST } from './list-versions.js';

const GROUPS = 1000;
const KEYS_OF_GROUP = 20;

/**
 * On PostgreSQL each statement is a round trip, on SQLite they all run before the event loop gets its turn:
 * a page of 1000 common prefixes that takes a statement for each is too slow on both.
 */
describe('a page of common prefixes among versions', () => {
  let directory: string;
  let reader: SqliteConnection;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-listing-'));
    const path = join(directory, 'metadata.db');
    const writer = openWriter(path);
    await migrateFile(writer);
    writer.exec(`
      insert into versions (bucket_id, key, null_version, delete_marker, size, etag, created_ms)
        with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n + 1 < ${GROUPS * KEYS_OF_GROUP})
        select id, printf('group-%04d/%d', n / ${KEYS_OF_GROUP}, n), 0, 0, 1, 'x', 0 from buckets, numbers;
    `);
    writer.close();
    reader = openReader(path);
  });
  afterAll(async () => {
    reader.close();
    await rm(directory, { recursive: true });
  });

  it('takes two statements, however many there are', async () => {
    const connection = new CountingConnection(new SqliteTransaction(reader));
    const all = { bucket: NATIVE_BUCKET, key: undefined, prefix: '', from: '', before: NEWEST };
    const entries = await listVersions(connection, { ...all, delimiter: '/', limit: GROUPS + 1 });
    expect(entries).toHaveLength(GROUPS);
    expect(entries.at(-1)).toEqual({ prefix: 'group-0999/' });
    expect(connection.statements).toBe(2);
  });
});

class CountingConnection implements Connection {
  statements = 0;
  readonly dialect;

  constructor(private readonly connection: Connection) {
    this.dialect = connection.dialect;
  }

  all<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row[]> {
    this.statements += 1;
    return this.connection.all(statement, args);
  }

  first<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row | undefined> {
    this.statements += 1;
    return this.connection.first(statement, args);
  }
}
