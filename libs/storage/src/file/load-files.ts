import { join } from 'node:path';
import { recordFile } from './commit-object.js';
import { noteDamage, setFileAside } from './damaged-object.js';
import { unlinkIfThere, withFile } from './disk-access.js';
import { readLargeFileInfo } from './large-file-format.js';
import { adopt } from './load-packs.js';
import { ENTRY_KINDS } from './object-index.js';
import { objectFileName, parseObjectFileName, type ObjectFileName } from './store-layout.js';
import type { StoreParts } from './store-parts.js';

/**
 * Completes the catalog, after the packs, by what lies in objects/ and quarantine/: their file names
 * say enough. Sweeps what an earlier run left behind. Only what is dead is removed.
 */
export async function loadFiles(parts: StoreParts): Promise<void> {
  const { disk, layout } = parts;
  for (const name of await disk.readdir(layout.temporary)) await unlinkIfThere(disk, join(layout.temporary, name));
  const files = await listObjectFiles(parts);
  const quarantined = await listDirectory(parts, layout.quarantine);
  for (const name of files) adoptFile(parts, name);
  for (const name of quarantined) adoptQuarantined(parts, name);
  await sweep(parts, files, quarantined);
  await completeFileRecords(parts);
}

async function listObjectFiles(parts: StoreParts): Promise<ObjectFileName[]> {
  const lists: ObjectFileName[][] = [];
  for (const name of await parts.disk.readdir(parts.layout.objects)) {
    lists.push(await listDirectory(parts, join(parts.layout.objects, name)));
  }
  return lists.flat();
}

async function listDirectory({ disk }: StoreParts, path: string): Promise<ObjectFileName[]> {
  return (await disk.readdir(path)).flatMap(name => parseObjectFileName(name) ?? []);
}

function adoptFile({ catalog }: StoreParts, { hash, stamp, sequence }: ObjectFileName): void {
  const present = catalog.get(hash);
  if (present?.sequence === sequence) {
    if (present.kind === ENTRY_KINDS.file) catalog.set(hash, { ...present, damaged: false });
    return;
  }
  adopt(catalog, hash, { kind: ENTRY_KINDS.file, stamp, sequence, length: 0, pack: 0, offset: 0, damaged: false });
}

function adoptQuarantined({ catalog }: StoreParts, { hash, stamp, sequence }: ObjectFileName): void {
  const present = catalog.get(hash);
  const record =
    present?.sequence === sequence && present.kind === ENTRY_KINDS.file
      ? present
      : { stamp, sequence, length: 0, pack: 0, offset: 0 };
  adopt(catalog, hash, { ...record, kind: ENTRY_KINDS.quarantined, damaged: true });
}

/** Removes the files of what was overwritten or removed, when a crash came before that. */
async function sweep({ disk, layout, catalog }: StoreParts, files: ObjectFileName[], quarantined: ObjectFileName[]) {
  const isDead = ({ hash, sequence }: ObjectFileName) => catalog.get(hash)?.sequence !== sequence;
  for (const name of files.filter(isDead)) await unlinkIfThere(disk, layout.objectPath(name));
  for (const name of quarantined.filter(isDead))
    await unlinkIfThere(disk, join(layout.quarantine, objectFileName(name)));
}

/** Sets aside what should be there and is not; records the files whose record a crash cut off. */
async function completeFileRecords(parts: StoreParts): Promise<void> {
  const { disk, layout, catalog, background, onEvent } = parts;
  for (const [hash, entry] of catalog.all([ENTRY_KINDS.file])) {
    const path = layout.objectPath({ hash, ...entry });
    if (entry.damaged) {
      onEvent({ kind: 'object-damaged', hash, where: path, reason: 'the file is missing' });
      await setFileAside(parts, hash, entry);
    } else if (entry.pack === 0) {
      const info = await withFile(disk, path, 'r', descriptor => readLargeFileInfo(disk, descriptor));
      if (info === undefined) {
        noteDamage(parts, hash, entry, 'the file is not whole');
        continue;
      }
      catalog.set(hash, { ...entry, length: info.header.size });
      background.run(`recording the file of ${hash}`, () => recordFile(parts, info.header));
    }
  }
}
