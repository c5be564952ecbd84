import * as blobs from './blobs.js';
import * as buckets from './buckets.js';
import { commitPut } from './commit-put.js';
import { completeUpload } from './complete-upload.js';
import { deleteObject } from './delete-object.js';
import { deleteVersion } from './delete-version.js';
import { findVersion } from './find-version.js';
import { listObjects } from './list-objects.js';
import { listVersions } from './list-versions.js';
import { claimRepairs, placeShards } from './repairs.js';
import { setTags } from './set-tags.js';
import { readStats } from './stats.js';
import { forgetCommits, listServers, ping, registerServers } from './upkeep.js';
import { abortUpload, listParts, putPart } from './upload-parts.js';
import * as uploads from './uploads.js';

/** What changes something, by name, since SQLite runs it in a thread of its own. Arguments and results are plain data. */
export const CHANGES = {
  abortUpload,
  claimRepairs,
  commitPut,
  completeUpload,
  createBucket: buckets.createBucket,
  createUpload: uploads.createUpload,
  deleteBucket: buckets.deleteBucket,
  deleteObject,
  deleteVersion,
  forgetBlobs: blobs.forgetBlobs,
  forgetCommits,
  freeBlobs: blobs.freeBlobs,
  markLost: blobs.markLost,
  placeShards,
  putPart,
  registerServers,
  setTags,
  updateBucket: buckets.updateBucket,
} as const;

/** What only reads. */
export const READS = {
  findBlob: blobs.findBlob,
  findBucket: buckets.findBucket,
  findUpload: uploads.findUpload,
  findVersion,
  knownBlobs: blobs.knownBlobs,
  listBuckets: buckets.listBuckets,
  listObjects,
  listParts,
  listServers,
  listUploads: uploads.listUploads,
  listVersions,
  ping,
  readStats,
  serverBlobs: blobs.serverBlobs,
} as const;

export type ChangeName = keyof typeof CHANGES;
export type ReadName = keyof typeof READS;
export type ChangeArgs<Name extends ChangeName> = Parameters<(typeof CHANGES)[Name]>[1];
export type ChangeResult<Name extends ChangeName> = Awaited<ReturnType<(typeof CHANGES)[Name]>>;
export type ReadArgs<Name extends ReadName> = Parameters<(typeof READS)[Name]>[1];
export type ReadResult<Name extends ReadName> = Awaited<ReturnType<(typeof READS)[Name]>>;
