import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made = new Set<string>();

/** A fresh directory, removed by `removeTempDirectories`. */
export function tempDirectory(purpose: string): string {
  const path = mkdtempSync(join(tmpdir(), `granary-${purpose}-`));
  made.add(path);
  return path;
}

export function removeTempDirectories(): void {
  for (const path of made) rmSync(path, { recursive: true, force: true });
  made.clear();
}
