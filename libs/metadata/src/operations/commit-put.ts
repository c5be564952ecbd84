import type { Precondition } from '../model/version.js';
import type { Transaction } from '../sql/transaction.js';
import { commitOnce } from './commit-once.js';
import { makeVersion, type VersionValues } from './make-version.js';
import { referenceBlob, type ContentValues } from './reference-blob.js';
import { checkPrecondition, lockTarget } from './target.js';

export interface CommitPutValues {
  commitId: string;
  bucket: string;
  key: string;
  precondition: Precondition | undefined;
  content: ContentValues;
  version: Pick<VersionValues, 'etag' | 'headers' | 'user_metadata' | 'tags' | 'checksums'>;
}

export interface CommitPutOutcome {
  versionId: string;
  createdMs: number;
  blobId: string;
  deduplicated: boolean;
}

/** Makes an object version current: MetadataStore.commitPut. */
export function commitPut(tx: Transaction, put: CommitPutValues): Promise<CommitPutOutcome> {
  return commitOnce(
    tx,
    put.commitId,
    () => lockTarget(tx, put),
    async target => {
      checkPrecondition(put.precondition, target.current);
      const blob = await referenceBlob(tx, target.id, put.content);
      const { number: blob_number, size } = blob;
      const { etag, headers, user_metadata, tags, checksums } = put.version;
      const values = { delete_marker: 0, blob_number, size, etag, headers, user_metadata, tags, checksums };
      const version = await makeVersion(tx, target, values);
      tx.books.count([...version.counts, blob.counts]);
      const { versionId, createdMs } = version;
      return { versionId, createdMs, blobId: blob.id, deduplicated: blob.deduplicated };
    },
  );
}
