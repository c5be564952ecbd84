/**
 * A process, of what was built, that makes one change and is killed on the way. What it stores stays, each
 * blob in a file named by its id. Its argument is a CrashTask (crash-points.spec.ts) as JSON.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const built = path => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { BucketRecords } = await built('apps/api-server/src/versions/bucket-records.js');
const { crashAt } = await built('apps/api-server/src/versions/crash-points.js');
const { VersionedStore } = await built('apps/api-server/src/versions/versioned-store.js');
const { layoutOf, newBlobId, NATIVE_BUCKET } = await built('libs/metadata/src/index.js');
const { openSqliteMetadata } = await built('libs/metadata/src/sqlite/index.js');

const { directory, databasePath, point, name, body, version } = JSON.parse(process.argv[2]);

const blobs = {
  async put({ bytes, blake3 }, { redundancy }) {
    const id = newBlobId();
    writeFileSync(join(directory, id), bytes);
    const size = bytes.length;
    const layout = layoutOf([['one']]);
    return { id, size, blake3, redundancy, segmentSizeBytes: size, storedBytes: size, layout };
  },
  async discard() {},
};

const metadata = await openSqliteMetadata({ path: databasePath });
const ports = { metadata, blobs, buckets: new BucketRecords(metadata), redundancyFor: asked => asked };
const store = new VersionedStore({ ...ports, reach: crashAt(point), logger: console }, NATIVE_BUCKET);
if (body !== undefined) await store.put(name, Buffer.from(body), {});
else await store.remove(name, { version });
await metadata.close();
