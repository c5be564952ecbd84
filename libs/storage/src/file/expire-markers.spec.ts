import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { STAMPS_PER_MS, hashName, toObjectName } from '#contracts';
import { ENTRY_KINDS } from './object-index.js';
import { expireMarkers } from './expire-markers.js';
import { PackFiles, packFile } from './pack-files.js';
import { PackEntries, writeHint } from './pack-hint.js';
import { RECORD_TYPES } from './record-header.js';
import { StoreCatalog } from './store-catalog.js';
import { StoreFixture } from './store-fixture.js';
import { StoreLayout } from './store-layout.js';
import { nodeDisk } from './disk.js';

const DAY_MS = 24 * 3_600_000;
const hash = hashName(toObjectName('key'));

let fixture: StoreFixture;
beforeEach(() => {
  fixture = new StoreFixture();
});
afterEach(() => fixture.dispose());

/** A tombstone in pack 2, and in pack 1 an older record of the same key, if asked. */
async function storeWithTombstone(ageMs: number, olderRecord: boolean) {
  const disk = nodeDisk({ fsync: false, maxCallsInFlight: 1 });
  const layout = new StoreLayout(await fixture.directory());
  await layout.create(disk);
  const packs = new PackFiles(disk, 4);
  const catalog = new StoreCatalog(packs);
  const stamp = (Date.now() - ageMs) * STAMPS_PER_MS;
  for (const id of [1, 2]) {
    const pack = { ...packFile(layout.packs, id, 7), sealed: true };
    const entries = new PackEntries();
    if (id === 1 && olderRecord)
      entries.add({ hash, type: RECORD_TYPES.put, stamp: 1, sequence: 1, length: 8, offset: 16 });
    pack.records = entries.count;
    packs.add(pack);
    const paths = { temporary: layout.temporaryPath(), path: pack.hintPath, directory: layout.packs };
    await writeHint(disk, paths, { entries, end: 24 }, pack.salt);
  }
  const kind = ENTRY_KINDS.tombstone;
  catalog.set(hash, { kind, stamp, sequence: 2, length: 160, pack: 2, offset: 16, damaged: false });
  return { disk, packs, catalog, writer: { current: undefined } };
}

describe('A tombstone', () => {
  it.each([
    ['stays while it is young', DAY_MS, false, true],
    ['is dropped when it is old', 8 * DAY_MS, false, false],
    ['stays, however old, while an older record of its key is in another pack', 8 * DAY_MS, true, true],
  ])('%s', async (_, ageMs, olderRecord, stays) => {
    const parts = await storeWithTombstone(ageMs, olderRecord);
    await expireMarkers(parts, 7 * DAY_MS);
    expect(parts.catalog.get(hash) !== undefined).toBe(stays);
  });
});
