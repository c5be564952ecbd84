import { sql, type CompiledQuery, type CreateTableBuilder, type Kysely } from 'kysely';
import { NATIVE_BUCKET } from '../model/ids.js';
import type { SqlDialect } from '../sql/dialect.js';
import type { Tables } from './tables.js';

/** The redundancy of the native bucket until it is changed. */
const NATIVE_REDUNDANCY = 'ec:4+2';

/** What each table is for: docs/metadata.md. */
export function createFirstSchema(db: Kysely<Tables>, dialect: SqlDialect): CompiledQuery[] {
  const types = COLUMN_TYPES[dialect.name];
  const clustered = <Name extends string, Columns extends string>(table: CreateTableBuilder<Name, Columns>) =>
    dialect.name === 'sqlite' ? table.modifyEnd(sql`without rowid`) : table;
  const { schema } = db;
  const tables = [
    schema
      .createTable('buckets')
      .addColumn('id', types.number)
      .addColumn('name', types.text, column => column.notNull().unique())
      .addColumn('versioning', 'text', column => column.notNull())
      .addColumn('redundancy', 'text', column => column.notNull())
      .addColumn('settings', 'text')
      .addColumn('created_ms', 'bigint', column => column.notNull()),
    schema
      .createTable('servers')
      .addColumn('number', types.number)
      .addColumn('id', types.text, column => column.notNull().unique()),
    schema
      .createTable('blobs')
      .addColumn('number', types.number)
      .addColumn('id', types.text, column => column.notNull().unique())
      .addColumn('size', 'bigint', column => column.notNull())
      .addColumn('blake3', types.bytes, column => column.notNull())
      .addColumn('sha256', types.bytes)
      .addColumn('redundancy', 'text', column => column.notNull())
      .addColumn('segment_bytes', 'bigint', column => column.notNull())
      .addColumn('stored_bytes', 'bigint', column => column.notNull())
      .addColumn('layout', types.bytes, column => column.notNull())
      .addColumn('refs', 'bigint', column => column.notNull().check(sql`refs >= 0`))
      .addColumn('bucket_id', 'bigint', column => column.notNull())
      .addColumn('created_ms', 'bigint', column => column.notNull())
      .addColumn('unreferenced_ms', 'bigint')
      .addColumn('freed_ms', 'bigint')
      .addColumn('lost_ms', 'bigint'),
    clustered(
      schema
        .createTable('blob_servers')
        .addColumn('server_number', 'bigint', column => column.notNull())
        .addColumn('blob_number', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('blob_servers_key', ['server_number', 'blob_number']),
    ),
    schema
      .createTable('versions')
      .addColumn('seq', types.number)
      .addColumn('bucket_id', 'bigint', column => column.notNull().references('buckets.id'))
      .addColumn('key', types.text, column => column.notNull())
      .addColumn('null_version', 'smallint', column => column.notNull())
      .addColumn('delete_marker', 'smallint', column => column.notNull())
      .addColumn('blob_number', 'bigint')
      .addColumn('size', 'bigint', column => column.notNull())
      .addColumn('etag', 'text', column => column.notNull())
      .addColumn('created_ms', 'bigint', column => column.notNull())
      .addColumn('headers', 'text')
      .addColumn('user_metadata', 'text')
      .addColumn('tags', 'text')
      .addColumn('checksums', 'text'),
    clustered(
      schema
        .createTable('version_parts')
        .addColumn('version_seq', 'bigint', column => column.notNull())
        .addColumn('part', 'integer', column => column.notNull())
        .addColumn('blob_number', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('version_parts_key', ['version_seq', 'part']),
    ),
    clustered(
      schema
        .createTable('objects')
        .addColumn('bucket_id', 'bigint', column => column.notNull())
        .addColumn('key', types.text, column => column.notNull())
        .addColumn('seq', 'bigint', column => column.notNull())
        .addColumn('null_version', 'smallint', column => column.notNull())
        .addColumn('size', 'bigint', column => column.notNull())
        .addColumn('etag', 'text', column => column.notNull())
        .addColumn('created_ms', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('objects_key', ['bucket_id', 'key']),
    ),
    clustered(
      schema
        .createTable('totals')
        .addColumn('bucket_id', 'bigint', column => column.notNull())
        .addColumn('slot', 'integer', column => column.notNull())
        .addColumn('objects', 'bigint', column => column.notNull())
        .addColumn('versions', 'bigint', column => column.notNull())
        .addColumn('delete_markers', 'bigint', column => column.notNull())
        .addColumn('logical_bytes', 'bigint', column => column.notNull())
        .addColumn('blobs', 'bigint', column => column.notNull())
        .addColumn('blob_bytes', 'bigint', column => column.notNull())
        .addColumn('stored_bytes', 'bigint', column => column.notNull())
        .addColumn('deduplicated_bytes', 'bigint', column => column.notNull())
        .addColumn('unreferenced_bytes', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('totals_key', ['bucket_id', 'slot']),
    ),
    clustered(
      schema
        .createTable('repairs')
        .addColumn('blob_number', 'bigint', column => column.notNull())
        .addColumn('position', 'bigint', column => column.notNull())
        .addColumn('attempts', 'bigint', column => column.notNull())
        .addColumn('queued_ms', 'bigint', column => column.notNull())
        .addColumn('due_ms', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('repairs_key', ['blob_number', 'position']),
    ),
    clustered(
      schema
        .createTable('commits')
        .addColumn('id', types.text, column => column.notNull().primaryKey())
        .addColumn('result', 'text', column => column.notNull())
        .addColumn('created_ms', 'bigint', column => column.notNull()),
    ),
    schema
      .createTable('uploads')
      .addColumn('id', types.text, column => column.notNull().primaryKey())
      .addColumn('bucket_id', 'bigint', column => column.notNull().references('buckets.id'))
      .addColumn('key', types.text, column => column.notNull())
      .addColumn('created_ms', 'bigint', column => column.notNull())
      .addColumn('headers', 'text')
      .addColumn('user_metadata', 'text')
      .addColumn('tags', 'text')
      .addColumn('checksums', 'text'),
    clustered(
      schema
        .createTable('upload_parts')
        .addColumn('upload_id', types.text, column => column.notNull())
        .addColumn('part', 'integer', column => column.notNull())
        .addColumn('blob_number', 'bigint', column => column.notNull())
        .addColumn('size', 'bigint', column => column.notNull())
        .addColumn('etag', 'text', column => column.notNull())
        .addColumn('checksums', 'text')
        .addColumn('created_ms', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('upload_parts_key', ['upload_id', 'part']),
    ),
  ];
  const indexes = [
    // Of live blobs no two have the same content; a lost or freed one does not stand in the way.
    schema
      .createIndex('blobs_content')
      .on('blobs')
      .columns(['blake3', 'size', 'redundancy'])
      .unique()
      .where(sql.ref('freed_ms'), 'is', null)
      .where(sql.ref('lost_ms'), 'is', null),
    schema
      .createIndex('blobs_unreferenced')
      .on('blobs')
      .column('unreferenced_ms')
      .where(sql.ref('unreferenced_ms'), 'is not', null)
      .where(sql.ref('freed_ms'), 'is', null),
    schema.createIndex('blobs_freed').on('blobs').column('freed_ms').where(sql.ref('freed_ms'), 'is not', null),
    schema.createIndex('versions_of_key').on('versions').columns(['bucket_id', 'key', 'seq desc']).unique(),
    schema
      .createIndex('versions_null')
      .on('versions')
      .columns(['bucket_id', 'key'])
      .unique()
      .where(sql.ref('null_version'), '=', sql.lit(1)),
    schema.createIndex('repairs_due').on('repairs').column('due_ms'),
    schema.createIndex('commits_created').on('commits').column('created_ms'),
    schema.createIndex('uploads_of_key').on('uploads').columns(['bucket_id', 'key', 'id']),
  ];
  const nativeBucket = db.insertInto('buckets').values({
    name: NATIVE_BUCKET,
    versioning: 'enabled',
    redundancy: NATIVE_REDUNDANCY,
    created_ms: dialect.nowMs,
  });
  return [...tables, ...indexes, nativeBucket].map(step => step.compile());
}

/** Text is ordered by its UTF-8 bytes in both. Numbers are never given twice. */
const COLUMN_TYPES = {
  sqlite: { number: sql`integer primary key autoincrement`, bytes: sql`blob`, text: sql`text` },
  postgres: {
    number: sql`bigint generated always as identity primary key`,
    bytes: sql`bytea`,
    text: sql`text collate "C"`,
  },
};
