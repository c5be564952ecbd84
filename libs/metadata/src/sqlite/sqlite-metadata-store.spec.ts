import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeMetadataStore, patientThread } from '../testing/index.js';
import { openSqliteMetadata } from './open-sqlite-metadata.js';

describeMetadataStore('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'granary-metadata-'));
  const path = join(directory, 'data', 'metadata.db');
  const open = () => openSqliteMetadata({ path, ...patientThread });
  const stores = [await open(), await open()] as const;
  return {
    stores,
    dispose: async () => {
      await Promise.all(stores.map(store => store.close()));
      await rm(directory, { recursive: true });
    },
  };
});
