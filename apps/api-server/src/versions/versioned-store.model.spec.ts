import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { toObjectName, type ObjectName } from '#contracts';
import type { ObjectInfo } from '#http';
import { NATIVE_BUCKET, type MetadataStore } from '#metadata';
import { openSqliteMetadata } from '#metadata/sqlite';
import type { Precondition } from '#storage';
import { silentLogger } from '#telemetry';
import { patientThread } from '#metadata/testing';
import type { BlobStore } from '../blobs/blob-store.js';
import { HotBlobs } from '../blobs/read/hot-blobs.js';
import { redundancyFor } from '../blobs/redundancy-for.js';
import { BlobCluster } from '../blobs/testing/blob-cluster.js';
import type { Condition as ServerCondition } from '../blobs/testing/faulty-store.js';
import { listVersions } from './list-versions.js';
import { etagOf, VersionModel } from './testing/version-model.js';
import { openVersions } from './versions.module.js';
import type { VersionedStore } from './versioned-store.js';

/** Two API servers on one database and six data servers. One of them keeps small contents in memory, which must never show. */
interface Lane {
  stores: readonly [VersionedStore, VersionedStore];
  servers: BlobCluster;
  /** Begins all contents, since the lanes have data servers of their own but one database. */
  mark: string;
}
/** And what a run calls its names, so that runs do not meet. */
interface Real extends Lane {
  metadata: MetadataStore;
  run: string;
}
class ClusterModel extends VersionModel {
  /** Data servers that fail at present. */
  readonly lost = new Set<string>();
}
type Step = fc.AsyncCommand<ClusterModel, Real>;
type Condition = 'none' | 'new' | 'any' | 'current' | 'other';

/** No version has it: they are counted from 1. */
const ABSENT_VERSION = '00000000000';
const LANES = 20;
const RUNS_PER_LANE = 100;

/** Small enough that a run costs nothing: what is longer is erasure-coded, and may be of two segments. */
/** Room for a few, so that they are evicted too. */
const HOT_BYTES = 8_000;
const SETTINGS = { smallSegmentBytes: 1000, segmentSizeBytes: 2000 };
const SERVERS = ['s0', 's1', 's2', 's3', 's4', 's5'];

/**
 * Any sequence of puts, deletions and reads, conditional or not, at two API servers in turns, while data
 * servers fail and come back, leaves what the model in memory has, and reads it. Two servers may be lost at
 * once; where contents are erasure-coded one, since what is written with 4+2 while a server is away lacks a
 * shard for good here, where nothing repairs. Runs go in lanes side by side, so that commits share the
 * disk's time; the seed of a failure is in its message, with the lane.
 */
describe('VersionedStore', () => {
  let directory: string;
  let metadata: MetadataStore;
  let lanes: Lane[];
  const seed = Date.now() & 0x7fffffff;
  let runs = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-versions-'));
    metadata = await openSqliteMetadata({ path: join(directory, 'metadata.db'), ...patientThread });
    lanes = Array.from({ length: LANES }, (_, index) => openLane(metadata, `${index}/`));
  });
  afterAll(async () => {
    await metadata.close();
    await rm(directory, { recursive: true });
  });

  it(`is what the model is (seed ${seed})`, async () => {
    const runLane = (lane: Lane, index: number) =>
      fc.assert(
        fc.asyncProperty(fc.oneof(stepsOnCopies, stepsOnSegments), async commands => {
          lane.servers.setCondition('up', SERVERS);
          const real = { ...lane, metadata, run: `${(runs += 1)}/` };
          await fc.asyncModelRun(() => ({ model: new ClusterModel(), real }), commands);
        }),
        { numRuns: RUNS_PER_LANE, seed: seed + index },
      );
    await Promise.all(lanes.map(runLane));
    expect(runs).toBeGreaterThanOrEqual(LANES * RUNS_PER_LANE);
  });
});

function openLane(metadata: MetadataStore, mark: string): Lane {
  const servers = new BlobCluster({ settings: SETTINGS });
  const open = (blobs: BlobStore) =>
    openVersions({
      metadata,
      blobs,
      redundancyFor: (asked, size) =>
        redundancyFor(asked, size <= SETTINGS.smallSegmentBytes ? 'small' : 'large', SERVERS.length),
      addressOf: () => 'x:1',
      logger: silentLogger,
    });
  return { stores: [open(servers.blobs).store, open(servers.openBlobs(new HotBlobs(HOT_BYTES))).store], servers, mark };
}

const name = fc.constantFrom('a', 'b');
const condition = fc.constantFrom<Condition>('none', 'none', 'new', 'any', 'current', 'other');
const server = fc.constantFrom(...SERVERS);
const failure = fc.constantFrom<ServerCondition>('dead', 'empty', 'damaged', 'truncated');

function steps(contents: readonly string[], mostLost: number) {
  const content = fc.constantFrom(...contents);
  const put = fc.tuple(name, content, condition, fc.boolean()).map(args => putStep(...args));
  return fc.commands(
    [
      put,
      put,
      fc.tuple(name, condition).map(args => deleteStep(...args)),
      fc.tuple(name, fc.nat(4)).map(args => deleteVersionStep(...args)),
      fc.tuple(name, fc.nat(4)).map(args => readVersionStep(...args)),
      name.map(readStep),
      name.map(listStep),
      fc.tuple(server, failure).map(args => loseStep(...args, mostLost)),
      server.map(returnStep),
    ],
    { maxCommands: 20 },
  );
}

const stepsOnCopies = steps(['', 'x', 'y'], 2);
const stepsOnSegments = steps(['', 'x', 'y'.repeat(1500), 'z'.repeat(3000)], 1);

function putStep(name: string, content: string, condition: Condition, streamed: boolean): Step {
  return step(
    `put(${name}, ${content.slice(0, 3)}, ${condition}, ${streamed ? 'streamed' : 'whole'})`,
    async (model, real) => {
      const precondition = preconditionOf(condition, model, name);
      const marked = content === '' ? '' : real.mark + content;
      const putting = (streamed ? putStreamed : putWhole)(next(real), keyOf(real, name), marked, precondition);
      if (!holds(condition, model, name)) {
        await expect(putting).rejects.toMatchObject({ code: 'precondition-failed' });
        return;
      }
      const { version, etag, size } = await putting;
      expect([etag, size]).toEqual([etagOf(marked), marked.length]);
      model.add(name, String(version), marked);
    },
  );
}

function deleteStep(name: string, condition: Condition): Step {
  return step(`delete(${name}, ${condition})`, async (model, real) => {
    const precondition = preconditionOf(condition, model, name);
    const removing = next(real).remove(keyOf(real, name), { ...(precondition && { precondition }) });
    if (!holds(condition, model, name)) {
      await expect(removing).rejects.toMatchObject({ code: 'precondition-failed' });
    } else if (model.current(name) === undefined) {
      await expect(removing).rejects.toMatchObject({ code: 'object-not-found' });
    } else {
      const { version, isDeleteMarker } = await removing;
      expect(isDeleteMarker).toBe(true);
      model.add(name, String(version), undefined);
    }
  });
}

function deleteVersionStep(name: string, index: number): Step {
  return step(`deleteVersion(${name}, ${index})`, async (model, real) => {
    const version = model.versions(name)[index];
    const removing = next(real).remove(keyOf(real, name), { version: version?.id ?? ABSENT_VERSION });
    if (version === undefined) {
      await expect(removing).rejects.toMatchObject({ code: 'version-not-found' });
      return;
    }
    expect((await removing).isDeleteMarker).toBe(version.content === undefined);
    model.remove(name, version.id);
  });
}

function readStep(name: string): Step {
  return step(`read(${name})`, async (model, real) => {
    const [newest] = model.versions(name);
    const reading = read(next(real), keyOf(real, name));
    if (newest === undefined) expect(await reading).toBeUndefined();
    else if (newest.content === undefined) await expect(reading).rejects.toMatchObject({ code: 'object-not-found' });
    else expect(await reading).toBe(newest.content);
  });
}

function readVersionStep(name: string, index: number): Step {
  return step(`readVersion(${name}, ${index})`, async (model, real) => {
    const version = model.versions(name)[index];
    if (version === undefined) return;
    const reading = read(next(real), keyOf(real, name), version.id);
    if (version.content !== undefined) expect(await reading).toBe(version.content);
    else await expect(reading).rejects.toMatchObject({ code: 'version-is-delete-marker' });
  });
}

function listStep(name: string): Step {
  return step(`list(${name})`, async (model, real) => {
    const { versions } = await listVersions(real.metadata, { bucket: NATIVE_BUCKET, key: keyOf(real, name) });
    expect(versions.map(({ version, deleteMarker, etag }) => [version, deleteMarker, etag])).toEqual(
      model
        .versions(name)
        .map(({ id, content }) => [id, content === undefined, content === undefined ? undefined : etagOf(content)]),
    );
  });
}

function loseStep(server: string, failure: ServerCondition, mostLost: number): Step {
  return {
    check: ({ lost }) => !lost.has(server) && lost.size < mostLost,
    run: async ({ lost }, { servers }) => {
      lost.add(server);
      servers.setCondition(failure, [server]);
    },
    toString: () => `lose(${server}, ${failure})`,
  };
}

function returnStep(server: string): Step {
  return {
    check: ({ lost }) => lost.has(server),
    run: async ({ lost }, { servers }) => {
      lost.delete(server);
      servers.setCondition('up', [server]);
    },
    toString: () => `return(${server})`,
  };
}

function step(text: string, run: Step['run']): Step {
  return { check: () => true, run, toString: () => text };
}

let turn = 0;

function next({ stores }: Real): VersionedStore {
  turn += 1;
  return turn % 2 === 0 ? stores[0] : stores[1];
}

function keyOf({ run }: Real, name: string): ObjectName {
  return toObjectName(run + name);
}

function preconditionOf(condition: Condition, model: VersionModel, name: string): Precondition | undefined {
  if (condition === 'none') return undefined;
  if (condition === 'new') return { ifNoneMatch: '*' };
  if (condition === 'any') return { ifMatch: '*' };
  return { ifMatch: [condition === 'other' ? 'other' : (model.etag(name) ?? 'none')] };
}

function holds(condition: Condition, model: VersionModel, name: string): boolean {
  const exists = model.current(name) !== undefined;
  return condition === 'none' || (condition === 'new' ? !exists : condition !== 'other' && exists);
}

function putWhole(
  store: VersionedStore,
  key: ObjectName,
  content: string,
  precondition: Precondition | undefined,
): Promise<ObjectInfo> {
  return store.put(key, Buffer.from(content), { ...(precondition && { precondition }) });
}

async function putStreamed(
  store: VersionedStore,
  key: ObjectName,
  content: string,
  precondition: Precondition | undefined,
): Promise<ObjectInfo> {
  const writer = await store.create(key, { ...(precondition && { precondition }) });
  try {
    await writer.write(Buffer.from(content));
    return await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function read(store: VersionedStore, key: ObjectName, version?: string): Promise<string | undefined> {
  const reader = await store.open(key, { ...(version !== undefined && { version }) });
  if (reader === undefined) return undefined;
  const chunks: Buffer[] = [];
  await reader.copyTo(async chunk => void chunks.push(Buffer.from(chunk)));
  await reader.close();
  return Buffer.concat(chunks).toString();
}
