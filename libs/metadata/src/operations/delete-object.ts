import { GranaryError } from '#contracts';
import type { Precondition } from '../model/version.js';
import type { Transaction } from '../sql/transaction.js';
import { commitOnce } from './commit-once.js';
import { makeVersion, POINT_NOWHERE } from './make-version.js';
import { removeNullVersion } from './remove-version.js';
import { checkPrecondition, lockTarget, type Target } from './target.js';

export interface DeleteObjectValues {
  commitId: string;
  bucket: string;
  key: string;
  precondition: Precondition | undefined;
  mustExist: boolean;
}

export interface DeleteObjectOutcome {
  existed: boolean;
  deleteMarker?: string;
}

const DELETE_MARKER = {
  delete_marker: 1,
  blob_number: null,
  size: 0,
  etag: '',
  headers: null,
  user_metadata: null,
  tags: null,
  checksums: null,
};

/** MetadataStore.deleteObject. */
export function deleteObject(tx: Transaction, request: DeleteObjectValues): Promise<DeleteObjectOutcome> {
  return commitOnce(
    tx,
    request.commitId,
    () => lockTarget(tx, request),
    async target => {
      checkPrecondition(request.precondition, target.current);
      const existed = target.current !== undefined;
      if (request.mustExist && !existed) {
        throw new GranaryError('object-not-found', `There is no object named "${request.key}".`);
      }
      if (target.versioning === 'never') return removeOnlyVersion(tx, target, existed);
      const marker = await makeVersion(tx, target, DELETE_MARKER);
      tx.books.count(marker.counts);
      return { existed, deleteMarker: marker.versionId };
    },
  );
}

async function removeOnlyVersion(tx: Transaction, target: Target, existed: boolean): Promise<DeleteObjectOutcome> {
  if (!existed) return { existed };
  const removed = await removeNullVersion(tx, target.id, target.key);
  await tx.all(POINT_NOWHERE, { bucket: target.id, key: target.key });
  tx.books.count([...removed, [target.id, { objects: -1 }]]);
  return { existed };
}
