import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALL_ABILITIES, describeShardStore } from '../testing/index.js';
import { FileShardStore } from './file-shard-store.js';
import { openStorageDirectory } from './storage-directory.js';

describeShardStore(
  'FileShardStore',
  async () => {
    const path = await mkdtemp(join(tmpdir(), 'granary-file-'));
    const store = await FileShardStore.open(await openStorageDirectory(path));
    return {
      store,
      catalog: store,
      dispose: async () => {
        await store.close();
        await rm(path, { recursive: true });
      },
    };
  },
  ALL_ABILITIES,
);
