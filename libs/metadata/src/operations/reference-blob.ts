import { sql, type Kysely } from 'kysely';
import { GranaryError } from '#contracts';
import { serverNumbers } from '../schema/blob-layout.js';
import type { Tables } from '../schema/tables.js';
import type { SqlDialect } from '../sql/dialect.js';
import { insertion } from '../sql/insertion.js';
import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import type { BucketCounts } from './counts.js';

/** A blob as it is brought to the database. */
export interface BlobValues {
  id: string;
  size: number;
  blake3: Uint8Array;
  sha256: Uint8Array | null;
  redundancy: string;
  segment_bytes: number;
  stored_bytes: number;
  layout: Uint8Array;
  /** Positions of the shards that lie nowhere. */
  missing: readonly number[];
}

export type ContentValues = { kind: 'stored'; blob: BlobValues } | { kind: 'existing'; blobId: string };

/** A blob that has one reference more than before. */
export interface ReferencedBlob {
  number: number;
  id: string;
  size: number;
  deduplicated: boolean;
  /** What that adds to the bucket in which the blob counts. */
  counts: BucketCounts;
}

/** Stores the blob, or refers to the live one of the same content. Throws `content-gone`. */
export async function referenceBlob(tx: Transaction, bucket: number, content: ContentValues): Promise<ReferencedBlob> {
  return content.kind === 'stored' ? storeBlob(tx, bucket, content.blob) : referToExisting(tx, content.blobId);
}

async function storeBlob(tx: Transaction, bucket: number, blob: BlobValues): Promise<ReferencedBlob> {
  const { id, size, layout, stored_bytes, missing } = blob;
  const counts: BucketCounts = [bucket, { blobs: 1, blob_bytes: size, stored_bytes }];
  const inserted = await insertFresh(tx, bucket, blob);
  const row =
    inserted === undefined
      ? await tx.first(STORE_BLOB, newBlob(bucket, blob))
      : freshRow(inserted.number, bucket, blob);
  if (row === undefined) throw new Error('storing a blob returned no row');
  const { number } = row;
  if (row.id !== id) return { number, id: row.id, size, deduplicated: true, counts: anotherReference(row) };
  tx.books.indexServers(number, serverNumbers(layout));
  await queueRepairs(tx, number, missing);
  return { number, id, size, deduplicated: false, counts };
}

function freshRow(number: number, bucket_id: number, { id, size }: BlobValues): StoredRow {
  return { number, id, size, refs: 1, bucket_id };
}

/** Only in SQLite, where RETURNING costs as much as the row itself, and most content is new. */
async function insertFresh(tx: Transaction, bucket: number, blob: BlobValues): Promise<{ number: number } | undefined> {
  return tx.dialect.name === 'sqlite' ? tx.insert(INSERT_FRESH_BLOB, newBlob(bucket, blob)) : undefined;
}

/** Field by field: in the hottest change of all, copying an object takes V8 longer than SQLite a column. */
function newBlob(bucket: number, blob: BlobValues): NewBlobValues {
  const { id, size, blake3, sha256, redundancy, segment_bytes, stored_bytes, layout } = blob;
  return { bucket, id, size, blake3, sha256, redundancy, segment_bytes, stored_bytes, layout };
}

async function referToExisting(tx: Transaction, id: string): Promise<ReferencedBlob> {
  const row = await tx.first(REFER_TO_BLOB, { id });
  if (row === undefined) throw new GranaryError('content-gone', `The blob ${id} is not stored any more.`);
  const { number, size } = row;
  return { number, id, size, deduplicated: false, counts: anotherReference(row) };
}

/** A blob of which `refs` was changed. */
interface CountedBlob {
  size: number;
  refs: number;
  bucket_id: number;
}

interface StoredRow extends CountedBlob {
  number: number;
  id: string;
}

function anotherReference({ size, refs, bucket_id }: CountedBlob): BucketCounts {
  return [bucket_id, refs === 1 ? { unreferenced_bytes: -size } : { deduplicated_bytes: size }];
}

function oneReferenceLess({ size, refs, bucket_id }: CountedBlob): BucketCounts {
  return [bucket_id, refs === 0 ? { unreferenced_bytes: size } : { deduplicated_bytes: -size }];
}

/** Shards that are queued already stay so. */
export async function queueRepairs(tx: Transaction, blob: number, positions: readonly number[]): Promise<void> {
  if (positions.length === 0) return;
  await tx.all(QUEUE_REPAIRS, { blob, positions: JSON.stringify(positions) });
}

/** Takes one reference away. Resolves to what that adds to the bucket in which the blob counts. */
export async function dropReference(tx: Transaction, blob: number): Promise<BucketCounts> {
  const row = await tx.first(DROP_REFERENCE, { blob });
  if (row === undefined) throw new Error(`the blob number ${blob} is referred to and does not exist`);
  return oneReferenceLess(row);
}

/** A new row, or one reference more for the row of the same content: one atomic statement, whoever races. */
const STORE_BLOB = statement<NewBlobValues>()('store_blob', (db, blob, dialect) =>
  insertBlob(db, blob, dialect)
    .onConflict(conflict =>
      conflict
        .columns(['blake3', 'size', 'redundancy'])
        .where('freed_ms', 'is', null)
        .where('lost_ms', 'is', null)
        .doUpdateSet({
          refs: sql<number>`blobs.refs + 1`,
          unreferenced_ms: null,
          sha256: sql<Uint8Array | null>`coalesce(blobs.sha256, excluded.sha256)`,
        }),
    )
    .returning(['number', 'id', 'size', 'refs', 'bucket_id'])
    .compile(),
);

/** Nothing where a live blob has the content. */
const INSERT_FRESH_BLOB = statement<NewBlobValues>()('insert_fresh_blob', (db, blob, dialect) => {
  const query = insertBlob(db, blob, dialect).onConflict(conflict =>
    conflict
      .columns(['blake3', 'size', 'redundancy'])
      .where('freed_ms', 'is', null)
      .where('lost_ms', 'is', null)
      .doNothing(),
  );
  return insertion(query, 'number', dialect);
});

type NewBlobValues = Omit<BlobValues, 'missing'> & { bucket: number };

function insertBlob(db: Kysely<Tables>, blob: NewBlobValues, { nowMs }: SqlDialect) {
  return db.insertInto('blobs').values({
    id: blob.id,
    size: blob.size,
    blake3: blob.blake3,
    sha256: blob.sha256,
    redundancy: blob.redundancy,
    segment_bytes: blob.segment_bytes,
    stored_bytes: blob.stored_bytes,
    layout: blob.layout,
    refs: 1,
    bucket_id: blob.bucket,
    created_ms: nowMs,
  });
}

const REFER_TO_BLOB = statement<{ id: string }>()('refer_to_blob', (db, { id }) =>
  db
    .updateTable('blobs')
    .set({ refs: sql<number>`refs + 1`, unreferenced_ms: null })
    .where('id', '=', id)
    .where('freed_ms', 'is', null)
    .where('lost_ms', 'is', null)
    .returning(['number', 'id', 'size', 'refs', 'bucket_id'])
    .compile(),
);

const DROP_REFERENCE = statement<{ blob: number }>()('drop_reference', (db, { blob }, { nowMs }) =>
  db
    .updateTable('blobs')
    .set({
      refs: sql<number>`refs - 1`,
      unreferenced_ms: sql<number>`case when refs = 1 then ${nowMs} end`,
    })
    .where('number', '=', blob)
    .returning(['size', 'refs', 'bucket_id'])
    .compile(),
);

const QUEUE_REPAIRS = statement<{ blob: number; positions: string }>()(
  'queue_repairs',
  (db, { blob, positions }, dialect) =>
    db
      .insertInto('repairs')
      .columns(['blob_number', 'position', 'attempts', 'queued_ms', 'due_ms'])
      .expression(
        db
          .selectFrom(dialect.eachInteger(positions).as('missing'))
          .where(sql<boolean>`true`)
          .select([
            sql<number>`cast(${blob} as bigint)`.as('blob_number'),
            'missing.value',
            sql<number>`0`.as('attempts'),
            dialect.nowMs.as('queued_ms'),
            dialect.nowMs.as('due_ms'),
          ]),
      )
      .onConflict(conflict => conflict.columns(['blob_number', 'position']).doNothing())
      .compile(),
);
