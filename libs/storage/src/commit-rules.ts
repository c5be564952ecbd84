import { GranaryError, STAMPS_PER_MS, type Stamp } from '#contracts';
import type { Precondition, PutOptions, RemoveOptions } from './shard-store.js';

/** What a store has under a key when a commit is decided. */
export interface PresentCopy {
  stamp: Stamp;
  /** A tombstone. */
  removed: boolean;
  /** Need only be known if `needsEtag` says so. */
  etag?: string | undefined;
}

/** Gives stamps, each greater than the ones before. */
export type StampSource = () => Stamp;

/** The stamps of a store that is told none: the wall clock, which here never goes back. */
export function wallClockStamps(now: () => number = Date.now): StampSource {
  let last = 0;
  return () => (last = Math.max(last + 1, now() * STAMPS_PER_MS));
}

/** The stamp that a put shall carry. Throws `precondition-failed` if it must not happen. */
export function stampForPut(options: PutOptions, etag: string, present: PresentCopy | undefined, next: StampSource) {
  checkPrecondition(options.precondition, present);
  if (options.move === undefined) return raised(options.stamp ?? next(), present);
  const stamp = options.stamp ?? 0;
  if (!isNewer({ stamp, etag }, present)) {
    throw new GranaryError(
      'precondition-failed',
      `The copy that moved here (${stamp}) is not newer than what is here (${present?.stamp}).`,
    );
  }
  return stamp;
}

/** The stamp of a removal's tombstone. Throws `precondition-failed` if it must not happen. */
export function stampForRemoval(options: RemoveOptions, present: PresentCopy | undefined, next: StampSource): Stamp {
  checkPrecondition(options.precondition, present);
  return raised(options.stamp ?? next(), present);
}

/** Whether a removal that moved here replaces what is here. */
export function tombstoneBeats(stamp: Stamp, present: PresentCopy | undefined): boolean {
  return present === undefined || stamp > present.stamp || (stamp === present.stamp && !present.removed);
}

/** Whether the present copy's entity tag decides anything here; a store may have to read it from the disk. */
export function needsEtag(options: PutOptions & RemoveOptions, present: PresentCopy | undefined): boolean {
  if (present === undefined || present.removed) return false;
  const { ifMatch, ifNoneMatch } = options.precondition ?? {};
  return (
    Array.isArray(ifMatch) ||
    Array.isArray(ifNoneMatch) ||
    (options.move !== undefined && options.stamp === present.stamp)
  );
}

/** RFC 9110 §13.1.1 and §13.1.2, by strong comparison. Throws `precondition-failed`. */
export function checkPrecondition(precondition: Precondition | undefined, present: PresentCopy | undefined): void {
  if (precondition === undefined) return;
  const { ifMatch, ifNoneMatch } = precondition;
  const here = present !== undefined && !present.removed;
  if (ifMatch !== undefined && !(here && includesTag(ifMatch, present.etag))) {
    throw new GranaryError(
      'precondition-failed',
      here ? 'If-Match: the object has another entity tag.' : 'If-Match: there is no such object.',
    );
  }
  if (ifNoneMatch !== undefined && here && includesTag(ifNoneMatch, present.etag)) {
    throw new GranaryError('precondition-failed', 'If-None-Match: the object exists with such an entity tag.');
  }
}

function includesTag(tags: '*' | readonly string[], etag: string | undefined): boolean {
  return tags === '*' || (etag !== undefined && tags.includes(etag));
}

function raised(wanted: Stamp, present: PresentCopy | undefined): Stamp {
  return Math.max(wanted, (present?.stamp ?? -1) + 1);
}

/** Equal stamps are settled by the greater entity tag, so that all servers agree; a tombstone beats its equal. */
function isNewer(copy: { stamp: Stamp; etag: string }, present: PresentCopy | undefined): boolean {
  if (present === undefined || copy.stamp > present.stamp) return true;
  return copy.stamp === present.stamp && !present.removed && present.etag !== undefined && copy.etag > present.etag;
}
