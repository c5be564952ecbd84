import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toObjectName } from '#contracts';
import { NATIVE_BUCKET, type MetadataStore } from '#metadata';
import { openSqliteMetadata } from '#metadata/sqlite';
import { patientThread } from '#metadata/testing';
import { silentLogger } from '#telemetry';
import { redundancyFor } from '../blobs/redundancy-for.js';
import { BlobCluster } from '../blobs/testing/blob-cluster.js';
import { openVersions } from './versions.module.js';
import type { VersionedStore } from './versioned-store.js';

const SMALL_BYTES = 1000;

describe('a content that is known', () => {
  const servers = new BlobCluster({ servers: 24, settings: { smallSegmentBytes: SMALL_BYTES } });
  let directory: string;
  let metadata: MetadataStore;
  let store: VersionedStore;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-known-'));
    metadata = await openSqliteMetadata({ path: join(directory, 'metadata.db'), ...patientThread });
    const { blobs, stores } = servers;
    ({ store } = openVersions({
      metadata,
      blobs,
      redundancyFor: (asked, size) => redundancyFor(asked, size <= SMALL_BYTES ? 'small' : 'large', stores.length),
      addressOf: () => 'x:1',
      logger: silentLogger,
    }));
  });
  afterAll(async () => {
    await metadata.close();
    await rm(directory, { recursive: true });
  });

  it.each([
    ['in one piece', 500, putWhole],
    ['in one piece', 5000, putWhole],
    ['in a stream', 500, putStreamed],
    ['in a stream', 5000, putStreamed],
  ])('but went with its servers is stored anew (%s, %d bytes)', async (_how, size, put) => {
    const bytes = randomBytes(size);
    await put('first', bytes);
    const lost = await holders('first');
    for (const id of lost) servers.gone.add(id);
    await expect(read('first')).rejects.toMatchObject({ code: 'data-server-unavailable' });
    await put('while they may come back', bytes);
    expect(await holders('while they may come back')).toEqual(lost);

    for (const id of lost) servers.forgotten.add(id);
    await expect(read('first')).rejects.toMatchObject({ code: 'object-damaged' });
    await put('first', bytes);
    expect((await read('first')).equals(bytes)).toBe(true);
    const stored = servers.shards();
    await put('second', bytes);
    expect((await read('second')).equals(bytes)).toBe(true);
    expect(servers.shards()).toBe(stored);
  });

  async function putWhole(name: string, bytes: Buffer): Promise<void> {
    await store.put(toObjectName(name), bytes, {});
  }

  async function putStreamed(name: string, bytes: Buffer): Promise<void> {
    const writer = await store.create(toObjectName(name), {});
    await writer.write(bytes);
    await writer.commit();
  }

  async function read(name: string): Promise<Buffer> {
    const reader = await store.open(toObjectName(name));
    const chunks: Buffer[] = [];
    await reader?.copyTo(chunk => {
      chunks.push(Buffer.from(chunk));
      return undefined;
    });
    return Buffer.concat(chunks);
  }

  async function holders(name: string): Promise<string[]> {
    const found = await metadata.find({ bucket: NATIVE_BUCKET, key: toObjectName(name) });
    if (found?.kind !== 'object') throw new Error(`${name} is not there`);
    return found.blobs.flatMap(({ layout }) => layout.servers);
  }
});
