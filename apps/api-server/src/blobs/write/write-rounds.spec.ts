import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { newBlobId, type BlobId } from '#metadata';
import { BlobCluster } from '../testing/blob-cluster.js';
import { sampleBytes } from '../testing/sample-bytes.js';
import { WriteRounds } from './write-rounds.js';

/** Writes that end by command, and the leaders they were given. */
class Writes {
  readonly rounds = new WriteRounds(128);
  readonly leaders: BlobId[] = [];
  readonly ids: BlobId[] = [];
  readonly ends: (() => void)[] = [];

  begin(count: number): Promise<unknown>[] {
    return Array.from({ length: count }, () => {
      const id = newBlobId();
      this.ids.push(id);
      return this.rounds.join(id, leader => {
        this.leaders.push(leader);
        return new Promise<void>(resolve => this.ends.push(resolve));
      });
    });
  }

  endAll(): void {
    for (const end of this.ends.splice(0)) end();
  }
}

function throwAtOnce(): never {
  throw new Error('not even begun');
}

async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
}

describe('rounds of writes', () => {
  it('let those that come while one is under way go together after it, with the first of them in the lead', async () => {
    const writes = new Writes();
    const [first] = writes.begin(1);
    await turns();
    expect(writes.leaders).toEqual([writes.ids[0]]);
    const second = writes.begin(3);
    writes.endAll();
    await first;
    await turns();
    expect(writes.leaders.slice(1)).toEqual(Array.from({ length: 3 }, () => writes.ids[1]));
    writes.endAll();
    await Promise.all(second);
  });

  describe('behind a round of three', () => {
    let writes: Writes;
    beforeEach(async () => {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate'] });
      writes = new Writes();
      const three = writes.begin(3);
      await turns();
      writes.endAll();
      await Promise.all(three);
    });
    afterEach(() => void jest.useRealTimers());

    it('wait for as many', async () => {
      void writes.begin(2);
      jest.advanceTimersByTime(3);
      await turns();
      expect(writes.leaders).toHaveLength(3);
      void writes.begin(1);
      await turns();
      expect(writes.leaders.slice(3)).toEqual(Array.from({ length: 3 }, () => writes.ids[3]));
    });

    it('have waited then: nobody else begins before they are done', async () => {
      void writes.begin(2);
      void writes.begin(1);
      await turns();
      expect(writes.leaders).toHaveLength(6);
      void writes.begin(1);
      jest.advanceTimersByTime(5);
      await turns();
      expect(writes.leaders).toHaveLength(6);
    });

    it('wait a moment for those that do not come back, each time', async () => {
      void writes.begin(2);
      jest.advanceTimersByTime(4);
      await turns();
      expect(writes.leaders).toHaveLength(5);
      writes.endAll();
      await turns();
      void writes.begin(1);
      await turns();
      expect(writes.leaders).toHaveLength(5);
      jest.advanceTimersByTime(4);
      await turns();
      expect(writes.leaders).toHaveLength(6);
    });

    it('wait only a moment for those that do not come back, and the next then for nobody', async () => {
      void writes.begin(1);
      jest.advanceTimersByTime(4);
      await turns();
      expect(writes.leaders).toHaveLength(4);
      writes.endAll();
      await turns();
      void writes.begin(1);
      await turns();
      expect(writes.leaders).toHaveLength(5);
    });
  });

  it('do not wait for a round that hangs', async () => {
    const writes = new Writes();
    void writes.begin(1);
    await turns();
    const ids = writes.ids.length;
    void writes.begin(1);
    // Fails by never ending.
    while (writes.leaders.length < 2) await new Promise(resolve => setTimeout(resolve, 1));
    expect(writes.leaders[1]).toBe(writes.ids[ids]);
  });

  it('go on behind one that throws before it has begun', async () => {
    const rounds = new WriteRounds(128);
    await expect(rounds.join(newBlobId(), throwAtOnce)).rejects.toThrow('not even begun');
    await expect(rounds.join(newBlobId(), async () => 'written')).resolves.toBe('written');
  });

  it('are no larger than they may be', async () => {
    const rounds = new WriteRounds(2);
    const leaders: BlobId[] = [];
    const writes = Array.from({ length: 5 }, () => rounds.join(newBlobId(), async leader => leaders.push(leader)));
    await Promise.all(writes);
    expect(new Set(leaders).size).toBe(3);
  });

  it('are bounded in size, and settle each write as it does', async () => {
    const rounds = new WriteRounds(128);
    const leaders = new Set<BlobId>();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, index) =>
        rounds.join(newBlobId(), async leader => {
          leaders.add(leader);
          if (index % 3 === 0) throw new Error(`${index}`);
          return index;
        }),
      ),
    );
    expect(leaders.size).toBe(3);
    outcomes.forEach((outcome, index) => {
      if (outcome.status === 'rejected')
        expect([index % 3, (outcome.reason as Error).message]).toEqual([0, `${index}`]);
      else expect(outcome.value).toBe(index);
    });
  });

  it('send tiny blobs that come together to the same servers, and one after the other to all', async () => {
    const cluster = new BlobCluster();
    const together = await Promise.all(
      Array.from({ length: 20 }, (_, index) => cluster.put(sampleBytes(1000, index), 'copies:3')),
    );
    const servers = (blob: (typeof together)[number]): string => [...blob.layout.servers].toSorted().join();
    expect(new Set(together.map(servers)).size).toBe(1);
    const alone = new Set<string>();
    for (let index = 0; index < 100; index += 1) {
      for (const server of servers(await cluster.put(sampleBytes(1000, 100 + index), 'copies:3')).split(',')) {
        alone.add(server);
      }
    }
    expect(alone.size).toBe(6);
  });

  it('leave larger blobs to go their own way', async () => {
    const cluster = new BlobCluster();
    const together = await Promise.all(
      Array.from({ length: 40 }, (_, index) => cluster.put(sampleBytes(4097, index), 'copies:3')),
    );
    expect(new Set(together.flatMap(blob => blob.layout.servers)).size).toBe(6);
  });
});
