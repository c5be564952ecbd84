import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { KeyHash } from '#contracts';
import { syncDirectory } from './disk-access.js';
import type { Disk } from './disk.js';

/** Where things are in a storage directory (docs/storage-format.md). */
export class StoreLayout {
  readonly packs: string;
  readonly objects: string;
  readonly quarantine: string;
  readonly temporary: string;
  readonly reserve: string;

  constructor(readonly root: string) {
    this.packs = join(root, 'packs');
    this.objects = join(root, 'objects');
    this.quarantine = join(root, 'quarantine');
    this.temporary = join(root, 'tmp');
    this.reserve = join(root, 'reserve');
  }

  objectDirectory(hash: KeyHash): string {
    return join(this.objects, hash.slice(0, 2));
  }

  objectPath(name: ObjectFileName): string {
    return join(this.objectDirectory(name.hash), objectFileName(name));
  }

  quarantinePath(name: ObjectFileName): string {
    return join(this.quarantine, objectFileName(name));
  }

  temporaryPath(): string {
    return join(this.temporary, randomBytes(12).toString('hex'));
  }

  /** Makes what is missing, durably. The directories of objects come as they are needed. */
  async create(disk: Disk): Promise<void> {
    for (const path of [this.packs, this.objects, this.quarantine, this.temporary]) await disk.mkdir(path);
    await syncDirectory(disk, this.root);
  }

  async createObjectDirectory(disk: Disk, hash: KeyHash): Promise<void> {
    await disk.mkdir(this.objectDirectory(hash));
    await syncDirectory(disk, this.objects);
  }
}

/** All that a start needs to know of a large or quarantined object. */
export interface ObjectFileName {
  hash: KeyHash;
  stamp: number;
  sequence: number;
}

export function objectFileName({ hash, stamp, sequence }: ObjectFileName): string {
  return `${hash}-${stamp.toString(16).padStart(14, '0')}-${sequence.toString(16).padStart(14, '0')}`;
}

export function parseObjectFileName(name: string): ObjectFileName | undefined {
  const match = /^([0-9a-f]{32})-([0-9a-f]{14})-([0-9a-f]{14})$/.exec(name);
  if (match === null) return undefined;
  const [, hash = '', stamp = '', sequence = ''] = match;
  return { hash: hash as KeyHash, stamp: Number.parseInt(stamp, 16), sequence: Number.parseInt(sequence, 16) };
}
