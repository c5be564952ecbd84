import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SeededRandom } from '../harness/seeded-random.js';
import type { ServerProcess } from '../harness/server-process.js';

/** So often a bit is flipped in a file: each record of a few KiB in a pack is hit, and each large shard often. */
const STRIDE_BYTES = 2_048;

/** Where a data server keeps its shards. */
export function shardDirectory(server: ServerProcess): string {
  return join(server.options.env['STORAGE_ROOT'] ?? '', 'shards');
}

/** The files that hold large shards, one each. */
export function largeShardFiles(server: ServerProcess): string[] {
  return filesUnder(join(shardDirectory(server), 'objects'));
}

/** Flips bits all over the shards of a data server, running or not, as a disk that rots. Returns how many. */
export function damageShards(server: ServerProcess, random: SeededRandom): number {
  const files = [...largeShardFiles(server), ...filesUnder(join(shardDirectory(server), 'packs'))];
  return files.reduce((flips, path) => flips + flipBits(path, random), 0);
}

function flipBits(path: string, random: SeededRandom): number {
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  let flips = 0;
  for (let start = 0; start < size; start += STRIDE_BYTES, flips++) {
    const at = start + random.below(Math.min(STRIDE_BYTES, size - start));
    readSync(file, byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ (1 << random.below(8));
    writeSync(file, byte, 0, 1, at);
  }
  closeSync(file);
  return flips;
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));
}
