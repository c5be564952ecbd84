import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version in Granary's package.json, found upwards from here: the sources and the build lie at different depths. */
export function programVersion(directory = import.meta.dirname): string {
  try {
    const { name, version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    if (name === 'granary' && typeof version === 'string') return version;
  } catch {
    // Most directories have none.
  }
  const parent = dirname(directory);
  return parent === directory ? 'unknown' : programVersion(parent);
}
