import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { viewOf } from '../harness/cluster.js';
import { LoopVolume } from '../harness/loop-volume.js';
import type { ServerProcess } from '../harness/server-process.js';
import { startSingleNode } from '../harness/single-node.js';
import { startStandalone } from '../harness/standalone.js';
import { waitUntil } from '../harness/wait-until.js';
import { AcknowledgedObjects, isLateDatabase, type AcknowledgedOptions } from './acknowledged-objects.js';

export interface PowerCycleOptions {
  cycles: number;
  /** A single node, or standalone: six data servers and their database on the one disk. Default: a single node. */
  store?: keyof typeof STORES;
  /** Additional environment of the server, e.g. STORAGE_FSYNC=off to see that the loop finds what is lost. */
  env?: Record<string, string>;
  progress?(line: string): void;
}

interface Store extends AcknowledgedOptions {
  volumeMiB: number;
  dataServers: number;
  start(directory: string, env: Record<string, string>): Promise<ServerProcess>;
}

const DATA_SERVERS = 6;

const STORES = {
  single: {
    volumeMiB: 1024,
    writers: 8,
    namesPerWriter: 25,
    sizes: [0, 100, 1_000, 4_000, 60_000, 70_000, 300_000, 1_500_000],
    dataServers: 0,
    start: (directory, env) => startSingleNode({ directory: join(directory, 'store'), env }),
  },
  // Every version is kept, so bodies are small and the volume is large; what was not written takes no space.
  standalone: {
    volumeMiB: 16 * 1024,
    writers: 8,
    namesPerWriter: 12,
    sizes: [0, 100, 4_000, 60_000, 140_000, 300_000],
    dataServers: DATA_SERVERS,
    start: (directory, env) =>
      startStandalone({
        directories: Array.from({ length: DATA_SERVERS }, (_, index) => join(directory, `store-${index + 1}`)),
        env: { METADATA_URL: `sqlite:${join(directory, 'metadata.db')}`, ...env },
      }),
  },
} satisfies Record<string, Store>;

const MAX_WRITING_MS = 1_200;
/** In each cycle, however slow the machine is. */
const MIN_WRITES = 12;

/**
 * Writers put, overwrite and delete objects over HTTP; at a random moment the file system under the
 * server loses its power; it is mounted again, the server started, and every name compared: what was
 * acknowledged before the cut must be there byte for byte, and what was in flight is old or new.
 */
export async function powerCycles(options: PowerCycleOptions): Promise<AcknowledgedObjects> {
  const store: Store = STORES[options.store ?? 'single'];
  const volume = await LoopVolume.create(store.volumeMiB);
  const objects = new AcknowledgedObjects(store);
  const server = await store.start(volume.path, { MIN_FREE_BYTES: '0', LOG_LEVEL: 'warn', ...options.env });
  try {
    await isWhole(server, store.dataServers);
    for (let cycle = 0; cycle < options.cycles; cycle++) {
      await writeUntilTheCut(server, volume, objects);
      await server.kill();
      await volume.remount();
      server.start();
      await isWhole(server, store.dataServers);
      await objects.compare(server.url);
      options.progress?.(`power cut ${cycle + 1}: ${String(objects)}`);
    }
  } finally {
    await server.kill();
    await volume.destroy();
  }
  return objects;
}

/** Ready, and so are the data servers in it: what it has can be read, and a write finds its quorum. */
async function isWhole(server: ServerProcess, dataServers: number): Promise<void> {
  await server.ready();
  if (dataServers === 0) return;
  await waitUntil('its data servers are ready', 60_000, async () => {
    const ready = (await viewOf(server.url)).filter(({ state }) => state === 'ready');
    return ready.length === dataServers;
  });
}

async function writeUntilTheCut(
  server: ServerProcess,
  volume: LoopVolume,
  objects: AcknowledgedObjects,
): Promise<void> {
  const cut = new AbortController();
  const writesBefore = objects.writes;
  const writers = objects.writeUntil(cut.signal, () => server.url, isLateDatabase);
  await Promise.race([sleep(200 + Math.random() * (MAX_WRITING_MS - 200)), writers]);
  await Promise.race([objects.untilWritten(writesBefore + MIN_WRITES), writers]);
  // An answer that arrives after this line counts as in flight, so no acknowledgement is believed that came after the cut.
  cut.abort();
  await volume.cutPower();
  await writers;
}
