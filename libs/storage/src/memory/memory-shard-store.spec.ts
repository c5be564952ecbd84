import { describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { ALL_ABILITIES, describeShardStore } from '../testing/index.js';
import { MemoryShardStore } from './memory-shard-store.js';

describeShardStore(
  'MemoryShardStore',
  async () => {
    const store = new MemoryShardStore();
    return { store, catalog: store, dispose: async () => {} };
  },
  ALL_ABILITIES,
);

describe('A full MemoryShardStore', () => {
  it('refuses what does not fit, and heals when something is removed', async () => {
    const store = new MemoryShardStore({ capacityBytes: 10 });
    const first = toObjectName('first');
    await store.put(first, Buffer.alloc(10), {});
    expect((await store.usage()).readOnlyReason).toBeDefined();
    await expect(store.put(toObjectName('second'), Buffer.alloc(1), {})).rejects.toMatchObject({
      code: 'storage-full',
    });
    await store.remove(first, {});
    await store.put(toObjectName('second'), Buffer.alloc(1), {});
  });
});
