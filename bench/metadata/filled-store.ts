import { createRequire } from 'node:module';
import { join } from 'node:path';
import pg from 'pg';
import type { MetadataStore } from '#metadata';
import { openPostgresMetadata } from '#metadata/postgres';
import { openSqliteMetadata } from '#metadata/sqlite';
import { freshDatabase } from '../../test/harness/fresh-database.js';

export interface FilledStore {
  store: MetadataStore;
  objects: number;
}

/** So many common prefixes, whatever the number of objects. */
export const PREFIXES = 1000;

/** The name of object `index`. */
export function nameOf(index: number): string {
  return `d${String(index % PREFIXES).padStart(4, '0')}/${String(Math.floor(index / PREFIXES)).padStart(6, '0')}`;
}

/** 1 KiB objects in three copies, written past the port: a million commits would take longer than all that is measured. */
export async function sqliteDatabase(directory: string, objects: number): Promise<FilledStore> {
  const path = join(directory, `${objects}.db`);
  const store = await openSqliteMetadata({ path });
  const Database = createRequire(import.meta.url)('libsql') as new (path: string) => {
    exec(sql: string): void;
    close(): void;
  };
  const database = new Database(path);
  const numbers = `with recursive n(i) as (select 0 union all select i + 1 from n where i < ${objects - 1})`;
  database.exec('begin immediate');
  for (const statement of fill({
    from: `${numbers} select`,
    rows: 'n',
    name: `printf('d%04d/%06d', i % ${PREFIXES}, i / ${PREFIXES})`,
    id: `printf('%032x', i)`,
    digest: 'randomblob(32)',
    layout: `x'0103010002000300'`,
    etag: 'lower(hex(randomblob(32)))',
  })) {
    database.exec(statement);
  }
  database.exec('commit; analyze');
  database.close();
  return { store, objects };
}

export async function postgresDatabase(serverUrl: string, objects: number): Promise<FilledStore> {
  const { url } = await freshDatabase(serverUrl);
  const store = await openPostgresMetadata({ url });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  // Foreign keys need no checking here.
  await client.query('set session_replication_role = replica; set synchronous_commit = off');
  for (const statement of fill({
    from: 'select',
    rows: `generate_series(0, ${objects - 1}) as n(i)`,
    name: `'d' || lpad((i % ${PREFIXES})::text, 4, '0') || '/' || lpad((i / ${PREFIXES})::text, 6, '0')`,
    id: `lpad(to_hex(i), 32, '0')`,
    digest: `sha256(i::text::bytea)`,
    layout: `'\\x0103010002000300'::bytea`,
    etag: `encode(sha256(i::text::bytea), 'hex')`,
  })) {
    await client.query(statement);
  }
  await client.query('vacuum analyze');
  // Else what was filled goes to the disk while commits are measured.
  await client.query('checkpoint');
  await client.end();
  return { store, objects };
}

interface FillWords {
  from: string;
  rows: string;
  name: string;
  id: string;
  digest: string;
  layout: string;
  etag: string;
}

function fill({ from, rows, name, id, digest, layout, etag }: FillWords): string[] {
  return [
    `insert into servers (id) values ('a'), ('b'), ('c')`,
    `insert into blobs (id, size, blake3, redundancy, segment_bytes, stored_bytes, layout, refs, bucket_id, created_ms)
     ${from} ${id}, 1024, ${digest}, 'copies:3', 4194304, 3072, ${layout}, 1, 1, 0 from ${rows}`,
    `insert into blob_servers (server_number, blob_number) select servers.number, blobs.number from servers, blobs`,
    `insert into versions (bucket_id, key, null_version, delete_marker, blob_number, size, etag, created_ms, headers)
     ${from} 1, ${name}, 0, 0, i + 1, 1024, ${etag}, 0, '{"content-type":"image/jpeg"}' from ${rows}`,
    `insert into objects (bucket_id, key, seq, null_version, size, etag, created_ms)
     select bucket_id, key, seq, 0, size, etag, created_ms from versions order by key`,
  ];
}
