import { sql } from 'kysely';
import { GranaryError } from '#contracts';
import { statement } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';
import { commitOnce } from './commit-once.js';
import { noBucket } from './target.js';

export interface BucketRow {
  name: string;
  versioning: 'enabled' | 'suspended' | 'never';
  redundancy: string;
  settings: string | null;
  created_ms: number;
}

/** Changes of a bucket wait for each other as those of a key do; no object has the empty key. */
const NO_KEY = '';

export type CreateBucketValues = Omit<BucketRow, 'created_ms'> & { commitId: string };

export function createBucket(tx: Transaction, bucket: CreateBucketValues): Promise<BucketRow> {
  return commitOnce(
    tx,
    bucket.commitId,
    () => lockBucket(tx, bucket.name),
    async present => {
      if (present !== undefined)
        throw new GranaryError('bucket-exists', `There is a bucket named "${bucket.name}" already.`);
      const [row] = await tx.all(INSERT_BUCKET, bucket);
      if (row === undefined) throw new Error('inserting a bucket returned no row');
      return row;
    },
  );
}

export interface UpdateBucketValues {
  commitId: string;
  name: string;
  versioning: 'enabled' | 'suspended' | undefined;
  redundancy: string | undefined;
  /** Undefined: as it is. */
  settings: string | null | undefined;
}

export function updateBucket(tx: Transaction, update: UpdateBucketValues): Promise<BucketRow> {
  return commitOnce(
    tx,
    update.commitId,
    () => lockBucket(tx, update.name),
    async present => {
      if (present === undefined) throw noBucket(update.name);
      const next = {
        ...present,
        versioning: update.versioning ?? present.versioning,
        redundancy: update.redundancy ?? present.redundancy,
        settings: update.settings === undefined ? present.settings : update.settings,
      };
      await tx.all(UPDATE_BUCKET, next);
      return next;
    },
  );
}

export function deleteBucket(tx: Transaction, request: { commitId: string; name: string }): Promise<void> {
  return commitOnce(
    tx,
    request.commitId,
    () => lockBucket(tx, request.name),
    async present => {
      if (present === undefined) throw noBucket(request.name);
      const [removed] = await tx.all(DELETE_EMPTY_BUCKET, { name: request.name });
      if (removed === undefined) {
        throw new GranaryError('bucket-not-empty', `The bucket "${request.name}" still holds versions or uploads.`);
      }
    },
  );
}

export function findBucket(connection: Connection, name: string): Promise<BucketRow | undefined> {
  return connection.first(FIND_BUCKET, { name });
}

export function listBuckets(connection: Connection): Promise<BucketRow[]> {
  return connection.all(LIST_BUCKETS, {});
}

async function lockBucket(tx: Transaction, name: string): Promise<BucketRow | undefined> {
  const locked = tx.lockKey(name, NO_KEY);
  const [row] = await Promise.all([findBucket(tx, name), locked]);
  return row;
}

const BUCKET_COLUMNS = ['name', 'versioning', 'redundancy', 'settings', 'created_ms'] as const;

const FIND_BUCKET = statement<{ name: string }>()('find_bucket', (db, { name }) =>
  db.selectFrom('buckets').select(BUCKET_COLUMNS).where('name', '=', name).compile(),
);

const LIST_BUCKETS = statement<object>()('list_buckets', db =>
  db.selectFrom('buckets').select(BUCKET_COLUMNS).orderBy('name').compile(),
);

const INSERT_BUCKET = statement<Omit<BucketRow, 'created_ms'>>()(
  'insert_bucket',
  (db, { name, versioning, redundancy, settings }, { nowMs }) =>
    db
      .insertInto('buckets')
      .values({ name, versioning, redundancy, settings, created_ms: nowMs })
      .returning(BUCKET_COLUMNS)
      .compile(),
);

const UPDATE_BUCKET = statement<BucketRow>()('update_bucket', (db, { name, versioning, redundancy, settings }) =>
  db.updateTable('buckets').set({ versioning, redundancy, settings }).where('name', '=', name).compile(),
);

/** A version that is being committed meanwhile holds a reference to the bucket, which fails this statement or waits for it. */
const DELETE_EMPTY_BUCKET = statement<{ name: string }>()('delete_empty_bucket', (db, { name }) =>
  db
    .deleteFrom('buckets')
    .where('name', '=', name)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('versions')
            .select(sql`1`.as('one'))
            .whereRef('versions.bucket_id', '=', 'buckets.id'),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('uploads')
            .select(sql`1`.as('one'))
            .whereRef('uploads.bucket_id', '=', 'buckets.id'),
        ),
      ),
    )
    .returning('id')
    .compile(),
);
