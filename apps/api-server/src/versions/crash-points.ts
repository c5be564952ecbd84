/**
 * Every step of a commit at which a test can end the process, as a power cut or `kill -9` would. Whatever
 * the point, an object is as it was before or as it was put, and never in between.
 */
export const CRASH_POINTS = [
  /** Nothing was written. */
  'put:before-shards',
  /** The shards are durable, and nothing refers to them. */
  'put:shards-durable',
  /** Also where the content was recognised and no shards were written. */
  'put:before-commit',
  /** The version is visible, and nobody has been told. Shards that turned out to be known are still there. */
  'put:committed',
  'delete:before-commit',
  'delete:committed',
  'delete-version:before-commit',
  'delete-version:committed',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];

/** Called as each point is passed. */
export type ReachCrashPoint = (point: CrashPoint) => void;

/** Ends the process at the chosen point, leaving it no time for anything. Without one, none is. */
export function crashAt(chosen: CrashPoint | undefined): ReachCrashPoint {
  if (chosen === undefined) return () => undefined;
  return point => {
    if (point === chosen) process.kill(process.pid, 'SIGKILL');
  };
}
