import { GranaryError } from '#contracts';
import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import type { Precondition } from '../model/version.js';
import { commitOnce } from './commit-once.js';
import type { BucketCounts } from './counts.js';
import { makeVersion } from './make-version.js';
import { dropReference } from './reference-blob.js';
import { checkPrecondition, lockTarget } from './target.js';
import { takeParts, type PartRow } from './upload-parts.js';
import { findUpload, presentUpload } from './uploads.js';

export interface CompleteUploadValues {
  commitId: string;
  uploadId: string;
  parts: readonly { part: number; etag: string }[];
  etag: string;
  checksums: string | null;
  precondition: Precondition | undefined;
}

export interface CompleteUploadOutcome {
  versionId: string;
  createdMs: number;
}

/** Makes the named parts one version and removes the upload: MetadataStore.completeUpload. */
export function completeUpload(tx: Transaction, request: CompleteUploadValues): Promise<CompleteUploadOutcome> {
  return commitOnce(
    tx,
    request.commitId,
    () => tx.lockKey(request.uploadId, ''),
    async () => {
      const upload = presentUpload(await findUpload(tx, request.uploadId), request.uploadId);
      const target = await lockTarget(tx, upload);
      checkPrecondition(request.precondition, target.current);
      const stored = await takeParts(tx, upload.id);
      const parts = chosenParts(request.parts, stored);
      const { headers, user_metadata, tags } = upload;
      const { etag, checksums } = request;
      const size = parts.reduce((sum, part) => sum + part.size, 0);
      const values = { headers, user_metadata, tags, etag, checksums, size, delete_marker: 0, blob_number: null };
      const version = await makeVersion(tx, target, values);
      const dropped = await takeOver(tx, version.seq, new Set(parts), stored);
      tx.books.count([...version.counts, ...dropped]);
      return { versionId: version.versionId, createdMs: version.createdMs };
    },
  );
}

/** The references of the parts become the version's; those of parts that were not named are dropped. */
async function takeOver(
  tx: Transaction,
  seq: number,
  parts: ReadonlySet<PartRow>,
  stored: readonly PartRow[],
): Promise<BucketCounts[]> {
  const unnamed = stored.filter(part => !parts.has(part));
  const [dropped] = await Promise.all([
    Promise.all(unnamed.map(part => dropReference(tx, part.blob_number))),
    ...Array.from(parts, part => tx.all(INSERT_VERSION_PART, { seq, ...part })),
  ]);
  return dropped;
}

/** Throws `part-invalid`. */
function chosenParts(wanted: CompleteUploadValues['parts'], stored: readonly PartRow[]): PartRow[] {
  if (wanted.length === 0) throw new GranaryError('part-invalid', 'An upload is completed with one part at least.');
  const byNumber = new Map(stored.map(part => [part.part, part]));
  return wanted.map(({ part, etag }, index) => {
    const found = byNumber.get(part);
    if (found === undefined || found.etag !== etag) {
      throw new GranaryError('part-invalid', `Part ${part} was not stored, or not with the entity tag ${etag}.`);
    }
    if (index > 0 && part <= (wanted[index - 1]?.part ?? 0)) {
      throw new GranaryError('part-invalid', `Part ${part} is not in ascending order.`);
    }
    return found;
  });
}

const INSERT_VERSION_PART = statement<{ seq: number; part: number; blob_number: number }>()(
  'insert_version_part',
  (db, { seq, part, blob_number }) =>
    db.insertInto('version_parts').values({ version_seq: seq, part, blob_number }).compile(),
);
