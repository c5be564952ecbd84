import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { MetadataStore } from '../metadata-store.js';
import { newCommitId, type BucketName } from '../model/ids.js';
import type { Versioning } from '../model/bucket.js';
import { bucketStats, current, freshBucket, name, put } from './fixtures.js';
import { plainListing } from './listing-cases.js';
import { ReferenceModel } from './reference-model.js';
import type { SuiteContext } from './store-under-test.js';

interface Real {
  stores: readonly [MetadataStore, MetadataStore];
  bucket: BucketName;
}

type Step = fc.AsyncCommand<ReferenceModel, Real>;

const KEYS = ['a', 'a/1', 'a/2', 'b/1'];

/** Any sequence of operations, at two API servers in turns, leaves the store as the model in memory. fast-check prints the seed of a failure. */
export function modelCases({ store, other }: SuiteContext): void {
  it('any sequence of operations ends as in the model', async () => {
    const versioning = fc.constantFrom<Versioning>('enabled', 'suspended', 'never');
    const key = fc.constantFrom(...KEYS);
    const content = fc.nat({ max: 3 }).map(String);
    const nth = fc.nat({ max: 5 });
    const steps = fc.commands(
      [
        fc.tuple(key, content).map(([key, content]) => putStep(key, content)),
        fc.tuple(key, content, fc.boolean()).map(([key, content, match]) => conditionalPut(key, content, match)),
        key.map(deleteStep),
        fc.tuple(key, nth).map(([key, index]) => deleteVersionStep(key, index)),
        key.map(readStep),
        fc.constantFrom('', 'a/').map(listStep),
        fc.constant(sweepStep()),
      ],
      { maxCommands: 30 },
    );
    await fc.assert(
      fc.asyncProperty(versioning, steps, async (versioning, commands) => {
        const bucket = await freshBucket(store(), versioning);
        const real = { stores: [store(), other()] as const, bucket };
        await fc.asyncModelRun(() => ({ model: new ReferenceModel(versioning), real }), commands);
      }),
      { numRuns: 30 },
    );
  });
}

/** Contents of one run are not those of another, or they would be shared. */
function of(bucket: BucketName, content: string): string {
  return `${content} in ${bucket}`;
}

let turn = 0;

function next({ stores }: Real): MetadataStore {
  turn += 1;
  return turn % 2 === 0 ? stores[0] : stores[1];
}

function putStep(key: string, content: string): Step {
  return step(`put(${key}, ${content})`, async (model, real) => {
    const result = await put(next(real), real.bucket, name(key), of(real.bucket, content));
    expect(result.deduplicated).toBe(model.put(key, of(real.bucket, content), result.versionId));
  });
}

function conditionalPut(key: string, content: string, match: boolean): Step {
  return step(`conditionalPut(${key}, ${content}, ${match ? 'If-Match' : 'If-None-Match'})`, async (model, real) => {
    const tag = of(real.bucket, content);
    const precondition = match ? { ifMatch: [tag] } : { ifNoneMatch: '*' as const };
    const putting = put(next(real), real.bucket, name(key), tag, { precondition });
    const present = model.current(key);
    if (match ? present === tag : present === undefined || present === 'deleted') {
      const result = await putting;
      expect(result.deduplicated).toBe(model.put(key, tag, result.versionId));
    } else await expect(putting).rejects.toMatchObject({ code: 'precondition-failed' });
  });
}

function deleteStep(key: string): Step {
  return step(`delete(${key})`, async (model, real) => {
    const result = await next(real).deleteObject({ commitId: newCommitId(), bucket: real.bucket, key: name(key) });
    expect(result.existed).toBe(![undefined, 'deleted'].includes(model.current(key)));
    model.remove(key, result.deleteMarker);
  });
}

function deleteVersionStep(key: string, index: number): Step {
  return step(`deleteVersion(${key}, ${index})`, async (model, real) => {
    const versionId = model.versionAt(key, index);
    if (versionId === undefined) return;
    const request = { commitId: newCommitId(), bucket: real.bucket, key: name(key), versionId };
    expect((await next(real).deleteVersion(request)).kind).toBe(model.removeVersion(key, versionId));
  });
}

function readStep(key: string): Step {
  return step(`read(${key})`, async (model, real) => {
    expect(await current(next(real), real.bucket, name(key))).toBe(model.current(key));
    const { entries } = await next(real).listVersions({ bucket: real.bucket, key: name(key) });
    expect(entries.map(entry => entry.kind !== 'prefix' && entry.versionId)).toEqual(model.versions(key));
  });
}

function listStep(prefix: string): Step {
  return step(`list(${prefix})`, async (model, real) => {
    const { entries } = await next(real).listObjects({ bucket: real.bucket, prefix, delimiter: '/' });
    const expected = plainListing(model.keys(), { prefix, delimiter: '/', after: undefined });
    expect(entries.map(entry => (entry.kind === 'prefix' ? `${entry.prefix} *` : entry.key))).toEqual(expected);
  });
}

function sweepStep(): Step {
  return step('sweep()', async (model, real) => {
    await new Promise(resolve => setTimeout(resolve, 3));
    const freed = await next(real).freeBlobs({ graceMs: 0, leaseMs: 60_000, limit: 1000 });
    await next(real).forgetBlobs(freed.map(({ id }) => id));
    model.sweep();
    expect(await bucketStats(next(real), real.bucket)).toMatchObject(model.stats());
  });
}

function step(name: string, run: Step['run']): Step {
  return { check: () => true, run, toString: () => name };
}
