import { sql } from 'kysely';
import { statement } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';

/** Forgets at most `limit` commits. Resolves to how many. */
export async function forgetCommits(tx: Transaction, request: { olderThanMs: number; limit: number }): Promise<number> {
  return (await tx.all(FORGET_COMMITS, request)).length;
}

export interface ServerRow {
  number: number;
  id: string;
}

export function listServers(connection: Connection): Promise<ServerRow[]> {
  return connection.all(LIST_SERVERS, {});
}

/** Gives each server a number for good, if it has none. Resolves to all servers. */
export async function registerServers(tx: Transaction, ids: readonly string[]): Promise<ServerRow[]> {
  await tx.all(REGISTER_SERVERS, { ids: JSON.stringify(ids) });
  return listServers(tx);
}

export async function ping(connection: Connection): Promise<void> {
  await connection.first(PING, {});
}

const PING = statement<object>()('ping', db => db.selectFrom('schema_version').select('version').compile());

const LIST_SERVERS = statement<object>()('list_servers', db =>
  db.selectFrom('servers').select(['number', 'id']).orderBy('number').compile(),
);

const REGISTER_SERVERS = statement<{ ids: string }>()('register_servers', (db, { ids }, dialect) =>
  db
    .insertInto('servers')
    .columns(['id'])
    .expression(
      db
        .selectFrom(dialect.eachText(ids).as('asked'))
        .where('asked.value', 'not in', eb => eb.selectFrom('servers').select('id'))
        .orderBy('asked.value')
        .select('asked.value'),
    )
    .onConflict(conflict => conflict.column('id').doNothing())
    .compile(),
);

const FORGET_COMMITS = statement<{ olderThanMs: number; limit: number }>()(
  'forget_commits',
  (db, { olderThanMs, limit }, dialect) =>
    db
      .deleteFrom('commits')
      .where('id', 'in', eb =>
        eb
          .selectFrom('commits as old')
          .select('old.id')
          .where('old.created_ms', '<', sql<number>`${dialect.nowMs} - cast(${olderThanMs} as bigint)`)
          .orderBy('old.created_ms')
          .limit(limit),
      )
      .returning('id')
      .compile(),
);
