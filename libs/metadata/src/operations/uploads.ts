import { GranaryError } from '#contracts';
import { statement } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';
import { compareKeys, prefixEnd, successor } from './key-order.js';
import { bucketId } from './target.js';

export interface UploadRow {
  id: string;
  bucket: string;
  bucket_id: number;
  key: string;
  created_ms: number;
  headers: string | null;
  user_metadata: string | null;
  tags: string | null;
  checksums: string | null;
}

export type CreateUploadValues = Omit<UploadRow, 'bucket_id' | 'created_ms'>;

/** MetadataStore.createUpload. The upload's own id makes a second try harmless. */
export async function createUpload(tx: Transaction, upload: CreateUploadValues): Promise<UploadRow> {
  const bucket_id = await bucketId(tx, upload.bucket);
  await tx.all(INSERT_UPLOAD, { ...upload, bucket_id });
  return presentUpload(await findUpload(tx, upload.id), upload.id);
}

export function findUpload(connection: Connection, id: string): Promise<UploadRow | undefined> {
  return connection.first(FIND_UPLOAD, { id });
}

export interface ListUploadsValues {
  bucket: string;
  prefix: string;
  /** Uploads of greater keys, and greater ids of this very key. */
  afterKey: string;
  afterId: string;
  limit: number;
}

export async function listUploads(connection: Connection, request: ListUploadsValues): Promise<UploadRow[]> {
  const { bucket, prefix, afterKey, afterId, limit } = request;
  const bucket_id = await bucketId(connection, bucket);
  const end = prefixEnd(prefix) ?? '';
  const same = await connection.all(UPLOADS_OF_KEY, { bucket_id, key: afterKey, afterId, limit });
  const from = compareKeys(afterKey, prefix) < 0 || afterKey === '' ? prefix : successor(afterKey);
  const rest = await connection.all(end === '' ? UPLOADS_FROM : UPLOADS_FROM_TO, { bucket_id, from, end, limit });
  return [...same.filter(({ key }) => key.startsWith(prefix)), ...rest].slice(0, limit);
}

/** Changes of one upload wait for each other. */
export async function lockUpload(tx: Transaction, uploadId: string): Promise<UploadRow | undefined> {
  const locked = tx.lockKey(uploadId, '');
  const [upload] = await Promise.all([findUpload(tx, uploadId), locked]);
  return upload;
}

/** Throws `upload-not-found`. */
export function presentUpload(upload: UploadRow | undefined, id: string): UploadRow {
  if (upload === undefined)
    throw new GranaryError('upload-not-found', `There is no multipart upload ${id.slice(0, 40)}.`);
  return upload;
}

const UPLOAD_COLUMNS = [
  'uploads.id',
  'buckets.name as bucket',
  'uploads.bucket_id',
  'uploads.key',
  'uploads.created_ms',
  'uploads.headers',
  'uploads.user_metadata',
  'uploads.tags',
  'uploads.checksums',
] as const;

const INSERT_UPLOAD = statement<CreateUploadValues & { bucket_id: number }>()(
  'insert_upload',
  (db, { id, bucket_id, key, headers, user_metadata, tags, checksums }, { nowMs }) =>
    db
      .insertInto('uploads')
      .values({ id, bucket_id, key, headers, user_metadata, tags, checksums, created_ms: nowMs })
      .onConflict(conflict => conflict.column('id').doNothing())
      .compile(),
);

const FIND_UPLOAD = statement<{ id: string }>()('find_upload', (db, { id }) =>
  db
    .selectFrom('uploads')
    .innerJoin('buckets', 'buckets.id', 'uploads.bucket_id')
    .select(UPLOAD_COLUMNS)
    .where('uploads.id', '=', id)
    .compile(),
);

const UPLOADS_OF_KEY = statement<{ bucket_id: number; key: string; afterId: string; limit: number }>()(
  'uploads_of_key',
  (db, { bucket_id, key, afterId, limit }) =>
    db
      .selectFrom('uploads')
      .innerJoin('buckets', 'buckets.id', 'uploads.bucket_id')
      .select(UPLOAD_COLUMNS)
      .where('uploads.bucket_id', '=', bucket_id)
      .where('uploads.key', '=', key)
      .where('uploads.id', '>', afterId)
      .orderBy('uploads.id')
      .limit(limit)
      .compile(),
);

interface FromArgs {
  bucket_id: number;
  from: string;
  end: string;
  limit: number;
}

const UPLOADS_FROM = statement<FromArgs>()('uploads_from', (db, { bucket_id, from, limit }) =>
  db
    .selectFrom('uploads')
    .innerJoin('buckets', 'buckets.id', 'uploads.bucket_id')
    .select(UPLOAD_COLUMNS)
    .where('uploads.bucket_id', '=', bucket_id)
    .where('uploads.key', '>=', from)
    .orderBy('uploads.key')
    .orderBy('uploads.id')
    .limit(limit)
    .compile(),
);

const UPLOADS_FROM_TO = statement<FromArgs>()('uploads_from_to', (db, { bucket_id, from, end, limit }) =>
  db
    .selectFrom('uploads')
    .innerJoin('buckets', 'buckets.id', 'uploads.bucket_id')
    .select(UPLOAD_COLUMNS)
    .where('uploads.bucket_id', '=', bucket_id)
    .where('uploads.key', '>=', from)
    .where('uploads.key', '<', end)
    .orderBy('uploads.key')
    .orderBy('uploads.id')
    .limit(limit)
    .compile(),
);
