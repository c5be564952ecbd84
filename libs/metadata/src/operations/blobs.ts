import { sql } from 'kysely';
import { serverNumbers } from '../schema/blob-layout.js';
import { statement } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';
import { BLOB_COLUMNS, type BlobRow } from './blob-row.js';
import type { BucketCounts } from './counts.js';

export interface ContentKey {
  blake3: Uint8Array;
  size: number;
  redundancy: string;
}

export function findBlob(connection: Connection, content: ContentKey): Promise<BlobRow | undefined> {
  return connection.first(FIND_BLOB, content);
}

export async function knownBlobs(connection: Connection, ids: readonly string[]): Promise<string[]> {
  const rows = await connection.all(KNOWN_BLOBS, { ids: JSON.stringify(ids) });
  return rows.map(({ id }) => id);
}

export interface FreeBlobsValues {
  graceMs: number;
  leaseMs: number;
  limit: number;
}

/** MetadataStore.freeBlobs: first what an earlier sweep left behind, then what has become free. */
export async function freeBlobs(tx: Transaction, { graceMs, leaseMs, limit }: FreeBlobsValues): Promise<BlobRow[]> {
  const again = await tx.all(FREE_AGAIN, { leaseMs, limit });
  if (again.length === limit) return again;
  const freed = await tx.all(FREE, { graceMs, limit: limit - again.length });
  if (freed.length > 0) await tx.all(CANCEL_REPAIRS, { blobs: JSON.stringify(freed.map(({ number }) => number)) });
  tx.books.count(freed.map(countsOfFreed));
  return [...again, ...freed];
}

export async function forgetBlobs(tx: Transaction, ids: readonly string[]): Promise<void> {
  const forgotten = await tx.all(FORGET, { ids: JSON.stringify(ids) });
  for (const { number, layout } of forgotten) {
    await tx.all(UNINDEX_SERVERS, { blob: number, servers: JSON.stringify(serverNumbers(layout)) });
  }
}

export async function markLost(tx: Transaction, id: string): Promise<void> {
  await tx.all(MARK_LOST, { id });
}

export type ServerBlobRow = BlobRow & { number: number };

/** By number, from behind `after`. */
export function serverBlobs(
  connection: Connection,
  request: { server: string; after: number; limit: number },
): Promise<ServerBlobRow[]> {
  return connection.all(SERVER_BLOBS, request);
}

function countsOfFreed({ bucket_id, blob_size, stored_bytes }: BlobRow & { bucket_id: number }): BucketCounts {
  const size = -blob_size;
  return [bucket_id, { blobs: -1, blob_bytes: size, unreferenced_bytes: size, stored_bytes: -stored_bytes }];
}

const FIND_BLOB = statement<ContentKey>()('find_blob', (db, { blake3, size, redundancy }) =>
  db
    .selectFrom('blobs')
    .select(BLOB_COLUMNS)
    .where('blake3', '=', blake3)
    .where('size', '=', size)
    .where('redundancy', '=', redundancy)
    .where('freed_ms', 'is', null)
    .where('lost_ms', 'is', null)
    .compile(),
);

const KNOWN_BLOBS = statement<{ ids: string }>()('known_blobs', (db, { ids }, dialect) =>
  db
    .selectFrom('blobs')
    .innerJoin(dialect.eachText(ids).as('asked'), 'asked.value', 'blobs.id')
    .select('blobs.id')
    .compile(),
);

const FREE_AGAIN = statement<{ leaseMs: number; limit: number }>()('free_again', (db, { leaseMs, limit }, dialect) =>
  db
    .updateTable('blobs')
    .set({ freed_ms: dialect.nowMs })
    .where('number', 'in', eb => {
      const stale = eb
        .selectFrom('blobs as stale')
        .select('stale.number')
        .where('stale.freed_ms', '<=', sql<number>`${dialect.nowMs} - cast(${leaseMs} as bigint)`)
        .orderBy('stale.freed_ms')
        .limit(limit);
      return dialect.name === 'postgres' ? stale.forUpdate().skipLocked() : stale;
    })
    .returning(BLOB_COLUMNS)
    .compile(),
);

/** A PUT that refers to the blob meanwhile either comes first, and refs is 1 here, or finds it freed. */
const FREE = statement<{ graceMs: number; limit: number }>()('free', (db, { graceMs, limit }, dialect) =>
  db
    .updateTable('blobs')
    .set({ freed_ms: dialect.nowMs })
    .where('number', 'in', eb => {
      const unreferenced = eb
        .selectFrom('blobs as unreferenced')
        .select('unreferenced.number')
        .where('unreferenced.freed_ms', 'is', null)
        .where('unreferenced.unreferenced_ms', 'is not', null)
        .where('unreferenced.unreferenced_ms', '<=', sql<number>`${dialect.nowMs} - cast(${graceMs} as bigint)`)
        .orderBy('unreferenced.unreferenced_ms')
        .limit(limit);
      return dialect.name === 'postgres' ? unreferenced.forUpdate().skipLocked() : unreferenced;
    })
    .where('refs', '=', 0)
    .where('freed_ms', 'is', null)
    .returning(BLOB_COLUMNS)
    .returning(['number', 'bucket_id'])
    .compile(),
);

const CANCEL_REPAIRS = statement<{ blobs: string }>()('cancel_repairs', (db, { blobs }, dialect) =>
  db
    .deleteFrom('repairs')
    .where('blob_number', 'in', eb => eb.selectFrom(dialect.eachInteger(blobs).as('freed')).select('freed.value'))
    .compile(),
);

const FORGET = statement<{ ids: string }>()('forget_blobs', (db, { ids }, dialect) =>
  db
    .deleteFrom('blobs')
    .where('id', 'in', eb => eb.selectFrom(dialect.eachText(ids).as('asked')).select('asked.value'))
    .where('freed_ms', 'is not', null)
    .returning(['number', 'layout'])
    .compile(),
);

const MARK_LOST = statement<{ id: string }>()('mark_lost', (db, { id }, { nowMs }) =>
  db.updateTable('blobs').set({ lost_ms: nowMs }).where('id', '=', id).where('lost_ms', 'is', null).compile(),
);

/** `servers` as the layout names them; what else the index holds does not exist. */
export const UNINDEX_SERVERS = statement<{ blob: number; servers: string }>()(
  'unindex_servers',
  (db, { blob, servers }, dialect) =>
    db
      .deleteFrom('blob_servers')
      .where('blob_number', '=', blob)
      .where('server_number', 'in', eb =>
        eb.selectFrom(dialect.eachInteger(servers).as('server')).select('server.value'),
      )
      .compile(),
);

const SERVER_BLOBS = statement<{ server: string; after: number; limit: number }>()(
  'server_blobs',
  (db, { server, after, limit }) =>
    db
      .selectFrom('servers')
      .innerJoin('blob_servers', 'blob_servers.server_number', 'servers.number')
      .innerJoin('blobs', 'blobs.number', 'blob_servers.blob_number')
      .where('servers.id', '=', server)
      .where('blob_servers.blob_number', '>', after)
      .where('blobs.freed_ms', 'is', null)
      .orderBy('blob_servers.blob_number')
      .limit(limit)
      .select(BLOB_COLUMNS)
      .select('blobs.number')
      .compile(),
);
