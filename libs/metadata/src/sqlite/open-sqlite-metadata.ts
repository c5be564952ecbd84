import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DEADLINE_MS } from '../engine.js';
import type { MetadataStore } from '../metadata-store.js';
import { SqlMetadataStore } from '../sql-metadata-store.js';
import { CommitQueue, type CommitQueueOptions } from './commit-queue.js';
import { openReader } from './open-connection.js';
import { SqliteEngine } from './sqlite-engine.js';
import { sqliteOpenFailure } from './sqlite-failure.js';
import { waitForLock } from './wait-for-lock.js';

export type SqliteMetadataOptions = CommitQueueOptions;

/**
 * Metadata in one SQLite file, for any number of processes of one machine (never over a network file
 * system: SQLite's log needs shared memory). Makes the file and its directory, and migrates it.
 * Throws `metadata-incompatible`, `metadata-unavailable`.
 */
export async function openSqliteMetadata(options: SqliteMetadataOptions): Promise<MetadataStore> {
  await mkdir(dirname(options.path), { recursive: true });
  const commits = new CommitQueue(options);
  await commits.open();
  try {
    const reader = await waitForLock(DEADLINE_MS, () => openReader(options.path));
    return new SqlMetadataStore(new SqliteEngine(commits, reader));
  } catch (error) {
    await commits.close();
    throw sqliteOpenFailure(options.path, error);
  }
}
