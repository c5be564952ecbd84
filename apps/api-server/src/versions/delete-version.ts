import type { ObjectName } from '#contracts';
import type { RemovedObject } from '#http';
import { newCommitId, type BucketName, type VersionId } from '#metadata';
import { checkPrecondition, type Precondition } from '#storage';
import { presentCopy } from './find-object.js';
import type { VersionPorts } from './version-ports.js';

type DeletePorts = Pick<VersionPorts, 'metadata' | 'reach'>;

/** Leaves a delete marker, or what the bucket's versioning says instead. `object-not-found` when there is no current object. */
export async function deleteCurrent(
  { metadata, reach }: DeletePorts,
  bucket: BucketName,
  key: ObjectName,
  precondition?: Precondition,
): Promise<RemovedObject> {
  reach('delete:before-commit');
  const { existed, deleteMarker } = await metadata.deleteObject({
    commitId: newCommitId(),
    bucket,
    key,
    mustExist: true,
    ...(precondition !== undefined && { precondition }),
  });
  reach('delete:committed');
  return deleteMarker === undefined ? { existed } : { existed, version: deleteMarker, isDeleteMarker: true };
}

/** Removes one version, or one delete marker, for good. `version-not-found`. Its blob is freed once nothing else refers to it. */
export async function deleteVersion(
  { metadata, reach }: DeletePorts,
  bucket: BucketName,
  key: ObjectName,
  version: string,
  precondition?: Precondition,
): Promise<RemovedObject> {
  const target = { bucket, key, versionId: version as VersionId };
  if (precondition !== undefined) {
    // A version never changes, so that this still holds, or the version is gone, when it is removed.
    const found = await metadata.find(target);
    if (found !== undefined) checkPrecondition(precondition, found.kind === 'object' ? presentCopy(found) : undefined);
  }
  reach('delete-version:before-commit');
  const { kind } = await metadata.deleteVersion({ commitId: newCommitId(), ...target });
  reach('delete-version:committed');
  return { existed: true, version, isDeleteMarker: kind === 'delete-marker' };
}
