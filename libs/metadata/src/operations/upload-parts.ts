import { statement } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';
import { commitOnce } from './commit-once.js';
import { dropReference, referenceBlob, type ContentValues } from './reference-blob.js';
import { findUpload, lockUpload, presentUpload } from './uploads.js';

export interface PutPartValues {
  commitId: string;
  uploadId: string;
  part: number;
  etag: string;
  checksums: string | null;
  content: ContentValues;
}

/** MetadataStore.putPart. */
export function putPart(tx: Transaction, put: PutPartValues): Promise<{ createdMs: number; deduplicated: boolean }> {
  const { commitId, uploadId, part, etag, checksums } = put;
  return commitOnce(
    tx,
    commitId,
    () => lockUpload(tx, uploadId),
    async upload => {
      const { bucket_id } = presentUpload(upload, uploadId);
      const blob = await referenceBlob(tx, bucket_id, put.content);
      const [before] = await tx.all(REMOVE_PART, { uploadId, part });
      const values = { upload_id: uploadId, part, blob_number: blob.number, size: blob.size, etag, checksums };
      const row = await tx.first(INSERT_PART, values);
      const replaced = before === undefined ? [] : [await dropReference(tx, before.blob_number)];
      tx.books.count([blob.counts, ...replaced]);
      return { createdMs: row?.created_ms ?? 0, deduplicated: blob.deduplicated };
    },
  );
}

export interface PartRow {
  part: number;
  size: number;
  etag: string;
  checksums: string | null;
  created_ms: number;
  blob_number: number;
}

export async function listParts(
  connection: Connection,
  { uploadId, afterPart, limit }: { uploadId: string; afterPart: number; limit: number },
): Promise<PartRow[]> {
  const parts = await connection.all(LIST_PARTS, { uploadId, afterPart, limit });
  if (parts.length === 0) presentUpload(await findUpload(connection, uploadId), uploadId);
  return parts;
}

/** MetadataStore.abortUpload. */
export function abortUpload(tx: Transaction, request: { commitId: string; uploadId: string }): Promise<void> {
  return commitOnce(
    tx,
    request.commitId,
    () => lockUpload(tx, request.uploadId),
    async upload => {
      presentUpload(upload, request.uploadId);
      const parts = await takeParts(tx, request.uploadId);
      tx.books.count(await Promise.all(parts.map(({ blob_number }) => dropReference(tx, blob_number))));
    },
  );
}

/** Removes the upload. Resolves to its parts in order, whose references are the caller's now. */
export async function takeParts(tx: Transaction, uploadId: string): Promise<PartRow[]> {
  const parts = await tx.all(REMOVE_PARTS, { uploadId });
  await tx.all(REMOVE_UPLOAD, { uploadId });
  return parts.sort((first, second) => first.part - second.part);
}

const PART_COLUMNS = ['part', 'size', 'etag', 'checksums', 'created_ms', 'blob_number'] as const;

const LIST_PARTS = statement<{ uploadId: string; afterPart: number; limit: number }>()(
  'list_parts',
  (db, { uploadId, afterPart, limit }) =>
    db
      .selectFrom('upload_parts')
      .select(PART_COLUMNS)
      .where('upload_id', '=', uploadId)
      .where('part', '>', afterPart)
      .orderBy('part')
      .limit(limit)
      .compile(),
);

const INSERT_PART = statement<Omit<PartRow, 'created_ms'> & { upload_id: string }>()(
  'insert_part',
  (db, { upload_id, part, blob_number, size, etag, checksums }, { nowMs }) =>
    db
      .insertInto('upload_parts')
      .values({ upload_id, part, blob_number, size, etag, checksums, created_ms: nowMs })
      .returning('created_ms')
      .compile(),
);

const REMOVE_PART = statement<{ uploadId: string; part: number }>()('remove_part', (db, { uploadId, part }) =>
  db
    .deleteFrom('upload_parts')
    .where('upload_id', '=', uploadId)
    .where('part', '=', part)
    .returning('blob_number')
    .compile(),
);

const REMOVE_PARTS = statement<{ uploadId: string }>()('remove_upload_parts', (db, { uploadId }) =>
  db.deleteFrom('upload_parts').where('upload_id', '=', uploadId).returning(PART_COLUMNS).compile(),
);

const REMOVE_UPLOAD = statement<{ uploadId: string }>()('remove_upload', (db, { uploadId }) =>
  db.deleteFrom('uploads').where('id', '=', uploadId).compile(),
);
