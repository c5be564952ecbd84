import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import type { BucketCounts } from './counts.js';
import { dropReference } from './reference-blob.js';

/** What must be known of a version to remove it. */
export interface RemovableVersion {
  seq: number;
  delete_marker: number;
  blob_number: number | null;
  size: number;
}

/** Removes the row and its references, not the current pointer. Resolves to what that adds to the totals. */
export async function removeVersion(
  tx: Transaction,
  bucket: number,
  version: RemovableVersion,
): Promise<readonly BucketCounts[]> {
  const { seq, delete_marker, blob_number, size } = version;
  await tx.all(DELETE_VERSION_ROW, { seq });
  if (delete_marker === 1) return [[bucket, { delete_markers: -1 }]];
  const dropped = blob_number === null ? await removeParts(tx, seq) : [await dropReference(tx, blob_number)];
  return [[bucket, { versions: -1, logical_bytes: -size }], ...dropped];
}

export async function removeNullVersion(
  tx: Transaction,
  bucket: number,
  key: string,
): Promise<readonly BucketCounts[]> {
  const version = await tx.first(FIND_NULL_VERSION, { bucket, key });
  return version === undefined ? [] : removeVersion(tx, bucket, version);
}

/** One blob may be several parts. */
async function removeParts(tx: Transaction, seq: number): Promise<BucketCounts[]> {
  const dropped: BucketCounts[] = [];
  for (const { blob_number } of await tx.all(REMOVE_PARTS, { seq })) dropped.push(await dropReference(tx, blob_number));
  return dropped;
}

export const FIND_NULL_VERSION = statement<{ bucket: number; key: string }>()(
  'find_null_version',
  (db, { bucket, key }) =>
    db
      .selectFrom('versions')
      .select(['seq', 'delete_marker', 'blob_number', 'size'])
      .where('bucket_id', '=', bucket)
      .where('key', '=', key)
      .where('null_version', '=', 1)
      .compile(),
);

const DELETE_VERSION_ROW = statement<{ seq: number }>()('delete_version_row', (db, { seq }) =>
  db.deleteFrom('versions').where('seq', '=', seq).compile(),
);

const REMOVE_PARTS = statement<{ seq: number }>()('remove_parts', (db, { seq }) =>
  db.deleteFrom('version_parts').where('version_seq', '=', seq).returning('blob_number').compile(),
);
