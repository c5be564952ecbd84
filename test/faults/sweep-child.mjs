/**
 * A process, of what was built, that puts contents, deletes the versions and sweeps, beside others that do
 * the same with the same contents. What it stores stays until it is swept, each blob in a file named by its
 * id. Its argument is a SweepTask (metadata-sweep.spec.ts) as JSON; it prints a SweepResult.
 */
import { createHash } from 'node:crypto';
import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const built = path => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { layoutOf, newBlobId, newCommitId, toBlake3, toRedundancy, NATIVE_BUCKET } =
  await built('libs/metadata/src/index.js');

const { directory, metadataUrl, name, rounds, races, deadlineMs, contents } = JSON.parse(process.argv[2]);
const WRITERS = 4;
const SWEEPERS = 2;
const REDUNDANCY = toRedundancy('single');

const startedMs = performance.now();
const metadata = await open(metadataUrl);
const result = { puts: 0, deduplicated: 0, referred: 0, goneMeanwhile: 0, swept: 0, missing: [] };
let isOver = false;
const sweepers = Array.from({ length: SWEEPERS }, sweep);
await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
isOver = true;
await Promise.all(sweepers);
await metadata.close();
console.log(JSON.stringify(result));

/** Only this writer deletes what it put: until then the bytes must be there. The last of all stays. */
async function write(writer) {
  for (let round = 0; ; round += 1) {
    const key = `${name}/${writer}/${round}`;
    const content = `content ${Math.floor(Math.random() * contents)}`;
    const versionId = await put(key, content);
    result.puts += 1;
    await check(key);
    if (round + 1 >= rounds && haveRaced()) return;
    await certainly(commitId => metadata.deleteVersion({ commitId, bucket: NATIVE_BUCKET, key, versionId }));
  }
}

/** Who sweeps when is luck: the writers go on until both have happened often enough, or until it is too late. */
function haveRaced() {
  return Math.min(result.referred, result.swept) >= races || performance.now() - startedMs > deadlineMs;
}

/** As an API server does: it refers to a blob that it found, or stores the bytes first. */
async function put(key, content) {
  const size = content.length;
  const blake3 = toBlake3(createHash('sha256').update(content).digest('hex'));
  const request = { bucket: NATIVE_BUCKET, key, etag: blake3 };
  const found = await certainly(() => metadata.findBlob({ blake3, size, redundancy: REDUNDANCY }));
  if (found !== undefined) {
    const existing = { kind: 'existing', blobId: found.id };
    try {
      const done = await certainly(commitId => metadata.commitPut({ ...request, commitId, content: existing }));
      result.referred += 1;
      return done.versionId;
    } catch (error) {
      if (error.code !== 'content-gone') throw error;
      result.goneMeanwhile += 1;
    }
  }
  const id = newBlobId();
  await writeFile(join(directory, id), content);
  const layout = layoutOf([['one']]);
  const blob = { id, size, blake3, redundancy: REDUNDANCY, segmentSizeBytes: size, storedBytes: size, layout };
  const stored = { kind: 'stored', blob };
  const done = await certainly(commitId => metadata.commitPut({ ...request, commitId, content: stored }));
  if (done.deduplicated) {
    result.deduplicated += 1;
    await rm(join(directory, id));
  }
  return done.versionId;
}

async function check(key) {
  const version = await certainly(() => metadata.find({ bucket: NATIVE_BUCKET, key }));
  for (const { id } of version?.blobs ?? [{ id: 'no version' }]) {
    await access(join(directory, id)).catch(() => result.missing.push(`${key}: ${id}`));
  }
}

/** Without any grace, so that only the database keeps a blob from being swept. */
async function sweep() {
  while (!isOver) {
    const freed = await certainly(() => metadata.freeBlobs({ graceMs: 0, leaseMs: 60_000, limit: 100 }));
    for (const { id } of freed) await rm(join(directory, id));
    await certainly(() => metadata.forgetBlobs(freed.map(({ id }) => id)));
    result.swept += freed.length;
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

/** What could not be told to have happened is asked for again, under its commit id. */
async function certainly(change) {
  const commitId = newCommitId();
  for (;;) {
    try {
      return await change(commitId);
    } catch (error) {
      if (error.code !== 'metadata-unavailable') throw error;
    }
  }
}

async function open(url) {
  if (url.startsWith('sqlite:')) {
    const { openSqliteMetadata } = await built('libs/metadata/src/sqlite/index.js');
    return openSqliteMetadata({ path: url.slice('sqlite:'.length) });
  }
  const { openPostgresMetadata } = await built('libs/metadata/src/postgres/index.js');
  return openPostgresMetadata({ url });
}
