import type { Note, Verdict } from '#contracts';
import type { CatalogEntry, ShardCatalog, ShardStore } from '#storage';
import type { InHand } from './in-hand.js';

export interface CompareContext {
  store: ShardStore & ShardCatalog;
  inHand: InHand;
  /** Whether this server is still joining: nobody depends on what it holds, so it drops what is outdated at once. */
  isJoining: () => boolean;
}

/**
 * The answering side of reconcile: what is each of the sender's entries worth here? `older` and
 * `same` are promises that what is here is durable; the sender may drop its own.
 */
export async function compareNotes(context: CompareContext, notes: readonly Note[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const note of notes) verdicts.push(await compareNote(context, note));
  return verdicts;
}

async function compareNote(context: CompareContext, note: Note): Promise<Verdict> {
  const { store, inHand } = context;
  const before = store.entry(note.hash);
  if (note.removed && !isAtLeast(before, note)) await store.bury(note.hash, note.stamp);
  const here = store.entry(note.hash);
  if (here === undefined) return { is: 'wanted' };
  if (here.stamp > note.stamp) return { is: 'older' };
  if (here.stamp < note.stamp) return wantNewer(context, here);
  if (here.removed !== note.removed) return { is: 'older' };
  const etag = here.removed ? undefined : await etagOf(store, here);
  // Read again: the entity tag came from the disk, and meanwhile this server may have begun to drop its own.
  if (inHand.has(here.hash) || store.entry(here.hash)?.stamp !== here.stamp) return { is: 'busy' };
  return etag === undefined ? { is: 'same' } : { is: 'same', etag };
}

/** Whether what is here is the removal in the note, or newer. */
function isAtLeast(here: CatalogEntry | undefined, removal: Note): boolean {
  return here !== undefined && (here.stamp > removal.stamp || (here.stamp === removal.stamp && here.removed));
}

/** A joining server that kept the outdated copy would serve it as soon as it is ready. */
async function wantNewer({ store, isJoining }: CompareContext, here: CatalogEntry): Promise<Verdict> {
  if (isJoining() && !here.removed) await store.forget(here.hash, here.stamp);
  return { is: 'wanted' };
}

async function etagOf(store: ShardStore & ShardCatalog, { hash }: CatalogEntry): Promise<string | undefined> {
  const name = await store.nameOf(hash);
  return name === undefined ? undefined : (await store.stat(name))?.etag;
}
