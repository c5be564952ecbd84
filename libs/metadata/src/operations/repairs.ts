import { sql } from 'kysely';
import { serverNumbers } from '../schema/blob-layout.js';
import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import { BLOB_COLUMNS, type BlobRow } from './blob-row.js';
import { UNINDEX_SERVERS } from './blobs.js';
import { commitOnce } from './commit-once.js';
import { queueRepairs } from './reference-blob.js';

export interface PlaceShardsValues {
  commitId: string;
  shards: readonly {
    blobId: string;
    segment: number;
    shard: number;
    /** 0: nowhere. */
    server: number;
    /** Only if it lies there. */
    from?: number;
  }[];
}

/** MetadataStore.placeShards. Blobs that are gone meanwhile are passed over. */
export function placeShards(tx: Transaction, { commitId, shards }: PlaceShardsValues): Promise<void> {
  const ids = [...new Set(shards.map(({ blobId }) => blobId))].sort();
  const lockAndRead = () => tx.all(LOCK_LAYOUTS, { ids: JSON.stringify(ids) });
  return commitOnce(tx, commitId, lockAndRead, async blobs => {
    for (const blob of blobs)
      await placeOf(
        tx,
        blob,
        shards.filter(({ blobId }) => blobId === blob.id),
      );
  });
}

async function placeOf(
  tx: Transaction,
  blob: { number: number; layout: Uint8Array },
  shards: PlaceShardsValues['shards'],
) {
  const layout = Buffer.from(blob.layout);
  const before = serverNumbers(layout);
  const placed = shards
    .map(({ segment, shard, server, from }) => ({ position: segment * (layout[1] ?? 0) + shard, server, from }))
    .filter(({ position, from }) => from === undefined || layout.readUInt16LE(2 + position * 2) === from);
  if (placed.length === 0) return;
  for (const { position, server } of placed) layout.writeUInt16LE(server, 2 + position * 2);
  const after = serverNumbers(layout);
  await tx.all(SET_LAYOUT, { blob: blob.number, layout });
  await tx.all(UNINDEX_SERVERS, {
    blob: blob.number,
    servers: JSON.stringify(before.filter(server => !after.includes(server))),
  });
  tx.books.indexServers(
    blob.number,
    after.filter(server => !before.includes(server)),
  );
  const positions = (found: boolean) =>
    placed.filter(({ server }) => (server !== 0) === found).map(({ position }) => position);
  await tx.all(FINISH_REPAIRS, { blob: blob.number, positions: JSON.stringify(positions(true)) });
  await queueRepairs(tx, blob.number, positions(false));
}

export interface RepairRow extends BlobRow {
  position: number;
  attempts: number;
  queued_ms: number;
}

/** MetadataStore.claimRepairs. */
export async function claimRepairs(tx: Transaction, request: { leaseMs: number; limit: number }): Promise<RepairRow[]> {
  const claimed = await tx.all(CLAIM_REPAIRS, request);
  const numbers = [...new Set(claimed.map(({ blob_number }) => blob_number))];
  const blobs = await tx.all(BLOBS_BY_NUMBER, { numbers: JSON.stringify(numbers) });
  const byNumber = new Map(blobs.map(blob => [blob.number, blob]));
  return claimed
    .sort((first, second) => first.queued_ms - second.queued_ms)
    .flatMap(({ blob_number, position, attempts, queued_ms }) => {
      const blob = byNumber.get(blob_number);
      return blob === undefined ? [] : [{ ...blob, position, attempts, queued_ms }];
    });
}

const LOCK_LAYOUTS = statement<{ ids: string }>()('lock_layouts', (db, { ids }, dialect) => {
  const blobs = db
    .selectFrom('blobs')
    .select(['number', 'id', 'layout'])
    .where('id', 'in', eb => eb.selectFrom(dialect.eachText(ids).as('asked')).select('asked.value'))
    .where('freed_ms', 'is', null)
    .orderBy('number');
  return (dialect.name === 'postgres' ? blobs.forUpdate() : blobs).compile();
});

const SET_LAYOUT = statement<{ blob: number; layout: Uint8Array }>()('set_layout', (db, { blob, layout }) =>
  db.updateTable('blobs').set({ layout }).where('number', '=', blob).compile(),
);

const FINISH_REPAIRS = statement<{ blob: number; positions: string }>()(
  'finish_repairs',
  (db, { blob, positions }, dialect) =>
    db
      .deleteFrom('repairs')
      .where('blob_number', '=', blob)
      .where('position', 'in', eb => eb.selectFrom(dialect.eachInteger(positions).as('placed')).select('placed.value'))
      .compile(),
);

const CLAIM_REPAIRS = statement<{ leaseMs: number; limit: number }>()('claim_repairs', (db, args, dialect) => {
  const { leaseMs, limit } = args;
  return db
    .updateTable('repairs')
    .set({
      attempts: sql<number>`attempts + 1`,
      due_ms: sql<number>`${dialect.nowMs} + cast(${leaseMs} as bigint)`,
    })
    .where(({ eb, refTuple }) => {
      const due = db
        .selectFrom('repairs as due')
        .select(['due.blob_number', 'due.position'])
        .where('due.due_ms', '<=', dialect.nowMs)
        .orderBy('due.due_ms')
        .limit(limit);
      return eb(
        refTuple('repairs.blob_number', 'repairs.position'),
        'in',
        (dialect.name === 'postgres' ? due.forUpdate().skipLocked() : due).$asTuple('blob_number', 'position'),
      );
    })
    .returning(['blob_number', 'position', 'attempts', 'queued_ms'])
    .compile();
});

const BLOBS_BY_NUMBER = statement<{ numbers: string }>()('blobs_by_number', (db, { numbers }, dialect) =>
  db
    .selectFrom('blobs')
    .innerJoin(dialect.eachInteger(numbers).as('asked'), 'asked.value', 'blobs.number')
    .select(BLOB_COLUMNS)
    .select('blobs.number')
    .compile(),
);
