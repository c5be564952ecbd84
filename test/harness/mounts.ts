import { execFileSync } from 'node:child_process';
import { requireRoot } from './tools.js';
import { tempDirectory } from './temp-directory.js';

const mounted = new Set<string>();

/** A file system in memory of a fixed size, e.g. `size=64m,nr_inodes=200`. Unmounted by `unmountAll`. */
export function mountTmpfs(options: string): string {
  requireRoot('mounting a file system');
  const path = tempDirectory('tmpfs');
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
  mounted.add(path);
  return path;
}

export function unmountAll(): void {
  for (const path of mounted) execFileSync('umount', ['-l', path]);
  mounted.clear();
}
