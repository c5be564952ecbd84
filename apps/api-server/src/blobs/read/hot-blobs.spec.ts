import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newBlobId, type BlobId } from '#metadata';
import { sampleBytes } from '../testing/sample-bytes.js';
import { HotBlobs, HOT_BLOB_OVERHEAD_BYTES, MAX_HOT_BLOB_BYTES } from './hot-blobs.js';

const KIB = 1024;
const ENTRY_BYTES = KIB + HOT_BLOB_OVERHEAD_BYTES;
const CONTENT = sampleBytes(KIB);

/** As a GET does: resolves to whether the blob was there, and keeps it if not. */
function readThrough(hot: HotBlobs, id: BlobId): boolean {
  const found = hot.find(id) !== undefined;
  if (!found) hot.keep(id, CONTENT);
  return found;
}

const newIds = (count: number): BlobId[] => Array.from({ length: count }, newBlobId);

describe('HotBlobs', () => {
  it('gives back what was kept or nothing, and never holds more than its capacity, whatever is done', () => {
    const ids = newIds(12);
    const step = fc.record({ id: fc.constantFrom(...ids), isRead: fc.boolean() });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 8 * ENTRY_BYTES }),
        fc.array(fc.integer({ min: 1, max: 3 * KIB }), { minLength: ids.length, maxLength: ids.length }),
        fc.array(step, { maxLength: 200 }),
        (capacityBytes, sizes, steps) => {
          const contents = new Map(ids.map((id, index) => [id, sampleBytes(sizes[index] ?? 1, index + 1)]));
          const hot = new HotBlobs(capacityBytes);
          for (const { id, isRead } of steps) {
            const content = contents.get(id) ?? Buffer.alloc(0);
            if (!isRead) hot.keep(id, content);
            const found = hot.find(id);
            expect(found === undefined || found.equals(content)).toBe(true);
            const fits = content.length + HOT_BLOB_OVERHEAD_BYTES <= capacityBytes;
            if (!isRead) expect(found !== undefined).toBe(fits);
            expect(hot.stats.heldBytes).toBeLessThanOrEqual(capacityBytes);
          }
          const { heldBytes } = hot.stats;
          const held = ids.map(id => hot.find(id)).filter(bytes => bytes !== undefined);
          expect(held.reduce((sum, { length }) => sum + length + HOT_BLOB_OVERHEAD_BYTES, 0)).toBe(heldBytes);
        },
      ),
    );
  });

  it('survives a scan of twenty times its capacity with all that was hit, read or not meanwhile', () => {
    const hot = new HotBlobs(100 * ENTRY_BYTES);
    const [often, idle] = [newIds(30), newIds(30)];
    for (let turn = 0; turn < 2; turn += 1) for (const id of [...often, ...idle]) readThrough(hot, id);
    for (const [index, id] of newIds(2_000).entries()) {
      expect(readThrough(hot, id)).toBe(false);
      const again = often[index % often.length];
      expect(again !== undefined && readThrough(hot, again)).toBe(true);
    }
    expect(idle.filter(id => hot.find(id) === undefined)).toEqual([]);
  });

  it('comes to hold what is hot now instead of what was', () => {
    const hot = new HotBlobs(100 * ENTRY_BYTES);
    const [before, now] = [newIds(100), newIds(80)];
    for (let turn = 0; turn < 3; turn += 1) for (const id of before) readThrough(hot, id);
    let missed = now.length;
    for (let turn = 0; turn < 10 && missed > 0; turn += 1) missed = now.filter(id => !readThrough(hot, id)).length;
    expect(missed).toBe(0);
  });

  it('keeps an own copy of exactly the length, not the buffer that it was given', () => {
    const hot = new HotBlobs(10 * ENTRY_BYTES);
    const received = Buffer.alloc(256 * KIB);
    CONTENT.copy(received, 100);
    const id = newBlobId();
    hot.keep(id, received.subarray(100, 100 + KIB));
    received.fill(0);
    const found = hot.find(id);
    expect([found?.equals(CONTENT), found?.buffer.byteLength]).toEqual([true, KIB]);
  });

  it('keeps blobs up to 64 KiB', () => {
    const hot = new HotBlobs(1024 * KIB);
    const [largest, larger] = [newBlobId(), newBlobId()];
    hot.keep(largest, Buffer.alloc(MAX_HOT_BLOB_BYTES));
    hot.keep(larger, Buffer.alloc(MAX_HOT_BLOB_BYTES + 1));
    expect([hot.find(largest)?.length, hot.find(larger)]).toEqual([64 * KIB, undefined]);
  });

  it('counts hits, misses and bytes; with no capacity it keeps and counts nothing', () => {
    const id = newBlobId();
    const [hot, off] = [new HotBlobs(10 * ENTRY_BYTES), new HotBlobs(0)];
    for (const each of [hot, off]) for (let turn = 0; turn < 3; turn += 1) readThrough(each, id);
    hot.keep(id, CONTENT);
    expect(hot.stats).toEqual({ hits: 2, misses: 1, heldBytes: ENTRY_BYTES });
    expect(off.stats).toEqual({ hits: 0, misses: 0, heldBytes: 0 });
  });
});
