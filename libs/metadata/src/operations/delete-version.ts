import { GranaryError } from '#contracts';
import { sequenceOf } from '../model/ids.js';
import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import { commitOnce } from './commit-once.js';
import { POINT_NOWHERE, POINT_TO_VERSION } from './make-version.js';
import { FIND_NULL_VERSION, removeVersion, type RemovableVersion } from './remove-version.js';
import { lockTarget, type Target } from './target.js';

export interface DeleteVersionValues {
  commitId: string;
  bucket: string;
  key: string;
  versionId: string;
}

export interface DeleteVersionOutcome {
  kind: 'object' | 'delete-marker';
}

/** MetadataStore.deleteVersion. */
export function deleteVersion(tx: Transaction, request: DeleteVersionValues): Promise<DeleteVersionOutcome> {
  return commitOnce(
    tx,
    request.commitId,
    () => lockTarget(tx, request),
    async target => {
      const version = await findRemovable(tx, target, request.versionId);
      const removed = await removeVersion(tx, target.id, version);
      const objects = await pointToNewest(tx, target, version.seq);
      tx.books.count([...removed, [target.id, { objects }]]);
      return { kind: version.delete_marker === 1 ? 'delete-marker' : 'object' };
    },
  );
}

/** Throws `version-not-found`. */
export async function findRemovable(tx: Transaction, target: Target, versionId: string): Promise<RemovableVersion> {
  const seq = sequenceOf(versionId);
  const place = { bucket: target.id, key: target.key };
  const version =
    seq === undefined
      ? undefined
      : await (seq === 0 ? tx.first(FIND_NULL_VERSION, place) : tx.first(FIND_VERSION_ROW, { ...place, seq }));
  if (version === undefined) throw noVersion(target.key, versionId);
  return version;
}

export function noVersion(key: string, versionId: string): GranaryError {
  return new GranaryError('version-not-found', `"${key}" has no version ${versionId.slice(0, 40)}.`);
}

/** Resolves to how many current objects the name has more than before: -1, 0 or 1. */
async function pointToNewest(tx: Transaction, target: Target, removedSeq: number): Promise<number> {
  const had = target.current === undefined ? 0 : 1;
  if (target.current !== undefined && target.current.seq !== removedSeq) return 0;
  const place = { bucket: target.id, key: target.key };
  const newest = await tx.first(FIND_NEWEST_ROW, place);
  if (newest === undefined || newest.delete_marker === 1) {
    if (had === 1) await tx.all(POINT_NOWHERE, place);
    return -had;
  }
  const { seq, null_version, size, etag, created_ms } = newest;
  await tx.all(POINT_TO_VERSION, { bucket_id: target.id, key: target.key, seq, null_version, size, etag, created_ms });
  return 1 - had;
}

const FIND_VERSION_ROW = statement<{ bucket: number; key: string; seq: number }>()(
  'find_version_row',
  (db, { bucket, key, seq }) =>
    db
      .selectFrom('versions')
      .select(['seq', 'delete_marker', 'blob_number', 'size'])
      .where('bucket_id', '=', bucket)
      .where('key', '=', key)
      .where('seq', '=', seq)
      .where('null_version', '=', 0)
      .compile(),
);

const FIND_NEWEST_ROW = statement<{ bucket: number; key: string }>()('find_newest_row', (db, { bucket, key }) =>
  db
    .selectFrom('versions')
    .select(['seq', 'null_version', 'delete_marker', 'size', 'etag', 'created_ms'])
    .where('bucket_id', '=', bucket)
    .where('key', '=', key)
    .orderBy('seq', 'desc')
    .limit(1)
    .compile(),
);
