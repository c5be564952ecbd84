import type { Member } from '#cluster';
import { hashName, type ObjectName } from '#contracts';
import { toBlake3, toRedundancy, type Blob, type NewBlob, type Redundancy, type ServerId } from '#metadata';
import { contentHash, type ByteRange, type ShardCatalog, type ShardStore } from '#storage';
import { MemoryShardStore } from '#storage/memory';
import { collectInto, detach } from '#storage/testing';
import type { BlobServers } from '../blob-servers.js';
import type { BlobSettings } from '../blob-settings.js';
import type { BlobTrouble } from '../blob-trouble.js';
import type { HotBlobs } from '../read/hot-blobs.js';
import { RedundantBlobStore } from '../redundant-blob-store.js';
import { FaultyStore, type Condition } from './faulty-store.js';

export interface BlobClusterOptions {
  servers?: number;
  settings?: Partial<BlobSettings>;
  zones?: number;
  storeOf?: (index: number) => ShardStore & ShardCatalog;
}

/** Data servers with faults by command, and the store of blobs over them. */
export class BlobCluster {
  readonly stores: readonly FaultyStore[];
  readonly catalogs: readonly (ShardStore & ShardCatalog)[];
  readonly troubles: BlobTrouble[] = [];
  /** Keeps nothing in memory. */
  readonly blobs: RedundantBlobStore;
  private readonly servers: BlobServers;
  private readonly settings: Partial<BlobSettings>;
  /** Ids of servers that the view knows to be suspects, full, away (`gone`), or no members any more. */
  readonly suspects = new Set<string>();
  readonly full = new Set<string>();
  readonly gone = new Set<string>();
  /** Those of them that are not missed any more. */
  readonly forgotten = new Set<string>();

  constructor({ servers = 6, settings = {}, zones, storeOf = () => new MemoryShardStore() }: BlobClusterOptions = {}) {
    this.catalogs = Array.from({ length: servers }, (_, index) => storeOf(index));
    this.stores = this.catalogs.map((store, index) => new FaultyStore(`s${index}`, store));
    const members = this.stores.map(({ id }, index) =>
      memberNamed(id, zones === undefined ? undefined : `z${index % zones}`),
    );
    [this.servers, this.settings] = [this.serversOf(members), settings];
    this.blobs = this.openBlobs();
  }

  /** What another API server would have. */
  openBlobs(hot?: HotBlobs): RedundantBlobStore {
    const { servers, settings } = this;
    const report = (trouble: BlobTrouble): void => void this.troubles.push(trouble);
    return new RedundantBlobStore({ servers, report, settings, ...(hot !== undefined && { hot }) });
  }

  store(id: string): FaultyStore {
    const store = this.stores.find(each => each.id === id);
    if (store === undefined) throw new Error(`There is no server ${id}.`);
    return store;
  }

  setCondition(condition: Condition, ids: readonly (string | undefined)[]): void {
    for (const id of ids) if (id !== undefined) this.store(id).condition = condition;
  }

  /** All keys that any server holds. */
  shards(): number {
    return this.catalogs.flatMap(catalog => [...catalog.entries()].filter(entry => !entry.removed)).length;
  }

  holdersOf(key: ObjectName): string[] {
    return this.stores
      .filter((_, index) => this.catalogs[index]?.entry(hashName(key))?.removed === false)
      .map(s => s.id);
  }

  put(bytes: Buffer, redundancy: string, signal?: AbortSignal): Promise<NewBlob> {
    const content = { bytes, blake3: toBlake3(contentHash.of(bytes).toString('hex')) };
    return this.blobs.put(content, { redundancy: toRedundancy(redundancy), ...(signal && { signal }) });
  }

  /** Streams the bytes in odd pieces, each of which is gone when it was written. */
  async write(bytes: Buffer, redundancy: string | Redundancy, pieceBytes = 77_777, known = true): Promise<NewBlob> {
    const options = { redundancy: toRedundancy(redundancy), ...(known && { length: bytes.length }) };
    const writer = await this.blobs.create(options);
    try {
      for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
        const piece = Buffer.alloc(Math.min(pieceBytes, bytes.length - offset));
        bytes.copy(piece, 0, offset);
        await writer.write(piece);
        detach(piece);
      }
      return await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async read(blobs: NewBlob | readonly NewBlob[], range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    const reader = this.blobs.open([blobs].flat().map(asStored));
    const chunks: Buffer[] = [];
    try {
      await reader.copyTo(collectInto(chunks), range, signal === undefined ? {} : { signal });
    } finally {
      await reader.close();
    }
    return Buffer.concat(chunks);
  }

  private serversOf(members: readonly Member[]): BlobServers {
    const suspected = (member: Member): Member =>
      this.suspects.has(member.key) ? { ...member, suspect: true } : member;
    return {
      candidates: () =>
        members.filter(({ key }) => ![this.suspects, this.full, this.gone, this.forgotten].some(set => set.has(key))),
      countFull: () => this.full.size,
      countKnown: () => members.length,
      countExpected: () => members.length,
      isForgotten: id => this.forgotten.has(id),
      find: (id: ServerId) => {
        const member = members.find(({ key }) => key === id && !this.gone.has(key) && !this.forgotten.has(key));
        return member && suspected(member);
      },
      storeOf: member => this.store(member.key),
    };
  }
}

function memberNamed(id: string, zone: string | undefined): Member {
  const beat = { sequence: 1, state: 'ready', capacityBytes: 2 ** 40, usedBytes: 0, clock: 0, members: [id] } as const;
  return {
    key: id,
    address: `${id}.test:80`,
    kind: 'granary',
    facts: { ...beat, serverId: id, bootId: `${id}-boot`, ...(zone !== undefined && { zone }) },
    lastBeatMs: 0,
    lastBeatAt: new Date(0),
    proven: true,
    suspect: false,
  };
}

export function asStored(blob: NewBlob): Blob {
  return { ...blob, createdMs: 0 };
}
