/**
 * `npm run bench:direct-writes`: what it costs to write and sync large objects past the page cache and
 * through it, in turns, by the code that data servers use. Each round writes new files, and removes them.
 *
 *   --directory path   on the disk to be measured; default: the system's temporary directory
 *   --megabytes n      of one object; default 16
 *   --objects n        in each round; default 256: fewer fit into memory that the kernel has just used
 *   --rounds n         default 3
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { transferBuffers } from '#storage';
import { ObjectFile, nodeDisk, type Disk } from '#storage/file';

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: tmpdir() },
    megabytes: { type: 'string', default: '16' },
    objects: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '3' },
  },
});
const objectBytes = Number(values.megabytes) * 1024 * 1024;
const objects = Number(values.objects);

const disk = nodeDisk({ fsync: true, maxCallsInFlight: 8 });
const ways: { name: string; disk: Disk }[] = [
  { name: 'through the page cache', disk: { ...disk, openDirect: async () => undefined } },
  { name: 'past the page cache', disk },
];

for (let round = 1; round <= Number(values.rounds); round += 1) {
  for (const way of ways) console.log(`round ${round}  ${way.name.padEnd(24)}${await measure(way.disk)}`);
}

async function measure(on: Disk): Promise<string> {
  const directory = await mkdtemp(join(values.directory, 'granary-direct-writes-'));
  try {
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    for (let index = 0; index < objects; index += 1) await writeObject(on, join(directory, `${index}`));
    const seconds = (performance.now() - startedMs) / 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    const bytes = objects * objectBytes;
    const nsPerByte = ((user + system) * 1000) / bytes;
    return `${nsPerByte.toFixed(2)} ns of CPU per byte  ${(bytes / seconds / 1e6).toFixed(0)} MB/s`;
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function writeObject(on: Disk, path: string): Promise<void> {
  const buffer = transferBuffers.take().fill(7);
  const file = await ObjectFile.create(on, path);
  for (let at = 0; at < objectBytes; at += buffer.length) await file.write(buffer, at);
  await file.sync();
  await file.close();
  transferBuffers.give(buffer);
}
