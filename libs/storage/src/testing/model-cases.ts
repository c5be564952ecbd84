import { expect } from '@jest/globals';
import fc from 'fast-check';
import type { ObjectName } from '#contracts';
import type { ShardStore } from '../shard-store.js';
import type { SuiteContext } from './store-under-test.js';
import { bytesOf, freshKey, readAll, writeObject } from './fixtures.js';

/** What must be in the store: bytes by key. */
type Model = Map<ObjectName, Buffer>;
type Step = fc.AsyncCommand<Model, ShardStore>;

/** Any sequence of operations leaves the store as a plain Map would be. fast-check prints the seed of a failure. */
export function modelCases({ store, itIf }: SuiteContext): void {
  itIf('remove')('any sequence of operations ends as in a Map', async () => {
    const slot = fc.nat({ max: 3 });
    const seed = fc.nat({ max: 1000 });
    const length = fc.oneof(fc.nat({ max: 3000 }), fc.integer({ min: 65_000, max: 140_000 }));
    const steps = fc.commands(
      [
        fc.tuple(slot, length, seed).map(([key, bytes, from]) => write(key, bytesOf(bytes, from))),
        fc.tuple(slot, length, seed).map(([key, bytes, from]) => writeIfAbsent(key, bytesOf(bytes, from))),
        fc.tuple(slot, length).map(([key, bytes]) => writeAndAbort(key, bytesOf(bytes))),
        slot.map(read),
        slot.map(remove),
      ],
      { maxCommands: 40 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async commands => {
        keys = Array.from({ length: 4 }, () => freshKey('model'));
        await fc.asyncModelRun(() => ({ model: new Map(), real: store() }), commands);
      }),
      { numRuns: 25 },
    );
  });
}

let keys: ObjectName[] = [];

function keyOf(slot: number): ObjectName {
  return keys[slot] ?? freshKey();
}

function write(slot: number, bytes: Buffer): Step {
  return step(`write(${slot}, ${bytes.length})`, async (model, real) => {
    await writeObject(real, keyOf(slot), bytes, { length: bytes.length });
    model.set(keyOf(slot), bytes);
  });
}

function writeIfAbsent(slot: number, bytes: Buffer): Step {
  return step(`writeIfAbsent(${slot}, ${bytes.length})`, async (model, real) => {
    const writing = writeObject(real, keyOf(slot), bytes, { precondition: { ifNoneMatch: '*' } });
    if (model.has(keyOf(slot))) await expect(writing).rejects.toMatchObject({ code: 'precondition-failed' });
    else {
      await writing;
      model.set(keyOf(slot), bytes);
    }
  });
}

function writeAndAbort(slot: number, bytes: Buffer): Step {
  return step(`writeAndAbort(${slot}, ${bytes.length})`, async (_model, real) => {
    const writer = await real.create(keyOf(slot), {});
    await writer.write(bytes);
    await writer.abort();
  });
}

function read(slot: number): Step {
  return step(`read(${slot})`, async (model, real) => {
    const reader = await real.open(keyOf(slot));
    const expected = model.get(keyOf(slot));
    expect(reader?.info.size).toBe(expected?.length);
    if (reader === undefined || expected === undefined) return;
    expect((await readAll(reader)).equals(expected)).toBe(true);
    await reader.close();
  });
}

function remove(slot: number): Step {
  return step(`remove(${slot})`, async (model, real) => {
    expect((await real.remove(keyOf(slot), {})).existed).toBe(model.delete(keyOf(slot)));
  });
}

function step(name: string, run: Step['run']): Step {
  return { check: () => true, run, toString: () => name };
}
