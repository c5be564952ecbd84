import { sql } from 'kysely';
import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import type { Books } from './books.js';
import { COUNTED, eachSum, sumsByBucket, type BucketSums, type Counts } from './counts.js';

/** PostgreSQL locks a row until the commit is durable; concurrent commits of one bucket count in different rows. */
const SLOTS = { sqlite: 1, postgres: 64 };

/** Leaves them empty. Sums come last, and once in a transaction: others wait for them, and everyone locks them in the order of the buckets. */
export async function writeBooks(tx: Transaction, books: Books): Promise<void> {
  const commits = [...books.commits];
  const servers = books.servers.toSorted(
    ([server, blob], [otherServer, otherBlob]) => server - otherServer || blob - otherBlob,
  );
  const sums = sumsByBucket(books.counts);
  books.clear();
  await Promise.all([
    commits.length > 0 && tx.all(REMEMBER_COMMITS, { commits: JSON.stringify(commits) }),
    servers.length > 0 && tx.all(INDEX_SERVERS, { servers: JSON.stringify(servers) }),
    countTotals(tx, sums),
  ]);
}

async function countTotals(tx: Transaction, sums: readonly BucketSums[]): Promise<void> {
  for (const [bucket_id, added] of sums) {
    const slot = Math.floor(Math.random() * SLOTS[tx.dialect.name]);
    await tx.all(COUNT_TOTALS, { bucket_id, slot, ...added });
  }
}

const REMEMBER_COMMITS = statement<{ commits: string }>()('remember_commits', (db, { commits }, dialect) =>
  db
    .insertInto('commits')
    .columns(['id', 'result', 'created_ms'])
    .expression(
      db
        .selectFrom(dialect.eachPair(commits).as('made'))
        .select(['made.first', 'made.second', dialect.nowMs.as('created_ms')]),
    )
    .compile(),
);

const INDEX_SERVERS = statement<{ servers: string }>()('index_servers', (db, { servers }, dialect) =>
  db
    .insertInto('blob_servers')
    .columns(['server_number', 'blob_number'])
    .expression(
      db
        .selectFrom(dialect.eachPair(servers).as('holds'))
        .select([
          sql<number>`cast(${sql.ref('holds.first')} as bigint)`.as('server_number'),
          sql<number>`cast(${sql.ref('holds.second')} as bigint)`.as('blob_number'),
        ]),
    )
    .compile(),
);

const COUNT_TOTALS = statement<Required<Counts> & { bucket_id: number; slot: number }>()('count_totals', (db, args) => {
  const { bucket_id, slot } = args;
  const values = eachSum(counted => args[counted]);
  const sums = Object.fromEntries(
    COUNTED.map(counted => [counted, sql<number>`${sql.ref(`totals.${counted}`)} + ${sql.ref(`excluded.${counted}`)}`]),
  );
  return db
    .insertInto('totals')
    .values({ bucket_id, slot, ...values })
    .onConflict(conflict => conflict.columns(['bucket_id', 'slot']).doUpdateSet(sums))
    .compile();
});
