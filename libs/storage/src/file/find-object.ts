import { GranaryError, type KeyHash } from '#contracts';
import type { ShardInfo } from '../shard-store.js';
import { noteDamage, objectDamaged, readError } from './damaged-object.js';
import { diskError, readFully } from './disk-access.js';
import { errnoOf } from './errno.js';
import { readLargeFileInfo } from './large-file-format.js';
import { ENTRY_KINDS, type IndexEntry } from './object-index.js';
import { decodeObject } from './pack-record.js';
import type { RecordHeader, RecordMeta } from './record-header.js';
import { isObject } from './store-catalog.js';
import type { StoreParts } from './store-parts.js';

/** An object as it was at one moment: small ones are read and verified whole, large ones are an open file. */
export type FoundObject = RecordMeta & { header: RecordHeader; entry: IndexEntry } & (
    { payload: Buffer } | { descriptor: number }
  );

/** Undefined when the key is not here. The caller closes the descriptor of a large object. */
export async function findObject(parts: StoreParts, hash: KeyHash): Promise<FoundObject | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const entry = parts.catalog.get(hash);
    if (entry === undefined || !isObject(entry)) return undefined;
    if (entry.damaged) throw objectDamaged(hash);
    const found = await (entry.kind === ENTRY_KINDS.packed ? readPacked : openFile)(parts, hash, entry);
    if (found !== undefined) return found;
  }
  throw new GranaryError('overloaded', `The object ${hash} changes faster than it can be opened.`);
}

/** The object's information as the port has it. */
export function shardInfo({
  header,
  etag,
  attributes,
}: RecordMeta & { header: RecordHeader }): ShardInfo & { size: number } {
  return {
    ...attributes,
    size: header.size,
    etag: etag.toString('hex'),
    stamp: header.stamp,
    modifiedMs: header.modifiedMs,
    crc32c: header.payloadCrc,
  };
}

/** Each retry means that the object was replaced in the moment between. */
const MAX_ATTEMPTS = 20;

async function readPacked(parts: StoreParts, hash: KeyHash, entry: IndexEntry): Promise<FoundObject> {
  const pack = parts.packs.get(entry.pack);
  if (pack === undefined) throw new Error(`The index names pack ${entry.pack}, which is not there.`);
  const bytes = Buffer.allocUnsafe(entry.length);
  let count: number;
  try {
    count = await parts.packs.read(pack, descriptor => readFully(parts.disk, descriptor, bytes, entry.offset));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw noteDamage(parts, hash, entry, 'the pack is missing');
    throw readError(parts, hash, pack.path, error);
  }
  const object = decodeObject(bytes.subarray(0, count), 0, pack.salt);
  if (object === undefined || object.header.hash !== hash || object.header.sequence !== entry.sequence) {
    throw noteDamage(parts, hash, entry, 'the record fails its checksums');
  }
  return Object.assign(object, { entry });
}

async function openFile(parts: StoreParts, hash: KeyHash, entry: IndexEntry): Promise<FoundObject | undefined> {
  const { disk, layout, catalog } = parts;
  const path = layout.objectPath({ hash, ...entry });
  let descriptor: number;
  try {
    descriptor = await disk.open(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw diskError(error, `opening ${path}`);
    if (catalog.get(hash)?.sequence !== entry.sequence) return undefined;
    throw noteDamage(parts, hash, entry, 'the file is missing');
  }
  try {
    const info = await readLargeFileInfo(disk, descriptor);
    if (info === undefined || info.header.hash !== hash || info.header.sequence !== entry.sequence) {
      throw noteDamage(parts, hash, entry, 'the file is not whole, or another');
    }
    return { ...info, entry, descriptor };
  } catch (error) {
    await disk.close(descriptor);
    throw readError(parts, hash, path, error);
  }
}
