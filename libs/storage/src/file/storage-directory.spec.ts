import { spawn } from 'node:child_process';
import { link, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DirectoryLocked } from './directory-lock.js';
import { StorageDirectoryRefused, openStorageDirectory } from './storage-directory.js';

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'granary-directory-'));
});
afterEach(() => rm(path, { recursive: true, force: true }));

describe('openStorageDirectory', () => {
  it('makes an identity once, and finds it again', async () => {
    const nested = join(path, 'not', 'there', 'yet');
    const first = await openStorageDirectory(nested);
    expect(first.created).toBe(true);
    await first.close();
    const again = await openStorageDirectory(nested, { expectedServerId: first.serverId });
    expect(again).toMatchObject({ serverId: first.serverId, created: false });
    await again.close();
    expect(await readdir(nested)).toEqual(['server.json']);
  });

  it('refuses a second use, and says whose it is', async () => {
    const holder = await openStorageDirectory(path);
    const second = openStorageDirectory(path);
    await expect(second).rejects.toThrow(DirectoryLocked);
    await expect(second).rejects.toThrow(holder.serverId);
    await expect(second).rejects.toThrow(String(process.pid));
    await holder.close();
    await (await openStorageDirectory(path)).close();
  });

  it('lets exactly one of many have it', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => openStorageDirectory(path)));
    const winners = results.filter(result => result.status === 'fulfilled');
    expect(winners.length).toBeLessThanOrEqual(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(DirectoryLocked);
    for (const winner of winners) await winner.value.close();
    await (await openStorageDirectory(path)).close();
  });

  it('takes over from a process that was killed', async () => {
    await mkdir(path, { recursive: true });
    const socket = join(path, 'lock-7.sock');
    const script = `require('net').createServer().listen(${JSON.stringify(socket)}, () => console.log('listening'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise(resolve => child.stdout.once('data', resolve));
    await expect(openStorageDirectory(path)).rejects.toThrow(DirectoryLocked);
    child.kill('SIGKILL');
    await new Promise(resolve => child.once('exit', resolve));
    await (await openStorageDirectory(path)).close();
    expect(await readdir(path)).toEqual(['server.json']);
  });

  it('works where the path is too long for a socket', async () => {
    const long = join(path, 'x'.repeat(120));
    const holder = await openStorageDirectory(long);
    await expect(openStorageDirectory(long)).rejects.toThrow(holder.serverId);
    await holder.close();
  });

  it("refuses another server's directory, naming both", async () => {
    const { serverId, close } = await openStorageDirectory(path);
    await close();
    const refused = openStorageDirectory(path, { expectedServerId: 'somebody-else' });
    await expect(refused).rejects.toThrow(StorageDirectoryRefused);
    await expect(refused).rejects.toThrow(new RegExp(`${serverId}.*somebody-else`));
    await (await openStorageDirectory(path)).close();
  });

  it.each([
    ['a directory with other things in it', 'holiday.jpg', 'x', 'holiday.jpg'],
    ['an identity that is no JSON', 'server.json', '{', 'not JSON'],
    ['an identity without an id', 'server.json', '{}', 'serverId'],
    ['a format that it does not know', 'server.json', '{"format":99,"serverId":"abc"}', 'abc.*99'],
  ])('refuses %s', async (_, name, content, message) => {
    await writeFile(join(path, name), content);
    await expect(openStorageDirectory(path)).rejects.toThrow(new RegExp(message));
    expect(await readFile(join(path, name), 'utf8')).toBe(content);
    expect(await readdir(path)).toEqual([name]);
  });

  it('takes an empty file system with lost+found for empty', async () => {
    await mkdir(join(path, 'lost+found'));
    await (await openStorageDirectory(path)).close();
  });

  it('waits for no holder that says nothing', async () => {
    const server = createServer(() => {});
    await new Promise<void>(resolve => server.listen(join(path, 'mute'), resolve));
    await link(join(path, 'mute'), join(path, 'lock-1.sock'));
    await rm(join(path, 'mute'));
    await expect(openStorageDirectory(path)).rejects.toThrow(DirectoryLocked);
    await new Promise(resolve => {
      server.close(resolve);
    });
  });
});
