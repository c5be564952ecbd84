import { GranaryError } from '#contracts';
import { statement } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';
import type { Precondition } from '../model/version.js';

/** The bucket of a change, and the current object under its key. */
export interface Target {
  id: number;
  versioning: 'enabled' | 'suspended' | 'never';
  key: string;
  current: { seq: number; etag: string } | undefined;
}

/** Locks the key and reads what it holds. Throws `bucket-not-found`. */
export async function lockTarget(tx: Transaction, request: { bucket: string; key: string }): Promise<Target> {
  const locked = tx.lockKey(request.bucket, request.key);
  const [row] = await Promise.all([tx.first(FIND_TARGET, request), locked]);
  if (row === undefined) throw noBucket(request.bucket);
  const { id, versioning, seq, etag } = row;
  return { id, versioning, key: request.key, current: seq === null || etag === null ? undefined : { seq, etag } };
}

/** Throws `bucket-not-found`. */
export async function bucketId(connection: Connection, name: string): Promise<number> {
  const row = await connection.first(FIND_BUCKET_ID, { name });
  if (row === undefined) throw noBucket(name);
  return row.id;
}

/** RFC 9110 §13.1.1 and §13.1.2, by strong comparison. Throws `precondition-failed`. */
export function checkPrecondition(precondition: Precondition | undefined, current: Target['current']): void {
  const { ifMatch, ifNoneMatch } = precondition ?? {};
  if (ifMatch !== undefined && !(current !== undefined && includesTag(ifMatch, current.etag))) {
    throw new GranaryError(
      'precondition-failed',
      current === undefined ? 'If-Match: there is no such object.' : 'If-Match: the object has another entity tag.',
    );
  }
  if (ifNoneMatch !== undefined && current !== undefined && includesTag(ifNoneMatch, current.etag)) {
    throw new GranaryError('precondition-failed', 'If-None-Match: the object exists with such an entity tag.');
  }
}

export function noBucket(name: string): GranaryError {
  return new GranaryError('bucket-not-found', `There is no bucket named "${name}".`);
}

function includesTag(tags: '*' | readonly string[], etag: string): boolean {
  return tags === '*' || tags.includes(etag);
}

const FIND_TARGET = statement<{ bucket: string; key: string }>()('find_target', (db, { bucket, key }) =>
  db
    .selectFrom('buckets')
    .leftJoin('objects', join => join.onRef('objects.bucket_id', '=', 'buckets.id').on('objects.key', '=', key))
    .where('buckets.name', '=', bucket)
    .select(['buckets.id', 'buckets.versioning', 'objects.seq', 'objects.etag'])
    .compile(),
);

const FIND_BUCKET_ID = statement<{ name: string }>()('find_bucket_id', (db, { name }) =>
  db.selectFrom('buckets').select('id').where('name', '=', name).compile(),
);
