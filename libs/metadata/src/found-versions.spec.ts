import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toObjectName } from '#contracts';
import { FoundVersions } from './found-versions.js';
import { NATIVE_BUCKET, versionIdOf } from './model/ids.js';
import type { Version } from './model/version.js';
import { newBlob, SERVERS } from './testing/fixtures.js';

/** A database of one number, which names the version that is current. */
class Database {
  revision: number | undefined = 0;
  reads = 0;
  readonly found = new FoundVersions(() => this.revision);

  /** Reads at once, and answers some turns of the event loop later. */
  async find(key: string, turns = 0): Promise<number | undefined> {
    const found = await this.found.find(NATIVE_BUCKET, toObjectName(key), async () => {
      this.reads += 1;
      const version = marker(key, this.revision ?? 0);
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      return version;
    });
    return found?.createdMs;
  }
}

function marker(key: string, createdMs: number): Version {
  return {
    kind: 'delete-marker',
    bucket: NATIVE_BUCKET,
    key: toObjectName(key),
    versionId: versionIdOf({ seq: 1, null_version: 0 }),
    createdMs,
  };
}

function objectOf(shards: number, blobs: number): Version {
  const layout = { shardsPerSegment: 1, servers: SERVERS, shards: new Uint16Array(shards) };
  return {
    kind: 'object',
    bucket: NATIVE_BUCKET,
    key: toObjectName('large'),
    versionId: versionIdOf({ seq: 1, null_version: 0 }),
    createdMs: 0,
    size: 1,
    etag: '',
    blobs: Array.from({ length: blobs }, () => ({ ...newBlob('large', { layout }), createdMs: 0 })),
    headers: {},
    userMetadata: {},
    tags: {},
    checksums: {},
  };
}

describe('found versions', () => {
  it('are looked up once between two commits', async () => {
    const database = new Database();
    for (const key of ['a', 'b', 'a', 'b']) expect(await database.find(key)).toBe(0);
    expect(database.reads).toBe(2);
    database.revision = 1;
    for (const key of ['a', 'a']) expect(await database.find(key)).toBe(1);
    expect(database.reads).toBe(3);
  });

  it('are looked up each time while nobody knows what was committed', async () => {
    const database = new Database();
    await database.find('a');
    database.revision = undefined;
    for (let times = 0; times < 2; times++) await database.find('a');
    database.revision = 0;
    await database.find('a');
    expect(database.reads).toBe(4);
  });

  it('are never older than the question', async () => {
    const steps = fc.array(fc.oneof(fc.constantFrom('commit', 'turn'), fc.nat({ max: 3 })), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(steps, async taken => {
        const database = new Database();
        const asked: number[] = [];
        const answers: Promise<number | undefined>[] = [];
        for (const step of taken) {
          const revision = database.revision ?? 0;
          if (step === 'commit') database.revision = revision + 1;
          else if (step === 'turn') await nextTurn();
          else {
            asked.push(revision);
            answers.push(database.find('a', step));
          }
        }
        const found = await Promise.all(answers);
        expect(found.filter((answer, index) => (answer ?? -1) < (asked[index] ?? 0))).toEqual([]);
      }),
      // A look-up that ends when somebody has already asked behind a commit.
      { numRuns: 500, examples: [[[0, 'commit', 2, 'turn', 0]]] },
    );
  });

  it.each([
    { shards: 64, blobs: 1, isKept: true },
    { shards: 65, blobs: 1, isKept: false },
    { shards: 1, blobs: 2, isKept: false },
  ])('are kept unless they are large ($shards shards, $blobs blobs)', async ({ shards, blobs, isKept }) => {
    const found = new FoundVersions(() => 0);
    let reads = 0;
    for (let times = 0; times < 2; times++) {
      await found.find(NATIVE_BUCKET, toObjectName('large'), async () => {
        reads += 1;
        return objectOf(shards, blobs);
      });
    }
    expect(reads).toBe(isKept ? 1 : 2);
  });

  it('take no more room than they are given', async () => {
    const database = new Database();
    for (let number = 0; number < 10_000; number++) await database.find(`${number}`);
    expect(await database.find('9999')).toBe(0);
    expect(database.reads).toBe(10_000);
    await database.find('0');
    expect(database.reads).toBe(10_001);
  });
});
