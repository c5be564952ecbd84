import { GranaryError } from '#contracts';
import type { ObjectInfo } from '#http';
import type { BlobId, CommitPutRequest, CommitPutResult, NewBlob } from '#metadata';
import type { VersionPorts } from './version-ports.js';

/** A put, but for its content. */
export type PutRequest = Omit<CommitPutRequest, 'content'>;

/**
 * Makes a version of bytes whose shards are durable. If the content turns out to be known, or the commit
 * is refused, the shards are discarded. If nobody can tell whether it happened they stay, since a version
 * may refer to them.
 */
export async function commitStored(ports: VersionPorts, put: PutRequest, blob: NewBlob): Promise<ObjectInfo> {
  ports.reach('put:shards-durable');
  const committed = await commitOrDiscard(ports, put, blob);
  if (committed.deduplicated) await ports.blobs.discard(blob);
  return infoOfPut(put, blob.size, committed);
}

/** Makes a version of a blob that is there. Undefined when it has gone meanwhile. */
export async function commitExisting(
  ports: VersionPorts,
  put: PutRequest,
  blob: { id: BlobId; size: number },
): Promise<ObjectInfo | undefined> {
  try {
    return infoOfPut(put, blob.size, await commit(ports, { ...put, content: { kind: 'existing', blobId: blob.id } }));
  } catch (error) {
    if (error instanceof GranaryError && error.code === 'content-gone') return undefined;
    throw error;
  }
}

async function commitOrDiscard(ports: VersionPorts, put: PutRequest, blob: NewBlob): Promise<CommitPutResult> {
  try {
    return await commit(ports, { ...put, content: { kind: 'stored', blob } });
  } catch (error) {
    if (isRefusal(error)) await ports.blobs.discard(blob);
    else ports.logger.warn({ blob: blob.id, err: error }, 'a commit of unknown outcome: its blob stays');
    throw error;
  }
}

async function commit({ metadata, reach }: VersionPorts, request: CommitPutRequest): Promise<CommitPutResult> {
  reach('put:before-commit');
  const committed = await metadata.commitPut(request);
  reach('put:committed');
  return committed;
}

/** Decided inside the transaction, which has been rolled back. After anything else the commit may have happened. */
const REFUSALS = new Set<string>(['precondition-failed', 'bucket-not-found', 'content-gone']);

function isRefusal(error: unknown): boolean {
  return error instanceof GranaryError && REFUSALS.has(error.code);
}

function infoOfPut({ etag }: PutRequest, size: number, { versionId, createdMs }: CommitPutResult): ObjectInfo {
  return { size, etag, modifiedMs: createdMs, version: versionId };
}
