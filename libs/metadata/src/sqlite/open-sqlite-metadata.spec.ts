import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, open as openFile, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { toObjectName } from '#contracts';
import type { MetadataStore } from '../metadata-store.js';
import { NATIVE_BUCKET, newCommitId } from '../model/ids.js';
import { patientThread, putRequest } from '../testing/index.js';
import type { CommitGroup } from './commit-messages.js';
import { CommitQueue } from './commit-queue.js';
import { openReader } from './open-connection.js';
import { openSqliteMetadata } from './open-sqlite-metadata.js';
import { openSqliteFile } from './sqlite-driver.js';
import { SqliteEngine } from './sqlite-engine.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'granary-metadata-'));
  path = join(directory, 'metadata.db');
});
afterEach(() => rm(directory, { recursive: true }));

const open = () => openSqliteMetadata({ path, ...patientThread });

describe('an SQLite file', () => {
  it('keeps what was committed before it was closed, and is migrated by one of those who start at once', async () => {
    const stores = await Promise.all([open(), open(), open()]);
    const key = toObjectName('kept');
    await stores[0]?.commitPut(putRequest(NATIVE_BUCKET, key, 'content'));
    for (const store of stores) await store.close();
    const again = await open();
    expect(await again.find({ bucket: NATIVE_BUCKET, key })).toMatchObject({ etag: 'content' });
    await again.close();
  });

  it('of a newer schema is refused, and left alone', async () => {
    await (await open()).close();
    const connection = openSqliteFile(path);
    connection.exec('update schema_version set version = 99');
    await expect(open()).rejects.toMatchObject({ code: 'metadata-incompatible' });
    expect(connection.prepare('select version from schema_version').first([])).toEqual({ version: 99 });
    connection.close();
  });

  it('that is none is refused', async () => {
    const connection = openSqliteFile(path);
    connection.exec(`pragma encoding = 'UTF-16le'; create table other (id integer)`);
    connection.close();
    await expect(open()).rejects.toMatchObject({ code: 'metadata-incompatible' });
  });

  it('that is no database at all is refused, and left alone', async () => {
    await writeFile(path, 'granary.example.net\n');
    const message = `The metadata file ${path} is no SQLite database.`;
    await expect(open()).rejects.toMatchObject({ code: 'metadata-incompatible', message });
    expect(await readFile(path, 'utf8')).toBe('granary.example.net\n');
  });

  it('that is damaged is refused', async () => {
    const connection = openSqliteFile(path);
    connection.exec('create table schema_version (version integer)');
    connection.close();
    const file = await openFile(path, 'r+');
    // Behind the header, which stays valid.
    await file.write(Buffer.alloc((await file.stat()).size - 100, 0xff), 0, undefined, 100);
    await file.close();
    const message = `The metadata file ${path} is a damaged SQLite database.`;
    await expect(open()).rejects.toMatchObject({ code: 'metadata-incompatible', message });
  });

  it('is committed to once for all changes of a turn', async () => {
    const store = await open();
    await store.commitPut(putRequest(NATIVE_BUCKET, toObjectName('first'), 'with the numbers of its servers'));
    const posts = jest.spyOn(Worker.prototype, 'postMessage');
    try {
      const changes = Array.from({ length: 10 }, (_, index) =>
        store.commitPut(putRequest(NATIVE_BUCKET, toObjectName(`${index}`), `content ${index}`)),
      );
      await Promise.all(changes);
      expect(posts.mock.calls.map(([group]) => (group as CommitGroup).changes.length)).toEqual([10]);
    } finally {
      posts.mockRestore();
      await store.close();
    }
  });

  it('gives up no change for a pause of the process that was as long as its deadline', async () => {
    const store = await openSqliteMetadata({ path, ...patientThread, deadlineMs: 4_000 });
    const put = (key: string) => store.commitPut(putRequest(NATIVE_BUCKET, toObjectName(key), 'content'));
    await put('first, with all that has to be loaded for it');
    const sent = put('sent');
    await nextTurn();
    await nextTurn();
    // The second waits until the one before it has been answered.
    const changes = [sent, put('waiting')];
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_000);
    await expect(Promise.all(changes)).resolves.toHaveLength(2);
    await store.close();
  });

  it('waits for the lock of another process as long as its changes have time', async () => {
    const store = await open();
    const other = openSqliteFile(path);
    other.exec('begin immediate');
    const put = store.commitPut(putRequest(NATIVE_BUCKET, toObjectName('patient'), 'content'));
    await Promise.race([put, sleep(2_500)]);
    other.exec('commit');
    expect(await put).toMatchObject({ deduplicated: false });
    other.close();
    await store.close();
  });

  it('tells each process at once what any other one has committed', async () => {
    const stores = [await open(), await open()] as const;
    const key = toObjectName('shared');
    const find = async (store: MetadataStore) => {
      const found = await store.find({ bucket: NATIVE_BUCKET, key });
      return found?.kind === 'object' ? found.etag : found?.kind;
    };
    for (const [index, writer] of [...stores, ...stores].entries()) {
      await writer.commitPut(putRequest(NATIVE_BUCKET, key, `content ${index}`));
      for (const store of [...stores, ...stores]) expect(await find(store)).toBe(`content ${index}`);
    }
    await stores[0].deleteObject({ commitId: newCommitId(), bucket: NATIVE_BUCKET, key });
    for (const store of stores) expect(await find(store)).toBe('delete-marker');
    for (const store of stores) await store.close();
  });

  it('counts the commits of others and its own', async () => {
    const commits = new CommitQueue({ path, ...patientThread });
    await commits.open();
    const engine = new SqliteEngine(commits, openReader(path));
    const other = await open();
    const seen = [engine.revision(), engine.revision()];
    await engine.change('registerServers', ['a']);
    seen.push(engine.revision());
    await other.commitPut(putRequest(NATIVE_BUCKET, toObjectName('counted'), 'content'));
    seen.push(engine.revision());
    await engine.close();
    seen.push(engine.revision());
    await other.close();

    const [first, again, own, others, closed] = seen;
    expect(first).toEqual(expect.any(Number));
    expect([again === first, new Set([first, own, others]).size, closed]).toEqual([true, 3, undefined]);
  });

  it('answers nothing after it was closed, but that', async () => {
    const store = await open();
    const request = putRequest(NATIVE_BUCKET, toObjectName('late'), 'content');
    await store.commitPut(request);
    const find = () => store.find({ bucket: NATIVE_BUCKET, key: request.key });
    expect(await find()).toMatchObject({ etag: 'content' });
    await store.close();
    await store.close();
    await expect(find()).rejects.toMatchObject({ code: 'metadata-unavailable' });
    await expect(store.commitPut(request)).rejects.toMatchObject({ code: 'metadata-unavailable' });
    await expect(store.ping()).rejects.toMatchObject({ code: 'metadata-unavailable' });
  });
});
