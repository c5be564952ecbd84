import { toObjectName, type ObjectName } from '#contracts';
import type { Engine } from './engine.js';
import { FoundVersions } from './found-versions.js';
import type { MetadataStore } from './metadata-store.js';
import type { Blob } from './model/blob.js';
import type { Bucket, CreateBucketRequest, DeleteBucketRequest, UpdateBucketRequest } from './model/bucket.js';
import {
  versionIdOf,
  type Blake3,
  type BlobId,
  type BucketName,
  type ServerId,
  type UploadId,
  type VersionId,
} from './model/ids.js';
import {
  MAX_PAGE,
  type ListedObject,
  type ListedVersion,
  type CommonPrefix,
  type ListObjectsRequest,
  type ListVersionsRequest,
  type ObjectPage,
  type VersionPage,
} from './model/listing.js';
import { MAX_PART_NUMBER } from './model/multipart.js';
import type {
  AbortUploadRequest,
  CompleteUploadRequest,
  CompleteUploadResult,
  CreateUploadRequest,
  ListPartsRequest,
  ListUploadsRequest,
  PartPage,
  PutPartRequest,
  PutPartResult,
  Upload,
  UploadPage,
} from './model/multipart.js';
import type { Redundancy } from './model/redundancy.js';
import type {
  BlobPage,
  ClaimRepairsRequest,
  FreeBlobsRequest,
  PlaceShardsRequest,
  Repair,
  ServerBlobsRequest,
  Stats,
} from './model/upkeep.js';
import type {
  CommitPutRequest,
  CommitPutResult,
  Content,
  DeleteObjectRequest,
  DeleteObjectResult,
  DeleteVersionRequest,
  DeleteVersionResult,
  FindRequest,
  SetTagsRequest,
  Version,
} from './model/version.js';
import type { BlobRow } from './operations/blob-row.js';
import type { ListedRow } from './operations/list-objects.js';
import type { ListedVersionEntry } from './operations/list-versions.js';
import type { ContentValues } from './operations/reference-blob.js';
import {
  numberCursor,
  numberOfCursor,
  objectCursor,
  objectPageValues,
  pageSize,
  versionCursor,
  versionPageValues,
} from './page-request.js';
import {
  attributeColumns,
  blobOf,
  blobValues,
  bucketOf,
  bytesOf,
  jsonOf,
  recordOf,
  uploadOf,
  versionOf,
} from './row-mapping.js';
import { ServerNumbers } from './server-numbers.js';

/** MetadataStore over either database. Only translates: what is done is in operations/, and how it runs in the engine. */
export class SqlMetadataStore implements MetadataStore {
  readonly #servers: ServerNumbers;
  readonly #found: FoundVersions;

  constructor(private readonly engine: Engine) {
    this.#servers = new ServerNumbers(engine);
    this.#found = new FoundVersions(() => engine.revision?.());
  }

  async createBucket({ settings, ...bucket }: CreateBucketRequest): Promise<Bucket> {
    return bucketOf(await this.engine.change('createBucket', { ...bucket, settings: jsonOf(settings) }));
  }

  async findBucket(name: BucketName): Promise<Bucket | undefined> {
    const row = await this.engine.read('findBucket', name);
    return row === undefined ? undefined : bucketOf(row);
  }

  async listBuckets(): Promise<readonly Bucket[]> {
    return (await this.engine.read('listBuckets', undefined)).map(bucketOf);
  }

  async updateBucket(request: UpdateBucketRequest): Promise<Bucket> {
    const { commitId, name, versioning, redundancy, settings } = request;
    const kept = settings === undefined ? undefined : jsonOf(settings);
    return bucketOf(
      await this.engine.change('updateBucket', { commitId, name, versioning, redundancy, settings: kept }),
    );
  }

  async deleteBucket(request: DeleteBucketRequest): Promise<void> {
    await this.engine.change('deleteBucket', { ...request });
  }

  async commitPut(request: CommitPutRequest): Promise<CommitPutResult> {
    const { commitId, bucket, key, etag, precondition } = request;
    const result = await this.engine.change('commitPut', {
      commitId,
      bucket,
      key,
      precondition,
      content: await this.#contentValues(request.content),
      version: { etag, ...attributeColumns(request) },
    });
    return { ...result, versionId: result.versionId as VersionId, blobId: result.blobId as BlobId };
  }

  find({ bucket, key, versionId }: FindRequest): Promise<Version | undefined> {
    if (versionId !== undefined) return this.#lookUp({ bucket, key, versionId });
    return this.#found.find(bucket, key, () => this.#lookUp({ bucket, key }));
  }

  async #lookUp({ bucket, key, versionId }: FindRequest): Promise<Version | undefined> {
    const found = await this.engine.read('findVersion', { bucket, key, versionId });
    if (found === undefined) return undefined;
    await this.#servers.learn(found.blobs);
    return versionOf(bucket, key, found, this.#servers.idOf);
  }

  async deleteObject(request: DeleteObjectRequest): Promise<DeleteObjectResult> {
    const { commitId, bucket, key, precondition, mustExist = false } = request;
    const result = await this.engine.change('deleteObject', { commitId, bucket, key, precondition, mustExist });
    const { existed, deleteMarker } = result;
    return deleteMarker === undefined ? { existed } : { existed, deleteMarker: deleteMarker as VersionId };
  }

  async deleteVersion(request: DeleteVersionRequest): Promise<DeleteVersionResult> {
    return this.engine.change('deleteVersion', { ...request });
  }

  async setTags({ commitId, bucket, key, versionId, tags }: SetTagsRequest): Promise<void> {
    await this.engine.change('setTags', { commitId, bucket, key, versionId, tags: jsonOf(tags) });
  }

  async listObjects(request: ListObjectsRequest): Promise<ObjectPage> {
    const values = objectPageValues(request);
    const rows = await this.engine.read('listObjects', values);
    const next = rows.length === values.limit ? rows.pop() : undefined;
    const entries = rows.map(listedObject);
    return next === undefined ? { entries } : { entries, cursor: objectCursor(next.key) };
  }

  async listVersions(request: ListVersionsRequest): Promise<VersionPage> {
    const values = versionPageValues(request);
    const rows = await this.engine.read('listVersions', values);
    const next = rows.length === values.limit ? rows.pop() : undefined;
    const entries = rows.map(listedVersion);
    if (next === undefined) return { entries };
    return { entries, cursor: 'prefix' in next ? versionCursor(next.prefix) : versionCursor(next.key, next.seq + 1) };
  }

  async findBlob(content: { blake3: Blake3; size: number; redundancy: Redundancy }): Promise<Blob | undefined> {
    const row = await this.engine.read('findBlob', { ...content, blake3: bytesOf(content.blake3) });
    return row === undefined ? undefined : (await this.#blobs([row]))[0];
  }

  async knownBlobs(ids: readonly BlobId[]): Promise<ReadonlySet<BlobId>> {
    if (ids.length > MAX_PAGE) throw new RangeError(`${ids.length} blob ids at once; at most ${MAX_PAGE}`);
    return new Set((await this.engine.read('knownBlobs', ids)) as BlobId[]);
  }

  async freeBlobs({ graceMs, leaseMs, limit }: FreeBlobsRequest): Promise<readonly Blob[]> {
    return this.#blobs(await this.engine.change('freeBlobs', { graceMs, leaseMs, limit: pageSize(limit) }));
  }

  async forgetBlobs(ids: readonly BlobId[]): Promise<void> {
    await this.engine.change('forgetBlobs', [...ids]);
  }

  async markLost(id: BlobId): Promise<void> {
    await this.engine.change('markLost', id);
  }

  async serverBlobs({ server, cursor, limit }: ServerBlobsRequest): Promise<BlobPage> {
    const size = pageSize(limit);
    const rows = await this.engine.read('serverBlobs', { server, after: numberOfCursor(cursor), limit: size });
    const blobs = await this.#blobs(rows);
    const last = rows.length === size ? rows.at(-1) : undefined;
    return last === undefined ? { blobs } : { blobs, cursor: numberCursor(last.number) };
  }

  async placeShards({ commitId, shards }: PlaceShardsRequest): Promise<void> {
    const servers = shards.flatMap(({ server, from }) => [server, from].filter(id => id !== undefined));
    const numbers = await this.#servers.of(servers);
    const numberOf = (server: ServerId | undefined): number => (server && numbers.get(server)) ?? 0;
    const numbered = shards.map(({ blobId, segment, shard, server, from }) => ({
      blobId,
      segment,
      shard,
      server: numberOf(server),
      ...(from !== undefined && { from: numberOf(from) }),
    }));
    await this.engine.change('placeShards', { commitId, shards: numbered });
  }

  async claimRepairs({ leaseMs, limit }: ClaimRepairsRequest): Promise<readonly Repair[]> {
    const rows = await this.engine.change('claimRepairs', { leaseMs, limit: pageSize(limit) });
    const blobs = await this.#blobs(rows);
    return rows.flatMap(({ position, attempts, queued_ms }, index) => {
      const blob = blobs[index];
      if (blob === undefined) return [];
      const { shardsPerSegment } = blob.layout;
      const [segment, shard] = [Math.floor(position / shardsPerSegment), position % shardsPerSegment];
      return { blobId: blob.id, segment, shard, blob, attempts, queuedMs: queued_ms };
    });
  }

  async createUpload(request: CreateUploadRequest): Promise<Upload> {
    const { uploadId, bucket, key } = request;
    return uploadOf(
      await this.engine.change('createUpload', { id: uploadId, bucket, key, ...attributeColumns(request) }),
    );
  }

  async findUpload(id: UploadId): Promise<Upload | undefined> {
    const row = await this.engine.read('findUpload', id);
    return row === undefined ? undefined : uploadOf(row);
  }

  async listUploads({ bucket, prefix = '', after, limit }: ListUploadsRequest): Promise<UploadPage> {
    const size = pageSize(limit);
    const afterId = after === undefined ? '' : (after.uploadId ?? AFTER_ALL_IDS);
    const values = { bucket, prefix, afterKey: after?.key ?? '', afterId, limit: size + 1 };
    const rows = await this.engine.read('listUploads', values);
    return { uploads: rows.slice(0, size).map(uploadOf), hasMore: rows.length > size };
  }

  async putPart({ commitId, uploadId, part, etag, checksums, content }: PutPartRequest): Promise<PutPartResult> {
    if (!Number.isInteger(part) || part < 1 || part > MAX_PART_NUMBER)
      throw new RangeError(`${part} is no part number`);
    const values = { commitId, uploadId, part, etag, checksums: jsonOf(checksums) };
    return this.engine.change('putPart', { ...values, content: await this.#contentValues(content) });
  }

  async listParts({ uploadId, afterPart = 0, limit }: ListPartsRequest): Promise<PartPage> {
    const size = pageSize(limit);
    const rows = await this.engine.read('listParts', { uploadId, afterPart, limit: size + 1 });
    const parts = rows.slice(0, size).map(({ part, size, etag, checksums, created_ms }) => ({
      part,
      size,
      etag,
      checksums: recordOf(checksums),
      createdMs: created_ms,
    }));
    return { parts, hasMore: rows.length > size };
  }

  async completeUpload(request: CompleteUploadRequest): Promise<CompleteUploadResult> {
    const { commitId, uploadId, parts, etag, checksums, precondition } = request;
    const values = { commitId, uploadId, parts, etag, checksums: jsonOf(checksums), precondition };
    const { versionId, createdMs } = await this.engine.change('completeUpload', values);
    return { versionId: versionId as VersionId, createdMs };
  }

  async abortUpload({ commitId, uploadId }: AbortUploadRequest): Promise<void> {
    await this.engine.change('abortUpload', { commitId, uploadId });
  }

  async stats(): Promise<Stats> {
    const { buckets, queuedRepairs } = await this.engine.read('readStats', undefined);
    return {
      buckets: buckets.map(sums => ({
        bucket: sums.name as BucketName,
        objects: sums.objects,
        versions: sums.versions,
        deleteMarkers: sums.delete_markers,
        logicalBytes: sums.logical_bytes,
        blobs: sums.blobs,
        blobBytes: sums.blob_bytes,
        storedBytes: sums.stored_bytes,
        deduplicatedBytes: sums.deduplicated_bytes,
        unreferencedBytes: sums.unreferenced_bytes,
      })),
      queuedRepairs,
    };
  }

  async forgetCommits(request: { olderThanMs: number; limit: number }): Promise<number> {
    return this.engine.change('forgetCommits', request);
  }

  async knownServers(): Promise<readonly ServerId[]> {
    return this.#servers.refresh();
  }

  async ping(): Promise<void> {
    await this.engine.read('ping', undefined);
  }

  async close(): Promise<void> {
    await this.engine.close();
  }

  async #contentValues(content: Content): Promise<ContentValues> {
    if (content.kind === 'existing') return content;
    return { kind: 'stored', blob: blobValues(content.blob, await this.#servers.of(content.blob.layout.servers)) };
  }

  async #blobs(rows: readonly BlobRow[]): Promise<Blob[]> {
    await this.#servers.learn(rows);
    return rows.map(row => blobOf(row, this.#servers.idOf));
  }
}

/** Ids are hexadecimal. */
const AFTER_ALL_IDS = 'g';

function listedObject(row: ListedRow): ListedObject | CommonPrefix {
  const { key, seq, null_version, size, etag, created_ms } = row;
  if (seq === null) return { kind: 'prefix', prefix: key };
  return {
    kind: 'object',
    key: key as ObjectName,
    versionId: versionIdOf({ seq, null_version: null_version ?? 0 }),
    size: size ?? 0,
    etag: etag ?? '',
    createdMs: created_ms ?? 0,
  };
}

function listedVersion(entry: ListedVersionEntry): ListedVersion | CommonPrefix {
  if ('prefix' in entry) return { kind: 'prefix', prefix: entry.prefix };
  return {
    kind: entry.delete_marker === 1 ? 'delete-marker' : 'object',
    key: toObjectName(entry.key),
    versionId: versionIdOf(entry),
    isCurrent: entry.is_current === 1,
    createdMs: entry.created_ms,
    size: entry.size,
    etag: entry.etag,
    checksums: recordOf(entry.checksums),
  };
}
