import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NATIVE_BUCKET, newBlobId, newCommitId, newUploadId } from '../model/ids.js';
import type { ChangeArgs, ChangeName } from '../operations/index.js';
import { readStats } from '../operations/stats.js';
import type { CommitOutcome } from './commit-messages.js';
import { migrateFile, openWriter } from './open-connection.js';
import { runGroup } from './run-group.js';
import type { SqliteConnection } from './sqlite-driver.js';
import { SqliteTransaction } from './sqlite-transaction.js';

let directory: string;
let connection: SqliteConnection;
let tx: SqliteTransaction;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'granary-group-'));
  connection = openWriter(join(directory, 'metadata.db'));
  await migrateFile(connection);
  tx = new SqliteTransaction(connection);
});
afterEach(async () => {
  tx.forget();
  connection.close();
  await rm(directory, { recursive: true });
});

type Asked = { [Name in ChangeName]: [Name, ChangeArgs<Name>] }[ChangeName];

const group = (...asked: readonly Asked[]): Promise<CommitOutcome[]> =>
  runGroup(
    connection,
    tx,
    asked.map(([name, args], id) => ({ id, name, args })),
    1500,
  );

const content = (text: string) => ({
  kind: 'stored' as const,
  blob: {
    id: newBlobId(),
    size: 100,
    blake3: createHash('sha256').update(text).digest(),
    sha256: null,
    redundancy: 'copies:3',
    segment_bytes: 4096,
    stored_bytes: 300,
    layout: Buffer.from([1, 3, 1, 0, 2, 0, 3, 0]),
    missing: [],
  },
});

const put = (key: string, text: string, overrides: Partial<ChangeArgs<'commitPut'>> = {}): Asked => [
  'commitPut',
  {
    commitId: newCommitId(),
    bucket: NATIVE_BUCKET,
    key,
    precondition: undefined,
    content: content(text),
    version: { etag: text, headers: null, user_metadata: null, tags: null, checksums: null },
    ...overrides,
  },
];

const count = (table: string) => connection.prepare(`select count(*) as n from ${table}`).first([])?.['n'];
const sums = async () => (await readStats(tx)).buckets[0];

describe('a group of changes', () => {
  it('loses only the one that is refused before it writes', async () => {
    const refused = put('a', 'second', { precondition: { ifNoneMatch: '*' } });
    const outcomes = await group(put('a', 'first'), refused, put('b', 'third'));
    expect(outcomes).toMatchObject([{ result: {} }, { failure: { code: 'precondition-failed' } }, { result: {} }]);
    expect(await sums()).toMatchObject({ objects: 2, versions: 2, blobs: 2, blob_bytes: 200, stored_bytes: 600 });
  });

  // An upload's parts are taken before they are compared: the refusal has to give them back.
  it('loses only the one that is refused after it has written', async () => {
    const uploadId = newUploadId();
    const nothing = { headers: null, user_metadata: null, tags: null, checksums: null };
    const part = {
      commitId: newCommitId(),
      uploadId,
      part: 1,
      etag: 'part',
      checksums: null,
      content: content('part'),
    };
    await group(['createUpload', { id: uploadId, bucket: NATIVE_BUCKET, key: 'c', ...nothing }], ['putPart', part]);
    const wrong = [{ part: 1, etag: 'other' }];
    const completion = { commitId: newCommitId(), uploadId, parts: wrong, etag: 'c', checksums: null };
    const outcomes = await group(
      put('a', 'first'),
      ['completeUpload', { ...completion, precondition: undefined }],
      put('b', 'first'),
    );
    expect(outcomes).toMatchObject([
      { result: { deduplicated: false } },
      { failure: { code: 'part-invalid' } },
      { result: { deduplicated: true } },
    ]);
    expect([count('uploads'), count('upload_parts'), count('commits')]).toEqual([1, 1, 3]);
    expect(await sums()).toMatchObject({ objects: 2, versions: 2, blobs: 2, deduplicated_bytes: 100 });
    expect(count('blob_servers')).toBe(6);
  });

  it('makes a change once that it holds twice', async () => {
    const twice = put('a', 'first');
    const [first, second] = await group(twice, twice);
    const [third] = await group(twice);
    expect(second).toMatchObject({ result: (first as { result: unknown }).result as object });
    expect(third).toMatchObject({ result: (first as { result: unknown }).result as object });
    expect([count('versions'), count('commits'), count('blob_servers')]).toEqual([1, 1, 3]);
    expect(await sums()).toMatchObject({ objects: 1, versions: 1, logical_bytes: 100, blobs: 1 });
  });

  it('shows each change what those before it left, books included', async () => {
    const stored = content('first');
    const moved = [{ blobId: stored.blob.id, segment: 0, shard: 0, server: 4 }];
    const back = [{ blobId: stored.blob.id, segment: 0, shard: 0, server: 1 }];
    await group(
      put('a', 'first', { content: stored }),
      ['placeShards', { commitId: newCommitId(), shards: moved }],
      ['placeShards', { commitId: newCommitId(), shards: back }],
    );
    const servers = connection.prepare('select server_number from blob_servers order by 1').all([]);
    expect(servers.map(row => row['server_number'])).toEqual([1, 2, 3]);
  });
});

describe('an error that ends the whole transaction (row 11)', () => {
  it.each(['commits', 'blob_servers', 'totals', 'versions'])(
    'while %s are written leaves nothing behind',
    async table => {
      const original = connection.prepare.bind(connection);
      let isArmed = true;
      const fail = (): never => {
        connection.exec('rollback');
        throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
      };
      const unlessArmed =
        <Args, Result>(run: (args: Args) => Result) =>
        (args: Args) =>
          isArmed ? fail() : run(args);
      connection.prepare = text => {
        const prepared = original(text);
        if (!text.startsWith(`insert into "${table}"`)) return prepared;
        return {
          all: unlessArmed(prepared.all.bind(prepared)),
          first: unlessArmed(prepared.first.bind(prepared)),
          run: unlessArmed(prepared.run.bind(prepared)),
        };
      };
      const failed = await group(put('a', 'one'), put('b', 'two'));
      expect(failed.map(outcome => 'failure' in outcome)).toEqual([true, true]);
      const count = (name: string) => Number(original(`select count(*) as count from ${name}`).first([])?.['count']);
      for (const name of ['commits', 'blobs', 'blob_servers', 'totals', 'versions'])
        expect([name, count(name)]).toEqual([name, 0]);
      isArmed = false;
      const stored = await group(put('a', 'one'), put('b', 'two'));
      expect(stored.map(outcome => 'result' in outcome)).toEqual([true, true]);
      expect(count('blob_servers')).toBe(6);
    },
  );
});
