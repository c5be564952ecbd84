import type { ObjectName } from '#contracts';
import type { BucketName, VersionId } from './ids.js';

declare const cursor: unique symbol;
/** Where the next page begins; opaque, and good for ever: it names a place between keys, not a state. */
export type Cursor = string & { readonly [cursor]: true };

/** The most that a page may hold. */
export const MAX_PAGE = 1000;

export interface ListObjectsRequest {
  bucket: BucketName;
  /** Default: every key. */
  prefix?: string;
  /** Keys that share what is between the prefix and the first delimiter after it are listed once, as that common prefix. */
  delimiter?: string;
  /** Only keys greater than this, by their UTF-8 bytes; a common prefix equal to it is left out too. */
  after?: string;
  /** Of the page before; takes the place of `after`. */
  cursor?: Cursor;
  /** Keys and common prefixes together, 1 to MAX_PAGE. Default: MAX_PAGE. */
  limit?: number;
}

export interface ListedObject {
  kind: 'object';
  key: ObjectName;
  versionId: VersionId;
  size: number;
  etag: string;
  createdMs: number;
}

export interface CommonPrefix {
  kind: 'prefix';
  prefix: string;
}

/** In the order of the keys' UTF-8 bytes. */
export interface ObjectPage {
  entries: readonly (ListedObject | CommonPrefix)[];
  /** Undefined on the last page. */
  cursor?: Cursor;
}

export interface ListVersionsRequest {
  bucket: BucketName;
  /** Only the versions of this very key; excludes prefix and delimiter. */
  key?: ObjectName;
  prefix?: string;
  delimiter?: string;
  /** Keys greater than `key`; with `versionId`, the versions of `key` older than it as well. */
  after?: { key: string; versionId?: VersionId };
  cursor?: Cursor;
  limit?: number;
}

export interface ListedVersion {
  kind: 'object' | 'delete-marker';
  key: ObjectName;
  versionId: VersionId;
  isCurrent: boolean;
  createdMs: number;
  /** 0 for a delete marker. */
  size: number;
  /** Empty for a delete marker. */
  etag: string;
  /** As ObjectAttributes. */
  checksums: Readonly<Record<string, string>>;
}

/** By key as ObjectPage; of one key the newest version first. */
export interface VersionPage {
  entries: readonly (ListedVersion | CommonPrefix)[];
  cursor?: Cursor;
}
