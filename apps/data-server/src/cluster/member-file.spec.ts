import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLogger } from '#telemetry';
import { MemberFile } from './member-file.js';

describe('MemberFile', () => {
  let directory: string;
  let path: string;
  const servers = [{ serverId: 'a', address: 'a:1', lastSeenAtMs: 1000 }];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-members-'));
    path = join(directory, 'members.json');
  });

  afterEach(() => rm(directory, { recursive: true }));

  it('keeps the members across restarts', async () => {
    const file = new MemberFile(path, silentLogger);
    expect(await file.load()).toEqual([]);
    await file.save(servers);
    expect(await new MemberFile(path, silentLogger).load()).toEqual(servers);
    expect(await readdir(directory)).toEqual(['members.json']);
  });

  it('writes only when something that matters has changed', async () => {
    const file = new MemberFile(path, silentLogger);
    await file.save(servers);
    await writeFile(path, 'untouched');
    await file.save([{ serverId: 'a', address: 'a:1', lastSeenAtMs: 2000 }]);
    expect(await readFile(path, 'utf8')).toBe('untouched');
    await file.save([{ serverId: 'a', address: 'a:2', lastSeenAtMs: 2000 }]);
    expect(await file.load()).toEqual([{ serverId: 'a', address: 'a:2', lastSeenAtMs: 2000 }]);
  });

  it('is as good as empty when it is corrupt', async () => {
    for (const text of ['', '{', '{"servers":[{}]}', '\0\0']) {
      await writeFile(path, text);
      expect(await new MemberFile(path, silentLogger).load()).toEqual([]);
    }
  });

  it('outlives a directory that takes nothing', async () => {
    const file = new MemberFile(join(directory, 'absent', 'members.json'), silentLogger);
    await file.save(servers);
    expect(await file.load()).toEqual([]);
  });
});
