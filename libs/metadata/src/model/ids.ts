import { randomBytes } from 'node:crypto';
import { GranaryError } from '#contracts';

declare const bucketName: unique symbol;
/** 3 to 63 of `a-z0-9.-`, as S3 has them. */
export type BucketName = string & { readonly [bucketName]: true };

declare const versionId: unique symbol;
/**
 * Names one version of one object for ever; opaque to clients. Of two ids of one object the greater, as
 * text, is the newer. `null` is the version that exists while a bucket does not keep versions.
 */
export type VersionId = string & { readonly [versionId]: true };

declare const blobId: unique symbol;
/** 32 hex digits, made by whoever writes the blob; never used twice. */
export type BlobId = string & { readonly [blobId]: true };

declare const commitId: unique symbol;
/** 32 hex digits, made by the caller of a change. The same change sent twice under one id happens once. */
export type CommitId = string & { readonly [commitId]: true };

declare const uploadId: unique symbol;
/** 32 hex digits: a multipart upload. */
export type UploadId = string & { readonly [uploadId]: true };

declare const serverId: unique symbol;
/** The id that a data server's storage directory remembers. */
export type ServerId = string & { readonly [serverId]: true };

declare const blake3: unique symbol;
/** 64 lower-case hex digits. */
export type Blake3 = string & { readonly [blake3]: true };

declare const sha256: unique symbol;
/** 64 lower-case hex digits. */
export type Sha256 = string & { readonly [sha256]: true };

/** Where native objects live. The first migration creates it, with versions kept. */
export const NATIVE_BUCKET = 'objects' as BucketName;

export const NULL_VERSION = 'null' as VersionId;

export function newBlobId(): BlobId {
  return orderedId() as BlobId;
}

export function newCommitId(): CommitId {
  return orderedId() as CommitId;
}

export function newUploadId(): UploadId {
  return orderedId() as UploadId;
}

export function toServerId(text: string): ServerId {
  if (text === '' || text.length > 255) throw new TypeError(`${text.length} characters are no server id`);
  return text as ServerId;
}

export function toBlake3(hex: string): Blake3 {
  return digestOf(hex) as Blake3;
}

export function toSha256(hex: string): Sha256 {
  return digestOf(hex) as Sha256;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html. Throws `bucket-name-invalid`. */
export function toBucketName(text: string): BucketName {
  const wellFormed = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) && !text.includes('..');
  if (!wellFormed || /^\d+\.\d+\.\d+\.\d+$/.test(text)) {
    throw new GranaryError('bucket-name-invalid', `"${text.slice(0, 80)}" is no bucket name.`);
  }
  return text as BucketName;
}

/** Digits enough for every integer that a Number holds. */
const SEQUENCE_DIGITS = 11;

export function versionIdOf(version: { seq: number; null_version: number }): VersionId {
  if (version.null_version === 1) return NULL_VERSION;
  return version.seq.toString(36).padStart(SEQUENCE_DIGITS, '0') as VersionId;
}

/** Undefined when no version can have this id; 0 for the null version. */
export function sequenceOf(id: string): number | undefined {
  if (id === NULL_VERSION) return 0;
  if (!/^[0-9a-z]{11}$/.test(id)) return undefined;
  const sequence = Number.parseInt(id, 36);
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : undefined;
}

/** Begins with the time, so that indexes grow at their end. Nothing depends on the order. */
function orderedId(): string {
  const time = Math.max(0, Date.now()).toString(16).padStart(12, '0').slice(-12);
  return time + randomHex();
}

const RANDOM_BYTES = 10;
/** Drawn for many ids at once: the kernel is slow to ask. */
let drawn = Buffer.alloc(0);

function randomHex(): string {
  if (drawn.length === 0) drawn = randomBytes(256 * RANDOM_BYTES);
  const hex = drawn.toString('hex', 0, RANDOM_BYTES);
  drawn = drawn.subarray(RANDOM_BYTES);
  return hex;
}

function digestOf(hex: string): string {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new TypeError('a digest is 64 lower-case hex digits');
  return hex;
}
