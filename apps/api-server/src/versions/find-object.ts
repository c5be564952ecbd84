import { GRANARY_HEADERS, GranaryError, type ObjectName } from '#contracts';
import type { BucketName, DeleteMarker, MetadataStore, ObjectVersion, VersionId } from '#metadata';
import { checkPrecondition, type Precondition } from '#storage';

interface FindPorts {
  metadata: Pick<MetadataStore, 'find'>;
}

/**
 * The current object, or one version; undefined when the name never had one. A name whose object was
 * deleted is `object-not-found` with the marker's id in the headers. Of a version that was asked for:
 * `version-not-found`, `version-is-delete-marker`.
 */
export async function findObject(
  { metadata }: FindPorts,
  bucket: BucketName,
  key: ObjectName,
  version?: string,
): Promise<ObjectVersion | undefined> {
  const found = await metadata.find(
    version === undefined ? { bucket, key } : { bucket, key, versionId: version as VersionId },
  );
  if (found?.kind === 'object') return found;
  if (found !== undefined) throw deleted(found, version !== undefined);
  if (version === undefined) return undefined;
  throw new GranaryError('version-not-found', `"${key}" has no version ${version.slice(0, 40)}.`);
}

/** As S3 answers: 404 for the name, 405 for the very marker. */
function deleted({ key, versionId }: DeleteMarker, isAskedFor: boolean): GranaryError {
  const headers = { [GRANARY_HEADERS.version]: versionId, [GRANARY_HEADERS.deleteMarker]: 'true' };
  if (!isAskedFor) return new GranaryError('object-not-found', `"${key}" was deleted.`, { headers });
  return new GranaryError('version-is-delete-marker', `Version ${versionId} of "${key}" says that it was deleted.`, {
    headers: { ...headers, Allow: 'DELETE' },
  });
}

/**
 * Refuses a write that could not be committed now, before its body is sent: `precondition-failed`. The
 * transaction that commits decides.
 */
export async function refuseEarly(
  { metadata }: FindPorts,
  bucket: BucketName,
  key: ObjectName,
  precondition: Precondition | undefined,
): Promise<void> {
  if (precondition === undefined) return;
  const found = await metadata.find({ bucket, key });
  checkPrecondition(precondition, found?.kind === 'object' ? presentCopy(found) : undefined);
}

export function presentCopy({ etag }: ObjectVersion) {
  return { etag, stamp: 0, removed: false };
}
