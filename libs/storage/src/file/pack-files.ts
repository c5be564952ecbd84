import { join } from 'node:path';
import { unlinkIfThere } from './disk-access.js';
import type { Disk } from './disk.js';

/** `GRNPACK`, a zero and the format's version: what a pack begins with. */
export const PACK_HEADER = Buffer.from('GRNPACK\0\x01\0\0\0\0\0\0\0', 'latin1');
export const PACK_HEADER_BYTES = PACK_HEADER.length;

/** One pack. */
export interface Pack {
  readonly id: number;
  readonly salt: number;
  readonly path: string;
  readonly hintPath: string;
  size: number;
  /** Records of keys, dead ones included. */
  records: number;
  /** Of those, what the index still refers to. */
  liveRecords: number;
  liveBytes: number;
  sealed: boolean;
}

export function packFile(directory: string, id: number, salt: number): Pack {
  const stem = join(directory, `${hex(id)}-${hex(salt)}`);
  return {
    id,
    salt,
    path: `${stem}.pack`,
    hintPath: `${stem}.idx`,
    size: 0,
    records: 0,
    liveRecords: 0,
    liveBytes: 0,
    sealed: false,
  };
}

/** The id and salt in the name of a pack, or of its hint. */
export function parsePackName(name: string): { id: number; salt: number; extension: string } | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{8})\.(pack|idx)$/.exec(name);
  if (match === null) return undefined;
  const [, id = '', salt = '', extension = ''] = match;
  return { id: Number.parseInt(id, 16), salt: Number.parseInt(salt, 16), extension };
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/**
 * The packs of a store and their descriptors for reading. Who reads a pack holds it open: a pack that
 * is dropped meanwhile is unlinked, but stays readable until its last reader is done.
 */
export class PackFiles {
  private readonly packs = new Map<number, Pack>();
  /** In the order they were opened. */
  private readonly handles = new Map<Pack, Handle>();

  constructor(
    private readonly disk: Disk,
    private readonly maxOpen: number,
  ) {}

  add(pack: Pack): void {
    this.packs.set(pack.id, pack);
  }

  get(id: number): Pack | undefined {
    return this.packs.get(id);
  }

  all(): Iterable<Pack> {
    return this.packs.values();
  }

  async read<T>(pack: Pack, task: (descriptor: number) => Promise<T>): Promise<T> {
    const handle = this.acquire(pack);
    try {
      return await task(await handle.descriptor);
    } finally {
      this.release(pack, handle);
    }
  }

  /** Unlinks a pack nothing refers to any more, once nobody opens or reads it. */
  async drop(pack: Pack): Promise<void> {
    this.packs.delete(pack.id);
    const handle = this.handles.get(pack);
    if (handle !== undefined) {
      await handle.descriptor.catch(() => {});
      handle.dropped = true;
      if (handle.users === 0) this.closeHandle(pack, handle);
    }
    await unlinkIfThere(this.disk, pack.hintPath);
    await unlinkIfThere(this.disk, pack.path);
  }

  async close(): Promise<void> {
    const closing = [...this.handles.values()].map(async handle => this.disk.close(await handle.descriptor));
    this.handles.clear();
    await Promise.allSettled(closing);
  }

  private acquire(pack: Pack): Handle {
    const handle = this.handles.get(pack) ?? this.openHandle(pack);
    handle.users += 1;
    return handle;
  }

  private openHandle(pack: Pack): Handle {
    const handle: Handle = { descriptor: this.disk.open(pack.path, 'r'), users: 0, dropped: false };
    handle.descriptor.catch(() => this.handles.delete(pack));
    this.handles.set(pack, handle);
    return handle;
  }

  private release(pack: Pack, handle: Handle): void {
    handle.users -= 1;
    if (handle.users > 0) return;
    if (handle.dropped) return this.closeHandle(pack, handle);
    if (this.handles.size > this.maxOpen) this.closeOldestIdle();
  }

  private closeOldestIdle(): void {
    for (const [pack, handle] of this.handles) {
      if (handle.users === 0) return this.closeHandle(pack, handle);
    }
  }

  private closeHandle(pack: Pack, handle: Handle): void {
    if (this.handles.get(pack) === handle) this.handles.delete(pack);
    handle.descriptor.then(descriptor => this.disk.close(descriptor)).catch(() => {});
  }
}

interface Handle {
  descriptor: Promise<number>;
  users: number;
  dropped: boolean;
}
