import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { GeneratedPage } from './generated-page.js';

/**
 * Writes the files that are not what they should be. With `--check` on the command line it writes
 * nothing, names the stale ones with the `command` that writes them, and the process will exit with 1.
 */
export async function writeGenerated(pages: readonly GeneratedPage[], command: string): Promise<void> {
  const isCheck = process.argv.includes('--check');
  const stale: string[] = [];
  for (const { path, render } of pages) {
    const file = join(process.cwd(), path);
    const present = read(file);
    // oxlint-disable-next-line no-await-in-loop -- a few small files
    const wanted = await formatted(file, render(present));
    if (present === wanted) continue;
    if (isCheck) stale.push(path);
    else writeFileSync(file, wanted);
  }
  if (stale.length === 0) return;
  console.error(`stale: ${stale.join(', ')}; run \`${command}\``);
  process.exitCode = 1;
}

/** As `npm run format` would leave it. */
async function formatted(file: string, text: string): Promise<string> {
  if (!/\.(md|ts)$/.test(file)) return text;
  return format(text, { ...(await resolveConfig(file)), filepath: file });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
