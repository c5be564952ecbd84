import type { ObjectName } from '#contracts';
import type { ShardInfo, ShardReader, ShardStore, ShardWriter } from '#storage';

const NOT_READ = { etag: undefined, stamp: 0, modifiedMs: 0, crc32c: 0 };

/** Costs as little as a store can: keeps the bytes, and neither copies nor hashes what is read. Ranges are not for it. */
export class CountingStore implements ShardStore {
  private readonly objects = new Map<ObjectName, { info: ShardInfo & { size: number }; pieces: readonly Buffer[] }>();

  async put(key: ObjectName, bytes: Buffer): Promise<ShardInfo> {
    return this.keep(key, [bytes]);
  }

  async create(key: ObjectName): Promise<ShardWriter> {
    const pieces: Buffer[] = [];
    return {
      write: async chunk => void pieces.push(Buffer.from(chunk)),
      commit: async () => this.keep(key, pieces),
      abort: async () => {},
    };
  }

  async open(key: ObjectName): Promise<ShardReader | undefined> {
    const object = this.objects.get(key);
    if (object === undefined) return undefined;
    return {
      info: object.info,
      copyTo: async sink => {
        for (const piece of object.pieces) await sink(piece);
      },
      close: async () => {},
    };
  }

  async stat(key: ObjectName): Promise<(ShardInfo & { size: number }) | undefined> {
    return this.objects.get(key)?.info;
  }

  async remove(key: ObjectName): Promise<{ existed: boolean; stamp: number }> {
    return { existed: this.objects.delete(key), stamp: 0 };
  }

  private keep(key: ObjectName, pieces: readonly Buffer[]): ShardInfo {
    const info = { ...NOT_READ, size: pieces.reduce((sum, { length }) => sum + length, 0) };
    this.objects.set(key, { info, pieces });
    return info;
  }
}
