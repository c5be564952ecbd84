import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { GranaryError, toObjectName } from '#contracts';
import { NATIVE_BUCKET, newCommitId, type Blob, type BlobId } from '#metadata';
import { sweepBlobs } from '../upkeep/sweep-blobs.js';
import { unavailable } from './testing/interposed-metadata.js';
import { serveVersions, type Send, type ServedVersions } from './testing/serve-versions.js';

/** Content that is stored once; blobs that are freed, lost, or left behind, just as they are written. */
describe('contents', () => {
  let served: ServedVersions;
  let send: Send;
  let count = 0;
  const fresh = () => `name-${(count += 1)}`;
  const SIZES = [10, 200_000];

  beforeAll(async () => {
    served = await serveVersions();
    ({ send } = served);
  });
  beforeEach(() => served.metadata.restore());
  afterAll(() => served.close());

  const put = (name: string, body: Buffer) => send('PUT', `/objects/${name}`, {}, body);
  const blobOf = async (name: string): Promise<BlobId | undefined> => {
    const version = await served.metadata.store.find({ bucket: NATIVE_BUCKET, key: toObjectName(name) });
    return version?.kind === 'object' ? version.blobs[0]?.id : undefined;
  };
  /** Frees what nothing refers to. Resolves to how many blobs that were. */
  const sweep = async () => {
    const { store } = served.metadata;
    await new Promise(resolve => setTimeout(resolve, 3));
    let freed = 0;
    const onFreed = (page: readonly Blob[]): void => void (freed += page.length);
    await sweepBlobs({ metadata: store, blobs: served.blobs }, { graceMs: 0, leaseMs: 60_000, onFreed });
    return freed;
  };
  const sole = async (name: string, body: Buffer) => {
    const read = await send('GET', `/objects/${name}`);
    expect([read.status, read.body.equals(body)]).toEqual([200, true]);
  };

  for (const size of SIZES) {
    it(`of ${size} bytes that are the same are stored once`, async () => {
      const body = Buffer.alloc(size, fresh());
      const [first, second] = [fresh(), fresh()];
      const blobsBefore = served.blobs.size;
      await put(first, body);
      await put(second, body);
      await put(second, body);
      expect(served.blobs.size - blobsBefore).toBe(1);
      expect(await blobOf(second)).toBe(await blobOf(first));
      await sole(second, body);
    });

    it(`of ${size} bytes are recognised by what they are, not by what was said of them`, async () => {
      const [body, other] = [Buffer.alloc(size, fresh()), Buffer.alloc(size, fresh())];
      const name = fresh();
      await put(name, body);
      const etag = (await send('HEAD', `/objects/${name}`)).headers.etag ?? '';
      const lying = await send('PUT', `/objects/${fresh()}`, { ETag: etag, 'X-Content-BLAKE3': etag }, other);
      expect([lying.status, lying.headers.etag === etag]).toEqual([200, false]);
    });

    it(`of ${size} bytes that were lost are stored anew`, async () => {
      const body = Buffer.alloc(size, fresh());
      const [first, second] = [fresh(), fresh()];
      await put(first, body);
      const lost = (await blobOf(first)) as BlobId;
      served.blobs.lose(lost);
      await served.metadata.store.markLost(lost);
      expect((await send('GET', `/objects/${first}`)).code).toBe('object-damaged');
      await put(second, body);
      await sole(second, body);
      expect(await blobOf(second)).not.toBe(lost);
    });

    it(`of ${size} bytes that the servers refuse leave nothing`, async () => {
      const name = fresh();
      const blobsBefore = served.blobs.size;
      served.blobs.failure = new GranaryError('no-data-server', '2 of 6 servers take shards; 5 are needed.');
      expect((await put(name, Buffer.alloc(size, name))).code).toBe('no-data-server');
      expect((await send('GET', `/versions/${name}`)).code).toBe('object-not-found');
      expect([served.blobs.size, served.blobs.openWriters]).toEqual([blobsBefore, 0]);
    });

    it(`of ${size} bytes are discarded when the commit is refused`, async () => {
      const [name, other] = [fresh(), fresh()];
      await put(name, Buffer.from(`${name} first`));
      const { headers } = await send('HEAD', `/objects/${name}`);
      const blobsBefore = served.blobs.size;
      // Another API server is quicker, after the early look at the condition.
      served.metadata.before('commitPut', async () => {
        const target = { commitId: newCommitId(), bucket: NATIVE_BUCKET, key: toObjectName(name) };
        await served.metadata.store.deleteObject(target);
      });
      const late = await send('PUT', `/objects/${name}`, { 'If-Match': headers.etag ?? '' }, Buffer.alloc(size, other));
      expect(late.code).toBe('precondition-failed');
      expect([served.blobs.size, served.blobs.openWriters]).toEqual([blobsBefore, 0]);
    });

    it(`of ${size} bytes stay when nobody can tell whether the commit happened, since it may have`, async () => {
      const name = fresh();
      const body = Buffer.alloc(size, name);
      served.metadata.loseAnswerOf('commitPut');
      expect((await put(name, body)).code).toBe('metadata-unavailable');
      await sole(name, body);

      const garbled = fresh();
      const other = Buffer.alloc(size, garbled);
      served.metadata.loseAnswerOf('commitPut', new GranaryError('internal-error', 'no answer of a database'));
      expect((await put(garbled, other)).code).toBe('internal-error');
      await sole(garbled, other);

      const never = fresh();
      const blobsBefore = served.blobs.size;
      served.metadata.before('commitPut', () => {
        throw unavailable();
      });
      expect((await put(never, Buffer.alloc(size, never))).code).toBe('metadata-unavailable');
      expect((await send('GET', `/objects/${never}`)).code).toBe('object-not-found');
      expect([served.blobs.size - blobsBefore, served.blobs.openWriters]).toEqual([1, 0]);
    });
  }

  it('that are freed between being recognised and being referred to are stored anew', async () => {
    const [first, second] = [fresh(), fresh()];
    const body = Buffer.from(`content of ${first}`);
    const version = (await put(first, body)).headers['granary-version'];
    const before = await blobOf(first);
    served.metadata.before('commitPut', async () => {
      await send('DELETE', `/objects/${first}?version=${String(version)}`);
      expect(await sweep()).toBeGreaterThan(0);
    });
    expect((await put(second, body)).status).toBe(200);
    await sole(second, body);
    expect(await blobOf(second)).not.toBe(before);
  });

  it('that another API server stored in the meantime are referred to, and the new shards dropped', async () => {
    const [first, second] = [fresh(), fresh()];
    const body = Buffer.from(`content of ${first}`);
    served.metadata.before('commitPut', async () => void (await put(first, body)));
    const discardedBefore = served.blobs.discarded;
    expect((await put(second, body)).status).toBe(200);
    expect(await blobOf(second)).toBe(await blobOf(first));
    expect(served.blobs.discarded - discardedBefore).toBe(1);
    await sole(second, body);
  });

  it('are never freed while a version refers to them, whoever races the sweep', async () => {
    const body = Buffer.from('the content that all of them race for');
    let isDone = false;
    const sweeping = (async () => {
      while (!isDone) await sweep();
    })();
    const racers = Array.from({ length: 8 }, async (_, racer) => {
      const name = fresh();
      for (let round = 0; round < 20; round += 1) {
        const { status, headers } = await put(name, body);
        expect(status).toBe(200);
        await sole(name, body);
        if (round < 19 || racer > 0)
          await send('DELETE', `/objects/${name}?version=${String(headers['granary-version'])}`);
      }
      return name;
    });
    const [kept = ''] = await Promise.all(racers);
    isDone = true;
    await sweeping;
    await sweep();
    await sole(kept, body);
  });
});
