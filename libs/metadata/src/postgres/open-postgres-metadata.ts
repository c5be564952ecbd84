import type { MetadataStore } from '../metadata-store.js';
import { SqlMetadataStore } from '../sql-metadata-store.js';
import { PostgresEngine } from './postgres-engine.js';
import { createPool, type PostgresOptions } from './postgres-pool.js';
import { prepareDatabase } from './prepare-database.js';

export type PostgresMetadataOptions = PostgresOptions;

/**
 * Metadata in PostgreSQL 14 or newer, for any number of API servers. Migrates the database.
 * Throws `metadata-incompatible`, `metadata-unavailable`.
 */
export async function openPostgresMetadata(options: PostgresMetadataOptions): Promise<MetadataStore> {
  await prepareDatabase(options.url);
  const changes = createPool(options, 'granary changes');
  const reads = createPool(options, 'granary reads');
  return new SqlMetadataStore(new PostgresEngine(changes, reads));
}
