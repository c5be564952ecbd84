import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toObjectName } from '#contracts';
import { NATIVE_BUCKET, newCommitId, toBlake3, toRedundancy, type BlobId, type MetadataStore } from '#metadata';
import { openSqliteMetadata } from '#metadata/sqlite';
import { contentHash } from '#storage';
import { silentLogger } from '#telemetry';
import { threadFromSources } from '#metadata/testing';
import { MemoryBlobStore } from '../../apps/api-server/src/blobs/testing/memory-blob-store.js';
import { CRASH_POINTS, type CrashPoint } from '../../apps/api-server/src/versions/crash-points.js';
import { openVersions } from '../../apps/api-server/src/versions/versions.module.js';
import type { VersionedStore } from '../../apps/api-server/src/versions/versioned-store.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';

const CHILD = join(import.meta.dirname, 'crash-child.mjs');

interface CrashTask {
  /** Where blobs are saved. */
  directory: string;
  databasePath: string;
  point: CrashPoint;
  name: string;
  /** To be put; else the name, or its `version`, is removed. */
  body?: string;
  version?: string;
}

/**
 * Row 19, of the steps of one change: a real process is killed at each point of a change, and another looks at what it left, in the database
 * and among its blobs: all of the old state or all of the new one, by whether the commit had happened.
 */
describe('a process that dies at', () => {
  let directory: string;
  let databasePath: string;
  let metadata: MetadataStore;

  beforeAll(async () => {
    directory = tempDirectory('crash');
    databasePath = join(directory, 'db', 'metadata.db');
    metadata = await openSqliteMetadata({ path: databasePath, ...threadFromSources });
  });
  afterAll(async () => {
    await metadata.close();
    removeTempDirectories();
  });

  /** A store that starts with the blobs that are saved. */
  async function afterwards(): Promise<VersionedStore> {
    const blobs = new MemoryBlobStore();
    for (const id of await readdir(directory)) {
      if (id !== 'db') blobs.adopt(id as BlobId, await readFile(join(directory, id)));
    }
    const options = { redundancyFor: <T>(asked: T) => asked, addressOf: () => undefined, logger: silentLogger };
    return openVersions({ metadata, blobs, ...options }).store;
  }

  const NEW: Record<CrashPoint, boolean> = {
    'put:before-shards': false,
    'put:shards-durable': false,
    'put:before-commit': false,
    'put:committed': true,
    'delete:before-commit': false,
    'delete:committed': true,
    'delete-version:before-commit': false,
    'delete-version:committed': true,
  };

  it.each(CRASH_POINTS)('%s', async point => {
    const name = point;
    const key = toObjectName(name);
    await put(`${point} old`);
    const newest = await put(`${point} present`);
    const isPut = point.startsWith('put:');
    const ofVersion = point.startsWith('delete-version:') ? { version: newest } : {};
    const body = isPut ? { body: `${point} new` } : {};
    expect(await crash({ directory, databasePath, point, name, ...body, ...ofVersion })).toBe('SIGKILL');

    const store = await afterwards();
    const done = isPut ? `${point} new` : point.startsWith('delete-version:') ? `${point} old` : undefined;
    expect(await bodyOf(store, name)).toBe(NEW[point] ? done : `${point} present`);
    // What was left behind is nobody's, and the next writer is none the worse for it.
    await store.put(key, Buffer.from(`${point} new`), {});
    expect(await bodyOf(store, name)).toBe(`${point} new`);

    async function put(content: string): Promise<string> {
      const saved = await savedBlob(content);
      const request = { commitId: newCommitId(), bucket: NATIVE_BUCKET, key, etag: saved.blake3 };
      return (await metadata.commitPut({ ...request, content: { kind: 'stored', blob: saved } })).versionId;
    }
  });

  async function savedBlob(content: string) {
    const bytes = Buffer.from(content);
    const blake3 = toBlake3(contentHash.of(bytes).toString('hex'));
    const blob = await new MemoryBlobStore().put({ bytes, blake3 }, { redundancy: toRedundancy('ec:4+2') });
    await writeFile(join(directory, blob.id), bytes);
    return blob;
  }
});

/** Ends with the signal that ended the process. */
async function crash(task: CrashTask): Promise<unknown> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(task)], { stdio: 'inherit' });
  const [, signal] = (await once(child, 'exit')) as [unknown, unknown];
  return signal;
}

async function bodyOf(store: VersionedStore, name: string): Promise<string | undefined> {
  const reader = await store.open(toObjectName(name)).catch(() => undefined);
  const chunks: Buffer[] = [];
  await reader?.copyTo(async chunk => void chunks.push(chunk));
  return reader && Buffer.concat(chunks).toString();
}
