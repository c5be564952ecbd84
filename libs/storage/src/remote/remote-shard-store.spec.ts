import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HTTP_SERVER_OPTIONS, createObjectEndpoint, hardenServer } from '#http';
import { silentLogger } from '#telemetry';
import { FileShardStore, openStorageDirectory } from '../file/index.js';
import { MemoryShardStore } from '../memory/index.js';
import type { ShardStore } from '../shard-store.js';
import { ALL_ABILITIES, describeShardStore, type StoreUnderTest } from '../testing/index.js';
import { PATIENT } from '../testing/patient.js';
import { RemoteStores } from './remote-stores.js';

describeShardStore('RemoteShardStore before a memory store', () => reach(new MemoryShardStore(), async () => {}), {
  ...ALL_ABILITIES,
  catalog: false,
});

describeShardStore(
  'RemoteShardStore before a file store',
  async () => {
    const path = await mkdtemp(join(tmpdir(), 'granary-remote-'));
    const store = await FileShardStore.open(await openStorageDirectory(path));
    return reach(store, async () => {
      await store.close();
      await rm(path, { recursive: true });
    });
  },
  { ...ALL_ABILITIES, catalog: false },
);

async function reach(store: ShardStore, disposeStore: () => Promise<void>): Promise<StoreUnderTest> {
  const server = await serve(store);
  const { port } = server.address() as AddressInfo;
  const stores = new RemoteStores(PATIENT);
  return {
    store: stores.storeAt(`127.0.0.1:${port}`, 'granary'),
    dispose: async () => {
      stores.close();
      await new Promise(resolve => server.close(resolve));
      await disposeStore();
    },
  };
}

/** A data server, as far as objects go. */
async function serve(store: ShardStore): Promise<Server> {
  const logger = silentLogger;
  const answer = createObjectEndpoint(store, {
    maxObjectSizeBytes: 2 ** 40,
    trustGranaryHeaders: true,
    logger,
  });
  const server = createServer(HTTP_SERVER_OPTIONS, (req, res) => void answer(req, res));
  hardenServer(server, { logger });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return server;
}
