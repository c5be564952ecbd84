import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { SYNCS_WRITES } from '#storage/file';
import { startBroker, type Broker } from '../../tools/broker.js';
import { apiServer, Cluster, dataServer, saysThatItIsFull } from '../harness/cluster.js';
import { del, get, problemCode, put, type Answer } from '../harness/http.js';
import { injectFaults } from '../harness/inject-faults.js';
import { it } from '../harness/it.js';
import { loadFor, writeAndRead } from '../harness/load.js';
import { mountTmpfs, unmountAll } from '../harness/mounts.js';
import { endAllServers, type ServerProcess } from '../harness/server-process.js';
import { startSingleNode } from '../harness/single-node.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';
import { requireTool } from '../harness/tools.js';
import { waitUntil } from '../harness/wait-until.js';

const MIB = 1024 * 1024;
const SIZES = [1_000, 3_000_000];

afterEach(async () => {
  await endAllServers();
  unmountAll();
});
afterAll(() => removeTempDirectories());

describe('full disks', () => {
  let broker: Broker;
  beforeAll(async () => {
    broker = await startBroker();
  });
  afterAll(() => broker.stop());

  it('one (row 8): no client fails, and the view says which server is read-only and why', async () => {
    const small = mountTmpfs('size=64m');
    const env = { MIN_FREE_BYTES: '16MiB' };
    const cluster = await Cluster.start({ brokerUrl: broker.url, dataServers: 3, env });
    const full = await dataServer({ brokerUrl: broker.url, env, directories: ['', '', '', join(small, 'store')] }, 3);
    await full.ready();
    for (const api of cluster.apis) await cluster.sees(api.url, [full.address]);
    const names = Array.from({ length: 40 }, (_, index) => `before-${index}`);
    for (const name of names) await put(`${cluster.api()}/objects/${name}`, name);

    writeFileSync(join(small, 'ballast'), Buffer.alloc(50 * MIB));
    const result = await loadFor(
      8_000,
      writeAndRead('one-full', serial => cluster.api(serial)),
    );
    expect(result.failures).toEqual([]);
    await saysThatItIsFull(cluster.api(), full.address);
    for (const [index, name] of names.entries()) {
      expect((await get(`${cluster.api()}/objects/${name}`)).body.toString()).toBe(name);
      expect((await put(`${cluster.api()}/objects/${name}`, 'newer')).status).toBe(200);
      expect((await get(`${cluster.api(index)}/objects/${name}`)).body.toString()).toBe('newer');
      expect(await cluster.holders(name)).toHaveLength(1);
    }

    rmSync(join(small, 'ballast'));
    await cluster.sees(cluster.api(), [full.address], 10_000);
  });

  it('all (row 9): 507, nothing partial; GET and DELETE work; heals within 5 s of space', async () => {
    const small = mountTmpfs('size=80m');
    const env = { MIN_FREE_BYTES: '8MiB' };
    const only = await dataServer({ brokerUrl: broker.url, env, directories: [join(small, 'store')] }, 0);
    const api = await apiServer({ brokerUrl: broker.url, env }, 0);
    await Promise.all([only.ready(), api.ready()]);
    await waitUntil('a PUT works', 15_000, async () => (await put(`${api.url}/objects/kept`, 'kept')).status === 200);
    await put(`${api.url}/objects/deleted`, 'x');

    const tooLarge = await put(`${api.url}/objects/too-large`, Readable.from(megabytes(100)));
    expectFull(tooLarge);
    await waitUntil('what came of it is gone', 10_000, () => freeBytes(small) > 72 * MIB);
    writeFileSync(join(small, 'ballast'), Buffer.alloc(70 * MIB));
    // Free space is looked at from time to time; what is stored until then is stored whole. It was full before, too.
    await sleep(6_000);
    await saysThatItIsFull(api.url, only.address);
    for (const size of SIZES) {
      expectFull(await put(`${api.url}/objects/refused`, Buffer.alloc(size)));
      expectFull(await put(`${api.url}/objects/kept`, Buffer.alloc(size)));
    }
    for (const name of ['too-large', 'refused']) expect((await get(`${api.url}/objects/${name}`)).status).toBe(404);
    expect((await get(`${api.url}/objects/kept`)).body.toString()).toBe('kept');
    expect((await del(`${api.url}/objects/deleted`)).status).toBe(204);

    rmSync(join(small, 'ballast'));
    const healedMs = await waitUntil('PUTs work again', 10_000, async () => {
      return (await put(`${api.url}/objects/healed`, Buffer.alloc(3_000_000))).status === 200;
    });
    expect(healedMs).toBeLessThan(5_500);
  });

  it('to the last byte or inode, on a single node (row 9): 507, old objects whole, also after a restart', async () => {
    for (const options of ['size=40m', 'size=400m,nr_inodes=60']) {
      const small = mountTmpfs(options);
      const server = await startSingleNode({ directory: join(small, 'store'), env: { MIN_FREE_BYTES: '0' } });
      const stored = new Map<string, Buffer>();
      let refused: Answer | undefined;
      for (let index = 0; index < 400 && refused === undefined; index++) {
        const bytes = randomBytes(index % 2 === 0 ? 300_000 : 30_000);
        const answer = await put(`${server.url}/objects/fill-${index}`, bytes);
        if (answer.status === 200) stored.set(`fill-${index}`, bytes);
        else refused = answer;
      }
      if (refused === undefined) throw new Error(`400 objects fitted into ${options}`);
      expectFull(refused);
      const [first = ''] = stored.keys();
      expectFull(await put(`${server.url}/objects/${first}`, randomBytes(30 * MIB)));
      await expectAll(server, stored);
      await server.restart();
      await expectAll(server, stored);
      expect((await del(`${server.url}/objects/${first}`)).status).toBe(204);
      await server.stop();
    }
  });
});

describe('a disk that fails (row 10)', () => {
  // Positional reads and writes are those of files; sockets have none.
  const faults: [string, string][] = [
    ['fsync', 'fsync,fdatasync:error=EIO'],
    ['write', 'pwrite64,pwritev,pwritev2:error=EIO'],
    ['rename', 'rename,renameat,renameat2,link,linkat:error=EIO'],
  ];
  for (const [what, inject] of faults) {
    it(`at ${what}: nothing is acknowledged, nothing is left, and it works again when the disk does`, async () => {
      const directory = join(tempDirectory('store'), 'store');
      const server = await startSingleNode({ directory });
      const stored = new Map<string, Buffer>();
      for (const size of SIZES) {
        const bytes = randomBytes(size);
        await put(`${server.url}/objects/old-${size}`, bytes);
        stored.set(`old-${size}`, bytes);
      }
      const detach = await injectFaults(server, inject);
      const refused: Answer[] = [];
      for (const size of SIZES) {
        const fresh = await put(`${server.url}/objects/new-${size}`, randomBytes(size));
        const over = await put(`${server.url}/objects/old-${size}`, randomBytes(size));
        refused.push(...[fresh, over].filter(answer => answer.status !== 200));
        // A small object is renamed never, and synced by its write where the file system can do that.
        const isSpared = what === 'rename' || (what === 'fsync' && SYNCS_WRITES.has(statfsSync(directory).type));
        if (fresh.status === 200) expect([isSpared, size]).toEqual([true, 1_000]);
        else expect((await get(`${server.url}/objects/new-${size}`)).status).toBe(404);
        if (over.status === 200) stored.delete(`old-${size}`);
      }
      await detach();
      expect(refused.length).toBeGreaterThan(0);
      for (const answer of refused) expect([answer.status, problemCode(answer)]).toEqual([500, 'storage-failed']);
      await expectAll(server, stored);
      await waitUntil('PUTs work again', 10_000, async () => {
        const answers = await Promise.all(
          SIZES.map(size => put(`${server.url}/objects/again-${size}`, Buffer.alloc(size))),
        );
        return answers.every(({ status }) => status === 200);
      });
      await server.restart();
      await expectAll(server, stored);
      for (const size of SIZES) expect((await get(`${server.url}/objects/again-${size}`)).body.length).toBe(size);
      await server.stop();
    });
  }

  it('at read (row 11): an error or a broken connection, never bytes; and it works again', async () => {
    const directory = join(tempDirectory('store'), 'store');
    const server = await startSingleNode({ directory });
    for (const size of SIZES) await put(`${server.url}/objects/read-${size}`, randomBytes(size));
    const detach = await injectFaults(server, 'pread64,preadv,preadv2:error=EIO');
    for (const size of SIZES) {
      const read = await get(`${server.url}/objects/read-${size}`).catch(() => undefined);
      if (read !== undefined) expect(read.status).toBeGreaterThanOrEqual(500);
    }
    await detach();
    for (const size of SIZES) expect((await get(`${server.url}/objects/read-${size}`)).body.length).toBe(size);
    await server.stop();
  });
});

describe('damage at rest (rows 11 to 13)', () => {
  it('flipped bits cost the object they hit and no other, while the server runs and after a restart', async () => {
    const directory = join(tempDirectory('store'), 'store');
    const server = await startSingleNode({ directory });
    const objects = new Map<string, Buffer>();
    for (let index = 0; index < 20; index++) {
      const bytes = randomBytes(index % 2 === 0 ? 5_000 : 700_000);
      objects.set(`flip-${index}`, bytes);
      await put(`${server.url}/objects/flip-${index}`, bytes);
    }
    for (const name of ['flip-4', 'flip-5']) {
      const bytes = objects.get(name) ?? Buffer.alloc(0);
      flipBit(directory, bytes.subarray(2_000, 2_032));
    }
    const expectHonest = async () => {
      for (const [name, bytes] of objects) {
        const read = await get(`${server.url}/objects/${name}`).catch(() => undefined);
        if (name === 'flip-4' || name === 'flip-5') expectDamaged(read);
        else expect([name, read?.body.equals(bytes)]).toEqual([name, true]);
      }
    };
    await expectHonest();
    const tail = await get(`${server.url}/objects/flip-5`, { Range: 'bytes=-1000' });
    if (tail.status === 206)
      expect(tail.body.equals(objects.get('flip-5')?.subarray(-1_000) ?? Buffer.alloc(0))).toBe(true);
    expect((await get(`${server.url}/metrics`)).body.toString()).toMatch(/^granary_\w*damaged\w*(\{[^}]*\})? [1-9]/m);
    await server.restart();
    await expectHonest();
    for (const name of ['flip-4', 'flip-5'])
      expect((await put(`${server.url}/objects/${name}`, 'again')).status).toBe(200);
    for (const name of ['flip-4', 'flip-5'])
      expect((await get(`${server.url}/objects/${name}`)).body.toString()).toBe('again');
    await server.stop();
  });

  const harms: [string, (files: string[]) => void][] = [
    ['truncated', ([first = '']) => truncateSync(first, Math.floor(statSync(first).size / 2))],
    ['emptied', ([first = '']) => truncateSync(first, 0)],
    ['missing', ([first = '']) => rmSync(first)],
    [
      "swapped with another's",
      ([first = '', second = '']) => {
        copyFileSync(first, `${first}.swap`);
        copyFileSync(second, first);
        copyFileSync(`${first}.swap`, second);
        rmSync(`${first}.swap`);
      },
    ],
  ];
  for (const [what, harm] of harms) {
    it(`a file ${what}: never other bytes, and the rest is served`, async () => {
      const directory = join(tempDirectory('store'), 'store');
      const server = await startSingleNode({ directory });
      const objects = new Map<string, Buffer>();
      for (let index = 0; index < 6; index++) {
        const bytes = randomBytes(500_000);
        objects.set(`harm-${index}`, bytes);
        await put(`${server.url}/objects/harm-${index}`, bytes);
      }
      const files = ['harm-0', 'harm-1'].map(name => fileWith(directory, objects.get(name)?.subarray(0, 32)));
      harm(files);
      const expectHonest = async () => {
        for (const [name, bytes] of objects) {
          const read = await get(`${server.url}/objects/${name}`).catch(() => undefined);
          if (read?.status === 200) expect([name, digest(read.body)]).toEqual([name, digest(bytes)]);
          else expect(['harm-0', 'harm-1']).toContain(name);
        }
      };
      await expectHonest();
      await server.restart();
      await expectHonest();
      expect((await put(`${server.url}/objects/harm-0`, 'again')).status).toBe(200);
      expect((await get(`${server.url}/objects/harm-0`)).body.toString()).toBe('again');
      await server.stop();
    });
  }
});

describe('descriptors exhausted (row 17)', () => {
  it('503 or a closed connection, then it recovers', async () => {
    const server = await startSingleNode();
    execFileSync(await requireTool('prlimit'), [`--pid=${server.pid}`, '--nofile=128']);
    await put(`${server.url}/objects/wanted`, randomBytes(3_000_000));
    const [host = '', port] = server.address.split(':');
    const sockets: Socket[] = [];
    for (let index = 0; index < 300; index++) {
      const socket = connect(Number(port), host, () => socket.write('GET /objects/wanted HTTP/1.1\r\nHost: x\r\n\r\n'));
      socket.on('error', () => undefined).pause();
      sockets.push(socket);
    }
    await sleep(2_000);
    expect(server.isRunning).toBe(true);
    const meanwhile = await put(`${server.url}/objects/meanwhile`, 'x').catch(() => undefined);
    if (meanwhile !== undefined) expect([200, 503]).toContain(meanwhile.status);
    for (const socket of sockets) socket.destroy();
    const after = randomBytes(3_000_000);
    await waitUntil('it serves and takes objects again', 20_000, async () => {
      const served = await get(`${server.url}/objects/wanted`);
      const stored = await put(`${server.url}/objects/after`, after);
      return served.status === 200 && stored.status === 200;
    });
    expect((await get(`${server.url}/objects/after`)).body.equals(after)).toBe(true);
    await server.stop();
  });
});

function expectFull(answer: Answer): void {
  expect([answer.status, problemCode(answer)]).toEqual([507, 'storage-full']);
}

/** An honest refusal, or a connection that broke. */
function expectDamaged(answer: Answer | undefined): void {
  if (answer !== undefined) expect([answer.status, problemCode(answer)]).toEqual([500, 'object-damaged']);
}

async function expectAll(server: ServerProcess, objects: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [name, bytes] of objects) {
    const read = await get(`${server.url}/objects/${name}`);
    expect([name, read.status, digest(read.body)]).toEqual([name, 200, digest(bytes)]);
  }
}

/** The file that holds these bytes. */
function fileWith(directory: string, pattern: Buffer | undefined): string {
  for (const name of readdirSync(directory, { recursive: true })) {
    const path = join(directory, String(name));
    if (statSync(path).isFile() && readFileSync(path).includes(pattern ?? '')) return path;
  }
  throw new Error('no file holds those bytes');
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

function flipBit(directory: string, pattern: Buffer): void {
  const path = fileWith(directory, pattern);
  const bytes = readFileSync(path);
  const at = bytes.indexOf(pattern);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes, { flag: 'r+' });
}

function* megabytes(count: number): Generator<Buffer> {
  const chunk = randomBytes(MIB);
  for (let index = 0; index < count; index++) yield chunk;
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
