import { GranaryError } from '#contracts';
import { sql, type CompiledQuery } from 'kysely';
import type { Statements } from '../sql/statement.js';
import { MIGRATIONS } from './migrations.js';

/** Runs one statement in the transaction that holds the migration lock. */
export type RunStatement = (query: CompiledQuery) => Promise<readonly object[]>;

/**
 * Brings the schema to the version that this program knows. The caller holds a lock that every other start
 * waits for, and commits afterwards. Throws `metadata-incompatible` when the schema is newer.
 */
export async function migrate(statements: Statements, run: RunStatement): Promise<void> {
  await run(
    statements.build(db =>
      sql`create table if not exists schema_version (id integer primary key, version integer not null)`.compile(db),
    ),
  );
  const rows = await run(statements.build(db => db.selectFrom('schema_version').select('version').compile()));
  const version = (rows[0] as { version: number } | undefined)?.version ?? 0;
  if (version > MIGRATIONS.length) {
    throw new GranaryError(
      'metadata-incompatible',
      `The metadata database has schema version ${version}; this program knows versions up to ${MIGRATIONS.length}. Run a newer Granary.`,
    );
  }
  if (version === MIGRATIONS.length) return;
  for (const step of MIGRATIONS.slice(version)) {
    for (const query of statements.steps(step)) await run(query);
  }
  const latest = { id: 1, version: MIGRATIONS.length };
  await run(
    statements.build(db =>
      db
        .insertInto('schema_version')
        .values(latest)
        .onConflict(conflict => conflict.column('id').doUpdateSet({ version: latest.version }))
        .compile(),
    ),
  );
}
